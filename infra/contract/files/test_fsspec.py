"""fsspec's tests of a file system."""

import posixpath
from collections.abc import Callable, Iterator

import account
import pytest
from client import NotEmpty, Workspace
from fsspec.tests import abstract
from fsspec_filesystem import SessionFileSystem


class Fixtures(abstract.AbstractFixtures):
    @pytest.fixture(scope="class")
    @classmethod
    def workspace(cls) -> Workspace:
        return account.new_workspace()

    @pytest.fixture(scope="class")
    @classmethod
    def fs(cls, workspace: Workspace) -> SessionFileSystem:
        return SessionFileSystem(workspace, auto_mkdir=True)

    @pytest.fixture
    def fs_path(self) -> str:
        return "/"

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return posixpath.join

    @pytest.fixture(autouse=True)
    def clear(self, workspace: Workspace) -> Iterator[None]:
        yield
        for entry in list(workspace.list("/")):
            workspace.delete(entry.path, recursive=True)


class TestCopy(abstract.AbstractCopyTests, Fixtures):
    pass


class TestGet(abstract.AbstractGetTests, Fixtures):
    pass


class TestPut(abstract.AbstractPutTests, Fixtures):
    pass


class TestOpen(abstract.AbstractOpenTests, Fixtures):
    pass


class TestPipe(abstract.AbstractPipeTests, Fixtures):
    pass


# fsspec's own tests of moves, `fsspec.tests.abstract.mv`, only test its local file system. These are their like.
class TestMove:
    @pytest.fixture
    def fs(self) -> SessionFileSystem:
        return SessionFileSystem(account.new_workspace())

    def test_move_into_a_missing_directory_fails(self, fs: SessionFileSystem) -> None:
        fs.pipe("/source", b"content")
        with pytest.raises(FileNotFoundError):
            fs.mv("/source", "/missing/target")
        assert fs.find("/") == ["/source"]

    @pytest.mark.parametrize("recursive", (True, False))
    def test_move_without_permission_fails(self, fs: SessionFileSystem, recursive: bool) -> None:
        fs.pipe("/source", b"content")
        reader = account.api().with_scopes("files:read")
        reading = SessionFileSystem(Workspace(reader, fs.workspace.id))
        with pytest.raises(PermissionError):
            reading.mv("/source", "/target", recursive=recursive)
        assert reading.find("/") == ["/source"]

    def test_move_directory(self, fs: SessionFileSystem) -> None:
        fs.makedirs("/source/empty")
        fs.pipe("/source/file", b"content")
        fs.mkdir("/target")
        fs.mv("/source", "/target", recursive=True)
        assert fs.find("/", withdirs=True) == [
            "/",
            "/target",
            "/target/source",
            "/target/source/empty",
            "/target/source/file",
        ]
        fs.mv("/target/source", "/renamed", recursive=True)
        assert fs.find("/") == ["/renamed/file"]

    def test_move_over_a_file(self, fs: SessionFileSystem) -> None:
        fs.pipe({"/source": b"new", "/target": b"old"})
        fs.mv("/source", "/target")
        assert fs.cat_file("/target") == b"new"
        assert fs.find("/") == ["/target"]


class TestRead:
    """What other programs rely on and the suites do not test."""

    @pytest.fixture(scope="class")
    @classmethod
    def fs(cls) -> SessionFileSystem:
        fs = SessionFileSystem(account.new_workspace())
        fs.pipe({"/digits": b"0123456789", "/empty": b""})
        return fs

    @pytest.mark.parametrize("start", [None, 0, 3, 9, 10, 11, -1, -3, -10, -11])
    @pytest.mark.parametrize("end", [None, 0, 3, 9, 10, 11, -1, -3, -10, -11])
    def test_a_slice(self, fs: SessionFileSystem, start: int | None, end: int | None) -> None:
        assert fs.cat_file("/digits", start, end) == b"0123456789"[start:end]
        assert fs.cat_file("/empty", start, end) == b""

    def test_a_file_is_read_in_blocks(self, fs: SessionFileSystem) -> None:
        with fs.open("/digits", block_size=3) as file:
            assert file.read(2) == b"01"
            assert file.seek(-2, 2) == 8
            assert file.read() == b"89"
            file.seek(4)
            assert list(iter(lambda: file.read(4), b"")) == [b"4567", b"89"]

    def test_a_file_that_changes_is_not_read_as_a_mixture(self, fs: SessionFileSystem) -> None:
        fs.pipe("/changing", b"old" * 10)
        with fs.open("/changing", block_size=4, cache_type="none") as file:
            assert file.read(3) == b"old"
            fs.pipe("/changing", b"new" * 10)
            with pytest.raises(OSError, match="PRECONDITION_FAILED"):
                file.read(3)


def test_appending_adds_to_the_end() -> None:
    fs = SessionFileSystem(account.new_workspace())
    for part in (b"1", b"2"):
        with fs.open("/a", "ab") as file:
            file.write(part)
    assert fs.cat("/a") == b"12"


def test_a_directory_with_entries_is_removed_only_recursively() -> None:
    fs = SessionFileSystem(account.new_workspace(), auto_mkdir=True)
    fs.touch("/a/b/c")
    for remove in (fs.rmdir, fs.rm):
        with pytest.raises(NotEmpty):
            remove("/a")
    fs.rm("/a", recursive=True)
    assert fs.ls("/") == []
