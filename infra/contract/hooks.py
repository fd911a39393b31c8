"""What Schemathesis cannot take from the document: an account, and values that only the API can issue.

No hook disables a check. Negative test cases are sent unchanged.
"""

import os
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from unicodedata import normalize

import requests
import schemathesis
from schemathesis import Case, HookContext, Response
from schemathesis.transport.serialization import Binary

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

    def make_room_for_an_upload(self, case: Case) -> None:
        """Cancels the uploads of a session when their number nears the limit, which is no quota that can be off."""
        self.live_token()
        path = f"/sessions/{case.path_parameters['id']}/uploads"
        response = self._call("GET", path, params={"limit": 100})
        uploads = response.json()["data"]["uploads"] if response.status_code == 200 else []
        if len(uploads) > 10:
            for upload in uploads:
                self._call("DELETE", f"{path}/{upload['id']}")

    def upload(self, case: Case) -> dict[str, Any] | None:
        """The upload that a request is about, if there is one."""
        self.live_token()
        parameters = case.path_parameters
        response = self._call("GET", f"/sessions/{parameters['id']}/uploads/{parameters['upload']}")
        return response.json()["data"] if response.status_code == 200 else None

    def send_parts(self, case: Case) -> None:
        """Sends all parts of an upload, which a commit needs."""
        upload = self.upload(case)
        for number in range(1, upload["partCount"] + 1 if upload else 0):
            path = f"/sessions/{case.path_parameters['id']}/uploads/{upload['id']}/parts/{number}"
            self._call("PUT", path, data=part(upload, number))

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
        give_no_wait(case)
        give_parts(case)
        give_digests(case)
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


def give_no_wait(case: Case) -> None:
    """A request at the end of the feed would wait for up to 20 seconds."""
    if case.query and "wait" in case.query:
        case.query["wait"] = 0


def give_parts(case: Case) -> None:
    """The parts of an upload are those of a file of zeros, which is small, to be quick. An upload has at most 10,000
    parts, which the document cannot say."""
    if not case.path.startswith("/sessions/{id}/uploads"):
        return
    if case.method == "POST" and case.path == "/sessions/{id}/uploads" and isinstance(case.body, dict):
        account.make_room_for_an_upload(case)
        case.body.pop("partSize", None)
        if isinstance(case.body.get("size"), int | float):
            case.body["size"] = min(int(case.body["size"]), 4 << 20)
            if isinstance(case.body.get("digest"), str):
                case.body["digest"] = digest(bytes(case.body["size"]))
    elif case.path.endswith("/parts/{part}"):
        upload = account.upload(case)
        number = int(case.path_parameters["part"])
        if upload is not None and number <= upload["partCount"]:
            case.body = Binary(part(upload, number))
    elif case.path.endswith("/commit"):
        account.send_parts(case)


def part(upload: dict[str, Any], number: int) -> bytes:
    return bytes(min(upload["partSize"], upload["size"] - (number - 1) * upload["partSize"]))


def digest(content: bytes) -> str:
    return f"sha-256=:{b64encode(sha256(content).digest()).decode()}:"


def give_digests(case: Case) -> None:
    """A digest of the body has to match the body."""
    for name in ("Content-Digest", "Repr-Digest"):
        if case.headers and name in case.headers:
            content = case.body.data if isinstance(case.body, Binary) else case.body
            if isinstance(content, str):
                content = content.encode()
            case.headers[name] = digest(content if isinstance(content, bytes) else b"")


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
named: dict[str, tuple[str, str]] = {}


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
        request = (case.formatted_path, repr(case.body))
        if named.setdefault(key, request) != request:
            case.headers[KEY] = next(fresh)
