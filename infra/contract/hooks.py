"""What Schemathesis cannot take from the document: an account, and values that only the API can issue.

No hook disables a check. Negative test cases are sent unchanged.
"""

import os
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unicodedata import normalize

import requests
import schemathesis
from schemathesis import Case, HookContext, Response

BASE = os.environ["CONTRACT_URL"]


class Account:
    """One account for the whole run, so that a scenario keeps access to what it created. Its logins change."""

    def __init__(self) -> None:
        self.email = "contract@example.com"
        self.password = "the first password of a fuzzer"
        self.token: str | None = None

    def live_token(self) -> str:
        """A token of an active login. The fuzzer may have logged out the last one."""
        if self.token is None:
            self.token = self._sign_in("register")
            # Two sessions, so that there always is a second page and a cursor to it.
            for name in ("one", "two"):
                session = {"name": name, "workspacePath": f"/workspace/{name}"}
                self._call("POST", "/sessions", json=session).raise_for_status()
        elif self._call("GET", "/auth/logins").status_code != 200:
            self.token = self._sign_in("login")
        return self.token

    def cursor(self, path: str, filter: dict[str, Any]) -> str | None:
        """A cursor of this list with this filter, if the list has more than one page."""
        self.live_token()
        response = self._call("GET", path, params={**filter, "limit": 1})
        return response.json()["data"]["nextCursor"] if response.status_code == 200 else None

    def make_room_for_a_token(self) -> None:
        """Revokes the personal access tokens when their number nears the limit, which is no quota that can be off."""
        tokens = self._call("GET", "/users/me/tokens").json()["data"]["tokens"]
        if len(tokens) > 40:
            for token in tokens:
                self._call("DELETE", f"/users/me/tokens/{token['id']}")

    def link(self) -> str | None:
        """The token of a link to an export; None if the password was entered too long ago."""
        self.live_token()
        response = self._call("POST", "/users/me/exports")
        return response.json()["data"]["downloadUrl"].rsplit("/", 1)[-1] if response.status_code == 202 else None

    def _sign_in(self, how: str) -> str:
        response = self._call("POST", f"/auth/{how}", json={"email": self.email, "password": self.password})
        response.raise_for_status()
        return response.json()["data"]["token"]

    def _call(self, method: str, path: str, **request: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return requests.request(method, BASE + path, headers=headers, timeout=10, **request)


account = Account()


@schemathesis.auth(refresh_interval=None)
class LiveToken:
    """Schemathesis calls it before each request, because the fuzzer also logs out."""

    def get(self, case: Case, context: Any) -> str:
        return account.live_token()

    def set(self, case: Case, data: str, context: Any) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.deserializer("text/html")
def page(context: Any, response: Response) -> str:
    return response.content.decode()


@schemathesis.deserializer("image/jpeg")
def picture(context: Any, response: Response) -> str:
    return response.content.decode("latin-1")


@schemathesis.deserializer("application/zip")
def archive(context: Any, response: Response) -> str:
    return response.content.decode("latin-1")


def is_meant_to_succeed(case: Case) -> bool:
    return case.meta is not None and case.meta.generation.mode.is_positive


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    if is_meant_to_succeed(case):
        give_cursor(case)
        give_change(case)
        give_expiry(case)
        give_link(case)
        give_fresh_key(case)


def give_cursor(case: Case) -> None:
    """Cursors are sealed: the API rejects an invented one, like an invented token."""
    if case.query and "cursor" in case.query:
        filter = {name: value for name, value in case.query.items() if name not in ("cursor", "limit")}
        cursor = account.cursor(case.path, filter)
        if cursor is None:
            del case.query["cursor"]
        else:
            case.query["cursor"] = cursor


def give_change(case: Case) -> None:
    """The API changes the password or the email only if the password is right, and the new one differs."""
    if case.path == "/auth/password" and isinstance(case.body, dict) and "currentPassword" in case.body:
        case.body["currentPassword"] = account.password
        new = case.body.get("newPassword")
        if isinstance(new, str) and normalize("NFKC", new) == normalize("NFKC", account.password):
            case.body["newPassword"] = f"not {account.email}" if new == account.email else account.email
    if case.path == "/users/me/email" and isinstance(case.body, dict):
        new = case.body.get("email")
        if isinstance(new, str) and new.strip().lower() == account.email:
            case.body["email"] = f"new-{account.email}"
    proves_password = case.path in ("/auth/reauthenticate", "/users/me/email", "/users/me/deletion")
    if proves_password and isinstance(case.body, dict) and "password" in case.body:
        case.body["password"] = account.password


TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def give_expiry(case: Case) -> None:
    """The document allows any time; the API accepts one of the next year, and a limited number of tokens."""
    if (case.method, case.path) == ("POST", "/users/me/tokens") and isinstance(case.body, dict):
        if isinstance(case.body.get("expiresAt"), str):
            case.body["expiresAt"] = TOMORROW
        account.live_token()
        account.make_room_for_a_token()


def give_link(case: Case) -> None:
    """The API issues links to exports: it knows no invented one. An export of this account has one part."""
    if case.path == "/exports/{token}":
        link = account.link()
        if link is not None:
            case.path_parameters["token"] = link
            if case.query:
                case.query.pop("part", None)


# One pixel in each format.
PICTURES = {
    "image/jpeg": b64decode(
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAP//////////////////////////////////////////////////////////////////////////"
        "////////////2wBDAf//////////////////////////////////////////////////////////////////////////////////////wAAR"
        "CAABAAEDASIAAhEBAxEB/8QAFAABAAAAAAAAAAAAAAAAAAAAAP/EABQQAQAAAAAAAAAAAAAAAAAAAAD/xAAUAQEAAAAAAAAAAAAAAAAAAAAB"
        "/8QAFBEBAAAAAAAAAAAAAAAAAAAAAP/aAAwDAQACEQMRAD8AAEP/2Q=="
    ),
    "image/png": b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGMIqDgBAAKsAZH3/1VIAAAAAElFTkSuQmCC"
    ),
    "image/webp": b64decode("UklGRh4AAABXRUJQVlA4TBEAAAAvAAAAAAdQvEIVuf+BiOh/AAA="),
}


@schemathesis.serializer("image/jpeg", "image/png", "image/webp")
def serialized_picture(context: Any, value: Any) -> bytes:
    """The document allows any bytes; the API accepts pictures."""
    if is_meant_to_succeed(context.case):
        return PICTURES[context.case.media_type]
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def after_call(context: HookContext, case: Case, response: Response) -> None:
    if case.path == "/auth/password" and case.method == "POST" and response.status_code == 200:
        account.password = case.body["newPassword"]
        account.token = response.json()["data"]["token"]


KEY = "Idempotency-Key"
named: dict[str, tuple[str, Any]] = {}


def fresh_keys() -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"contract-{number}"


fresh = fresh_keys()


def give_fresh_key(case: Case) -> None:
    """A key belongs to one request: a retry sends the same key, and another request needs another key."""
    if case.headers and KEY in case.headers:
        key = str(case.headers[KEY]).strip().strip('"')
        if named.setdefault(key, (case.path, case.body)) != (case.path, case.body):
            case.headers[KEY] = next(fresh)
