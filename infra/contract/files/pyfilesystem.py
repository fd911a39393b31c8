"""The files of a session as a file system of PyFilesystem."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from fs import errors
from fs.base import FS
from fs.enums import ResourceType, Seek
from fs.info import Info
from fs.mode import Mode
from fs.path import dirname
from fs.permissions import Permissions
from fs.subfs import SubFS

import client
from client import Content, Entry, Workspace

# What a name cannot contain.
CONTROL_CHARACTERS = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))

# The exceptions of PyFilesystem for problems. A path through a file leads nowhere.
ERRORS: dict[type[client.Problem], Callable[..., errors.FSError]] = {
    client.NotFound: errors.ResourceNotFound,
    client.NotADirectory: errors.ResourceNotFound,
    client.IsADirectory: errors.FileExpected,
    client.NotEmpty: errors.DirectoryNotEmpty,
    client.Exists: errors.DestinationExists,
    client.Forbidden: errors.PermissionDenied,
    client.NoSpace: errors.InsufficientStorage,
    client.Invalid: errors.InvalidPath,
}


@contextmanager
def translated(path: str, **other: Callable[..., errors.FSError]) -> Iterator[None]:
    """Raises the exception of PyFilesystem for a problem: that of `other` for the problem with that name, and else
    that of ERRORS."""
    try:
        yield
    except client.Problem as problem:
        error = other.get(type(problem).__name__) or ERRORS.get(type(problem))
        if error is None:
            raise
        raise error(path, exc=problem) from problem


class RemoteFile(io.RawIOBase):
    """An open file. Its content is in memory; closing the file writes it as a whole, if there is something to write.

    A file that is changed in place is written only over the version that was read.
    """

    def __init__(self, workspace: Workspace, path: str, mode: Mode, content: Content | None, changed: bool) -> None:
        super().__init__()
        self._workspace = workspace
        self._path = path
        self._mode = mode
        self._bytes = io.BytesIO(content.data if content else b"")
        self._etag = content.etag if content else None
        self._changed = changed
        # An appending file writes from here on.
        self._start = self._bytes.seek(0, io.SEEK_END) if mode.appending else 0

    @property
    def mode(self) -> str:
        return self._mode.to_platform_bin()

    def __repr__(self) -> str:
        return f"RemoteFile({self._path!r}, {self.mode!r})"

    def readable(self) -> bool:
        return self._mode.reading

    def writable(self) -> bool:
        return self._mode.writing

    def seekable(self) -> bool:
        return True

    def _check(self, may: bool, what: str) -> None:
        if self.closed:
            raise ValueError("the file is closed")
        if not may:
            raise io.UnsupportedOperation(what)

    def readinto(self, buffer: Any) -> int:
        self._check(self._mode.reading, "read")
        return self._bytes.readinto(buffer)

    def readline(self, size: int | None = -1) -> bytes:
        self._check(self._mode.reading, "read")
        return self._bytes.readline(size)

    def write(self, data: Any) -> int:
        self._check(self._mode.writing, "write")
        if self._mode.appending:
            self._bytes.seek(0, io.SEEK_END)
        self._changed = True
        return self._bytes.write(data)

    def seek(self, offset: int, whence: int = Seek.set) -> int:
        self._check(True, "seek")
        return self._bytes.seek(offset, int(whence))

    def tell(self) -> int:
        return self._bytes.tell()

    def truncate(self, size: int | None = None) -> int:
        self._check(self._mode.writing, "truncate")
        size = self.tell() if size is None else size
        self._changed = True
        missing = size - len(self._bytes.getbuffer())
        if missing > 0:
            position = self.tell()
            self._bytes.seek(0, io.SEEK_END)
            self._bytes.write(bytes(missing))
            self._bytes.seek(position)
        return self._bytes.truncate(size)

    def close(self) -> None:
        if self.closed:
            return
        try:
            if self._changed:
                with translated(self._path):
                    self._save(self._bytes.getvalue())
        finally:
            super().close()

    def _save(self, data: bytes) -> None:
        if self._mode.appending:
            self._workspace.append(self._path, data[self._start :])
        else:
            self._workspace.write(self._path, data, if_match=self._etag)


class SessionFS(FS):
    """The files of a session."""

    _meta = {
        "case_insensitive": False,
        "invalid_path_chars": CONTROL_CHARACTERS,
        "network": True,
        "read_only": False,
        "supports_rename": False,
        "thread_safe": True,
        "unicode_paths": True,
        "virtual": False,
    }

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self.workspace = workspace

    def __repr__(self) -> str:
        return f"SessionFS({self.workspace!r})"

    def getinfo(self, path: str, namespaces: Collection[str] | None = None) -> Info:
        with translated(path):
            return info(self.workspace.stat(self.validatepath(path)), namespaces)

    def setinfo(self, path: str, info: Any) -> None:
        """Changes nothing: the server sets the times of files."""
        self.getinfo(path)

    def listdir(self, path: str) -> list[str]:
        return [info.name for info in self.scandir(path)]

    def scandir(
        self, path: str, namespaces: Collection[str] | None = None, page: tuple[int, int] | None = None
    ) -> Iterator[Info]:
        with translated(path, NotADirectory=errors.DirectoryExpected):
            entries = list(self.workspace.list(self.validatepath(path)))
        return iter([info(entry, namespaces) for entry in entries[slice(*page or (None,))]])

    def makedir(self, path: str, permissions: Permissions | None = None, recreate: bool = False) -> SubFS[FS]:
        try:
            with translated(path, Exists=errors.DirectoryExists):
                self.workspace.make_directory(self.validatepath(path))
        except errors.DirectoryExists:
            if not recreate or not self.isdir(path):
                raise
        return self.opendir(path)

    def makedirs(self, path: str, permissions: Permissions | None = None, recreate: bool = False) -> SubFS[FS]:
        with translated(path, Exists=errors.DirectoryExists, NotADirectory=errors.DirectoryExpected):
            is_new = self.workspace.make_directory(self.validatepath(path), parents=True)
        if not is_new and not recreate:
            raise errors.DirectoryExists(path)
        return self.opendir(path)

    def openbin(self, path: str, mode: str = "r", buffering: int = -1, **options: Any) -> Any:
        parsed = Mode(mode)
        parsed.validate_bin()
        absolute = self.validatepath(path)
        with translated(path, PreconditionFailed=errors.FileExists):
            content, changed = self._opened(absolute, parsed)
        return RemoteFile(self.workspace, absolute, parsed, content, changed)

    def _opened(self, path: str, mode: Mode) -> tuple[Content | None, bool]:
        """The content with which an open file begins, and whether it has to be written even if nothing else is."""
        if mode.exclusive:
            # Only the server knows who is first.
            entry = self.workspace.write(path, b"", if_none_match="*")
            return Content(b"", entry.etag), False
        if mode.truncate:
            self._check_place(path)
            return None, True
        try:
            return self.workspace.read(path), False
        except client.NotFound:
            if not mode.appending:
                raise
            self._check_place(path)
            return None, True

    def _check_place(self, path: str) -> None:
        """Raises an exception if no file can be written at the path. It does not write an empty file, because that
        would remain if writing the file failed."""
        try:
            if self.workspace.stat(path).is_directory:
                raise errors.FileExpected(path)
        except client.NotFound:
            if not self.workspace.stat(dirname(path)).is_directory:
                raise

    def remove(self, path: str) -> None:
        entry = self._entry(path)
        if entry.is_directory:
            raise errors.FileExpected(path)
        self._delete(path, entry)

    def removedir(self, path: str) -> None:
        entry = self._directory(path)
        if entry.path == "/":
            raise errors.RemoveRootError(path)
        self._delete(path, entry)

    def removetree(self, dir_path: str) -> None:
        """Removes a directory of any size with one request."""
        entry = self._directory(dir_path)
        entries = self.workspace.list("/") if entry.path == "/" else [entry]
        for entry in list(entries):
            self._delete(dir_path, entry, recursive=True)

    def _entry(self, path: str) -> Entry:
        with translated(path):
            return self.workspace.stat(self.validatepath(path))

    def _directory(self, path: str) -> Entry:
        entry = self._entry(path)
        if not entry.is_directory:
            raise errors.DirectoryExpected(path)
        return entry

    def _delete(self, path: str, entry: Entry, recursive: bool = False) -> None:
        """Deletes exactly this version."""
        with translated(path):
            self.workspace.delete(entry.path, recursive=recursive, if_match=entry.etag)

    def copy(self, src_path: str, dst_path: str, overwrite: bool = False, preserve_time: bool = False) -> None:
        self._transfer(self.workspace.copy, src_path, dst_path, overwrite)

    def move(self, src_path: str, dst_path: str, overwrite: bool = False, preserve_time: bool = False) -> None:
        self._transfer(self.workspace.move, src_path, dst_path, overwrite)

    def _transfer(self, how: Any, src_path: str, dst_path: str, overwrite: bool) -> None:
        source = self._entry(src_path)
        if source.is_directory:
            raise errors.FileExpected(src_path)
        with translated(dst_path):
            how(source.path, self.validatepath(dst_path), overwrite=overwrite, if_match=source.etag)

    def movedir(self, src_path: str, dst_path: str, create: bool = False, preserve_time: bool = False) -> None:
        """Moves a directory of any size with one request, unless the target exists: then it merges the two."""
        if not create or self.exists(dst_path):
            super().movedir(src_path, dst_path, create, preserve_time)
            return
        source = self._directory(src_path)
        with translated(dst_path):
            self.workspace.move(source.path, self.validatepath(dst_path), parents=True, if_match=source.etag)


def info(entry: Entry, namespaces: Collection[str] | None) -> Info:
    """The information about an entry in the form of PyFilesystem."""
    raw: dict[str, dict[str, Any]] = {"basic": {"name": entry.name, "is_dir": entry.is_directory}}
    if "details" in (namespaces or ()):
        raw["details"] = {
            "_write": [],
            "type": int(ResourceType.directory if entry.is_directory else ResourceType.file),
            "size": entry.size,
            "modified": entry.modified_at.timestamp(),
        }
    return Info(raw)
