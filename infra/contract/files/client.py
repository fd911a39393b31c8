"""A thin client of the files of a session: one method for each request, and an exception for each problem.

It also checks what every response promises: its headers, its envelope, and the digest of a content.
"""

from __future__ import annotations

import errno
import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import urlencode

import urllib3

# The largest body of a file, in bytes. Larger files are uploaded in parts.
MAX_BYTES = 4 << 20


class Problem(OSError):
    """A failure that the API reports as a problem document (RFC 9457)."""

    number = errno.EIO

    def __init__(self, document: dict[str, Any], path: str | None = None) -> None:
        super().__init__(self.number, document["detail"], path)
        self.status: int = document["status"]
        self.code: str = document["code"]
        self.errors: list[dict[str, str]] = document.get("errors", [])

    def __str__(self) -> str:
        where = f": {self.filename}" if self.filename else ""
        errors = "".join(f"; {error['pointer']} {error['message']}" for error in self.errors)
        return f"{self.status} {self.code}{where}: {self.strerror}{errors}"


class NotFound(Problem, FileNotFoundError):
    number = errno.ENOENT


class Exists(Problem, FileExistsError):
    number = errno.EEXIST


class IsADirectory(Problem, IsADirectoryError):
    number = errno.EISDIR


class NotADirectory(Problem, NotADirectoryError):
    number = errno.ENOTDIR


class NotEmpty(Problem):
    number = errno.ENOTEMPTY


class Cycle(Problem):
    number = errno.EINVAL


class Invalid(Problem):
    number = errno.EINVAL


class Forbidden(Problem, PermissionError):
    number = errno.EACCES


class PreconditionFailed(Problem):
    number = errno.EBUSY


class TooLarge(Problem):
    number = errno.EFBIG


class NoSpace(Problem):
    number = errno.ENOSPC


class RangeNotSatisfiable(Problem):
    number = errno.EINVAL


PROBLEMS: dict[str, type[Problem]] = {
    "BODY_TOO_LARGE": TooLarge,
    "CYCLE": Cycle,
    "EXISTS": Exists,
    "FORBIDDEN": Forbidden,
    "INSUFFICIENT_SCOPE": Forbidden,
    "IS_A_DIRECTORY": IsADirectory,
    "NOT_A_DIRECTORY": NotADirectory,
    "NOT_EMPTY": NotEmpty,
    "NOT_FOUND": NotFound,
    "PRECONDITION_FAILED": PreconditionFailed,
    "QUOTA_EXCEEDED": NoSpace,
    "RANGE_NOT_SATISFIABLE": RangeNotSatisfiable,
    "STORE_FULL": NoSpace,
    "VALIDATION_FAILED": Invalid,
}


def problem(response: urllib3.BaseHTTPResponse, path: str | None) -> Problem:
    """The exception for a response that is no success."""
    document = json.loads(response.data)
    assert response.headers["Content-Type"] == "application/problem+json", response.headers
    assert document["success"] is False and document["status"] == response.status, document
    assert document["requestId"] == response.headers["X-Request-Id"], document
    return PROBLEMS.get(document["code"], Problem)(document, path)


def digest(data: bytes) -> str:
    """The SHA-256 of `data` in the form of the headers of RFC 9530."""
    return f"sha-256=:{b64encode(sha256(data).digest()).decode()}:"


def range_header(start: int | None, end: int | None) -> str | None:
    """`Range` for the bytes of a slice `[start:end]`, which is not empty; None for everything.

    Only a slice without an end can have a negative start, because only then HTTP counts from the end as well.
    """
    if start is not None and start < 0:
        assert end is None, "HTTP has no such range"
        return f"bytes={start}"
    if not start and end is None:
        return None
    assert end is None or end > (start or 0), "an empty range is no range of HTTP"
    return f"bytes={start or 0}-{'' if end is None else end - 1}"


@dataclass(frozen=True)
class Entry:
    """A file or a directory."""

    path: str
    name: str
    kind: Literal["file", "directory"]
    size: int
    modified_at: datetime
    etag: str
    digest: str | None

    @property
    def is_directory(self) -> bool:
        return self.kind == "directory"

    @classmethod
    def of(cls, body: dict[str, Any]) -> Entry:
        entry = cls(
            path=body["path"],
            name=body["name"],
            kind=body["kind"],
            size=body["size"],
            modified_at=datetime.fromisoformat(body["modifiedAt"]),
            etag=body["etag"],
            digest=body["digest"],
        )
        assert entry.path.rsplit("/", 1)[-1] == entry.name, body
        assert (entry.kind == "file") == (entry.digest is not None), body
        return entry


@dataclass(frozen=True)
class Content:
    """The bytes of a file, or some of them, and its version."""

    data: bytes
    etag: str


class Api:
    """The API as one user. Its connections are kept and shared by threads."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        self.token = token
        self.pool = urllib3.PoolManager(maxsize=8, retries=False, timeout=30)

    def register(self, email: str, password: str) -> None:
        body = {"email": email, "password": password}
        self.token = self.call("POST", "/auth/register", json=body)["token"]

    def with_scopes(self, *scopes: str) -> Api:
        """The API as a program of the same user, with a personal access token that has these scopes."""
        body = {"name": "a program", "scopes": scopes}
        return Api(self.url, self.call("POST", "/users/me/tokens", json=body)["token"])

    def create_workspace(self, name: str) -> Workspace:
        body = {"name": name, "workspacePath": "/workspace"}
        return Workspace(self, self.call("POST", "/sessions", json=body)["id"])

    def send(
        self,
        method: str,
        path: str,
        query: dict[str, str | None] | None = None,
        headers: dict[str, str | None] | None = None,
        **request: Any,
    ) -> urllib3.BaseHTTPResponse:
        """Sends a request and reads the response, whatever its status is. None stands for what is left out."""
        headers = {"Authorization": self.token and f"Bearer {self.token}", **(headers or {})}
        response = self.pool.request(
            method,
            self.url + path + encoded(query or {}),
            headers=given(headers),
            redirect=False,
            **request,
        )
        assert response.headers["X-Request-Id"], response.headers
        assert response.headers["Cache-Control"] == "no-store", response.headers
        assert response.headers["X-Content-Type-Options"] == "nosniff", response.headers
        return response

    def call(self, method: str, path: str, about: str | None = None, **request: Any) -> dict[str, Any]:
        """The data of the response. An exception names the file that the request is `about`."""
        response = self.send(method, path, **request)
        if response.status not in (200, 201):
            raise problem(response, about)
        body = json.loads(response.data)
        assert body["success"] is True, body
        return {**body["data"], "status": response.status}


def given(members: dict[str, Any]) -> dict[str, Any]:
    """The members that are not None."""
    return {name: value for name, value in members.items() if value is not None}


def encoded(query: dict[str, str | None]) -> str:
    """The query of a URL."""
    parameters = urlencode(given(query))
    return f"?{parameters}" if parameters else ""


def bytes_headers(data: bytes) -> dict[str, str | None]:
    return {"Content-Type": "application/octet-stream", "Content-Digest": digest(data)}


def preconditions(if_match: str | None, if_none_match: str | None) -> dict[str, str | None]:
    return {"If-Match": if_match, "If-None-Match": if_none_match}


class Workspace:
    """The files of a session."""

    def __init__(self, api: Api, id: str, page: int = 1000) -> None:
        self.api = api
        self.id = id
        self.base = f"/sessions/{id}/files"
        # The largest number of entries that one request lists.
        self.page = page

    def __repr__(self) -> str:
        return f"Workspace({self.id!r})"

    def stat(self, path: str) -> Entry:
        return Entry.of(self.api.call("GET", f"{self.base}/stat", path, query={"path": path}))

    def list(self, path: str) -> Iterator[Entry]:
        """The entries of a directory, in the order of the bytes of their names."""
        cursor, last = None, b""
        while True:
            query = {"path": path, "limit": str(self.page), "cursor": cursor}
            page = self.api.call("GET", self.base, path, query=query)
            assert len(page["entries"]) <= self.page, page
            for body in page["entries"]:
                name = body["name"].encode()
                assert name > last, f"{body['name']} is not after {last.decode()}"
                last = name
                yield Entry.of(body)
            cursor = page["nextCursor"]
            if cursor is None:
                return

    def read(self, path: str, start: int | None = None, end: int | None = None, if_match: str | None = None) -> Content:
        """The bytes of the slice `[start:end]`, which is not empty."""
        wanted = range_header(start, end)
        headers = {"Range": wanted, "If-Match": if_match}
        response = self.api.send("GET", f"{self.base}/content", query={"path": path}, headers=headers)
        if response.status not in (200, 206):
            raise problem(response, path)
        if response.status == 200:
            assert response.headers["Repr-Digest"] == digest(response.data), "the content differs"
        # The last bytes of nothing are all of it.
        assert (response.status == 206) == (wanted is not None) or response.data == b"", response.status
        return Content(response.data, response.headers["ETag"])

    def write(
        self,
        path: str,
        data: bytes,
        parents: bool = False,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> Entry:
        """Writes a file: with one request, or in parts if it is too large for that."""
        how = self.put if len(data) <= MAX_BYTES else self.upload
        entry = how(path, data, parents, if_match, if_none_match)
        assert entry.digest == digest(data) and entry.size == len(data), "the content differs"
        return entry

    def put(
        self,
        path: str,
        data: bytes,
        parents: bool = False,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> Entry:
        query = {"path": path, "parents": flag(parents)}
        headers = {**bytes_headers(data), **preconditions(if_match, if_none_match)}
        return Entry.of(self.api.call("PUT", f"{self.base}/content", path, query=query, headers=headers, body=data))

    def upload(
        self,
        path: str,
        data: bytes,
        parents: bool = False,
        if_match: str | None = None,
        if_none_match: str | None = None,
        part_size: int | None = None,
    ) -> Entry:
        draft = {"path": path, "size": len(data), "digest": digest(data), "partSize": part_size}
        upload = self.api.call("POST", f"/sessions/{self.id}/uploads", path, json=given(draft))
        base, size = f"/sessions/{self.id}/uploads/{upload['id']}", upload["partSize"]
        for number in range(1, upload["partCount"] + 1):
            part = data[(number - 1) * size : number * size]
            self._send_part(f"{base}/parts/{number}", path, part, upload["mayHaveUrls"])
        body = {"parents": parents, "ifMatch": if_match, "ifNoneMatch": if_none_match}
        return Entry.of(self.api.call("POST", f"{base}/commit", path, json=given(body)))

    def _send_part(self, place: str, path: str, part: bytes, may_have_url: bool) -> None:
        request = None
        if may_have_url:
            request = self.api.call("POST", f"{place}/url", path, json={"digest": digest(part)})["request"]
        if request is None:
            self.api.call("PUT", place, path, headers=bytes_headers(part), body=part)
            return
        # To the object store itself, which is not part of the API and gets no token.
        response = self.api.pool.request(request["method"], request["url"], headers=request["headers"], body=part)
        assert response.status == 200, response.data

    def append(self, path: str, data: bytes, parents: bool = False) -> Entry:
        """Adds `data` to the end of a file, and to nothing if there is no file. It replaces exactly the version that
        it has read, so no other change is lost."""
        for _ in range(100):
            try:
                try:
                    content = self.read(path)
                except NotFound:
                    return self.write(path, data, parents, if_none_match="*")
                return self.write(path, content.data + data, if_match=content.etag)
            except PreconditionFailed:
                continue
        raise TimeoutError(f"other clients always were faster: {path}")

    def make_directory(self, path: str, parents: bool = False) -> bool:
        """Whether the directory is new. With `parents`, it may exist."""
        body = {"path": path, "parents": parents}
        made = self.api.call("POST", f"{self.base}/directories", path, json=body)
        assert Entry.of(made).is_directory, made
        is_new: bool = made["status"] == 201
        return is_new

    def move(self, source: str, target: str, **options: Any) -> Entry:
        return self._transfer("move", source, target, **options)

    def copy(self, source: str, target: str, **options: Any) -> Entry:
        return self._transfer("copy", source, target, **options)

    def _transfer(
        self,
        how: str,
        source: str,
        target: str,
        overwrite: bool = False,
        parents: bool = False,
        if_match: str | None = None,
    ) -> Entry:
        body = {"from": source, "to": target, "overwrite": overwrite, "parents": parents}
        headers = preconditions(if_match, None)
        about = f"{source} to {target}"
        return Entry.of(self.api.call("POST", f"{self.base}/{how}", about, json=body, headers=headers))

    def delete(self, path: str, recursive: bool = False, if_match: str | None = None) -> None:
        query = {"path": path, "recursive": flag(recursive)}
        self.api.call("DELETE", self.base, path, query=query, headers=preconditions(if_match, None))


def flag(value: bool) -> str:
    return "true" if value else "false"
