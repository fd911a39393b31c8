"""The files of a session as a file system of fsspec."""

from __future__ import annotations

import os
from typing import Any

from fsspec import AbstractFileSystem
from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.spec import AbstractBufferedFile
from fsspec.utils import stringify_path

from client import Entry, PreconditionFailed, RangeNotSatisfiable, Workspace


class SessionFileSystem(AbstractFileSystem):
    """The files of a session. With `auto_mkdir`, writing a file makes the directories above it."""

    protocol = "session"
    root_marker = "/"
    cachable = False

    def __init__(self, workspace: Workspace, auto_mkdir: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.workspace = workspace
        self.auto_mkdir = auto_mkdir

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        return "/" + stringify_path(path).removeprefix(f"{cls.protocol}://").strip("/")

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        return info(self.workspace.stat(self._strip_protocol(path)))

    def modified(self, path: str) -> Any:
        return self.info(path)["modified"]

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        path = self._strip_protocol(path)
        try:
            entries = list(self.workspace.list(path))
        except NotADirectoryError:
            # The list of a file is the file.
            entries = [self.workspace.stat(path)]
        return [info(entry) if detail else entry.path for entry in entries]

    def mkdir(self, path: str, create_parents: bool = True, **options: Any) -> None:
        path = self._strip_protocol(path)
        if not self.workspace.make_directory(path, parents=create_parents):
            raise FileExistsError(path)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        path = self._strip_protocol(path)
        if not self.workspace.make_directory(path, parents=True) and not exist_ok:
            raise FileExistsError(path)

    def rmdir(self, path: str) -> None:
        entry = self.workspace.stat(self._strip_protocol(path))
        if not entry.is_directory:
            raise NotADirectoryError(entry.path)
        self.workspace.delete(entry.path, if_match=entry.etag)

    def rm_file(self, path: str) -> None:
        self.workspace.delete(self._strip_protocol(path))

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Deletes a directory of any size with one request."""
        if maxdepth is not None:
            super().rm(path, recursive=recursive, maxdepth=maxdepth)
            return
        for found in reversed(self.expand_path(path)):
            self.workspace.delete(found, recursive=recursive)

    def cp_file(self, path1: str, path2: str, **options: Any) -> None:
        source, target = self.workspace.stat(self._strip_protocol(path1)), self._strip_protocol(path2)
        if source.is_directory:
            self.makedirs(target, exist_ok=True)
        else:
            self.workspace.copy(source.path, target, overwrite=True, parents=self.auto_mkdir, if_match=source.etag)

    def mv(self, path1: str, path2: str, recursive: bool = False, maxdepth: int | None = None, **options: Any) -> None:
        """Moves a file or a directory of any size with one request, into the target if that is a directory."""
        source, target = self._strip_protocol(path1), self._strip_protocol(path2)
        if source != target and (path2.endswith("/") or self.isdir(target)):
            target = f"{target.rstrip('/')}/{source.rsplit('/', 1)[-1]}"
        if source == target:
            return
        self.workspace.move(source, target, overwrite=True, parents=self.auto_mkdir)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: Any) -> bytes:
        path = self._strip_protocol(path)
        etag = None
        if end is not None and (end < 0 or (start or 0) < 0):
            # HTTP counts both ends of a range from the start, so the size has to be known.
            entry = self.workspace.stat(path)
            start, end, _ = slice(start, end).indices(entry.size)
            etag = entry.etag
        if end is not None and end <= (start or 0):
            self.workspace.stat(path)
            return b""
        try:
            return self.workspace.read(path, start, end, if_match=etag).data
        except RangeNotSatisfiable:
            return b""

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:
        self._write(self._strip_protocol(path), value, mode)

    def put_file(
        self, lpath: str, rpath: str, callback: Any = DEFAULT_CALLBACK, mode: str = "overwrite", **options: Any
    ) -> None:
        path = self._strip_protocol(rpath)
        if os.path.isdir(lpath):
            self.makedirs(path, exist_ok=True)
            return
        with open(lpath, "rb") as file:
            value = file.read()
        callback.set_size(len(value))
        self._write(path, value, mode)
        callback.relative_update(len(value))

    def _write(self, path: str, value: bytes, mode: str) -> None:
        exclusive = mode == "create"
        try:
            self.workspace.write(path, value, self.auto_mkdir, if_none_match="*" if exclusive else None)
        except PreconditionFailed as problem:
            raise FileExistsError(path) from problem

    def _open(self, path: str, mode: str = "rb", **options: Any) -> SessionFile:
        if mode == "rb":
            entry = self.workspace.stat(path)
            if entry.is_directory:
                raise IsADirectoryError(path)
            options["size"] = entry.size
            return SessionFile(self, path, mode, etag=entry.etag, **options)
        etag = None
        if mode == "xb":
            # Only the server knows who is first.
            self._write(path, b"", "create")
            etag = self.workspace.stat(path).etag
        return SessionFile(self, path, mode, etag=etag, **options)


class SessionFile(AbstractBufferedFile):
    """An open file. Reading fetches ranges of one version. Writing collects the content, and closing writes it."""

    def __init__(self, fs: SessionFileSystem, path: str, mode: str, etag: str | None, **options: Any) -> None:
        self.etag = etag
        super().__init__(fs, path, mode, **options)

    def _fetch_range(self, start: int, end: int) -> bytes:
        # It is never called with a range that is empty or begins beyond the end.
        return self.fs.workspace.read(self.path, start, end, if_match=self.etag).data

    def _upload_chunk(self, final: bool = False) -> bool:
        if final:
            data, workspace, parents = self.buffer.getvalue(), self.fs.workspace, self.fs.auto_mkdir
            if self.mode == "ab":
                workspace.append(self.path, data, parents)
            else:
                workspace.write(self.path, data, parents, if_match=self.etag)
        # False keeps the buffer.
        return final


def info(entry: Entry) -> dict[str, Any]:
    """The information about an entry in the form of fsspec."""
    return {
        "name": entry.path,
        "size": entry.size,
        "type": entry.kind,
        "modified": entry.modified_at,
        "etag": entry.etag,
    }
