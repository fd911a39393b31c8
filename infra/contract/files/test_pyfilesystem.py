"""PyFilesystem's tests of a file system."""

import unittest

import account
import pytest
from client import PreconditionFailed
from fs import errors
from fs.base import FS
from fs.test import FSTestCases
from pyfilesystem import SessionFS


class TestPyFilesystem(FSTestCases, unittest.TestCase):
    def make_fs(self) -> FS:
        return SessionFS(account.new_workspace())


@pytest.fixture
def files() -> SessionFS:
    return SessionFS(account.new_workspace())


def test_a_change_in_place_does_not_overwrite_a_newer_version(files: SessionFS) -> None:
    files.writebytes("a", b"one")
    file = files.openbin("a", "r+")
    file.write(b"mine")
    files.writebytes("a", b"two")
    with pytest.raises(PreconditionFailed):
        file.close()
    assert files.readbytes("a") == b"two"


def test_appending_keeps_what_others_append(files: SessionFS) -> None:
    files.writebytes("a", b"1")
    with files.openbin("a", "ab") as first, files.openbin("a", "ab") as second:
        first.write(b"2")
        second.write(b"3")
    assert files.readbytes("a") == b"132"


def test_opening_to_write_leaves_no_empty_file(files: SessionFS) -> None:
    with files.openbin("a", "w") as file:
        assert not files.exists("a")
        file.write(b"1")
    assert files.readbytes("a") == b"1"


def test_a_directory_moves_with_its_content(files: SessionFS) -> None:
    files.makedirs("a/b/c")
    files.writebytes("a/b/file", b"1")
    files.movedir("a", "x/y", create=True)
    assert not files.exists("a")
    assert sorted(files.walk.files()) == ["/x/y/b/file"]
    assert files.isdir("x/y/b/c")


def test_a_file_is_no_directory(files: SessionFS) -> None:
    files.writebytes("a", b"")
    with pytest.raises(errors.ResourceNotFound):
        files.writebytes("a/b", b"")
    with pytest.raises(errors.DirectoryExpected):
        files.listdir("a")
