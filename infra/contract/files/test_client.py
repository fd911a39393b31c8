"""The client itself, and what no suite tests: changes of one file by several clients at the same time."""

from concurrent.futures import ThreadPoolExecutor

import account
import client
import pytest


def document(code: str) -> dict[str, object]:
    return {"success": False, "status": 409, "code": code, "detail": "Why.", "errors": []}


def test_a_problem_is_an_exception_of_python() -> None:
    for code, expected in [
        ("NOT_FOUND", FileNotFoundError),
        ("EXISTS", FileExistsError),
        ("IS_A_DIRECTORY", IsADirectoryError),
        ("NOT_A_DIRECTORY", NotADirectoryError),
        ("INSUFFICIENT_SCOPE", PermissionError),
        ("SOMETHING_NEW", OSError),
    ]:
        problem = client.PROBLEMS.get(code, client.Problem)(document(code), "/a")
        assert isinstance(problem, expected) and problem.errno == type(problem).number, code
        assert (problem.code, problem.filename) == (code, "/a")
        assert str(problem) == f"409 {code}: /a: Why."


def test_a_slice_is_a_range() -> None:
    for slice, expected in [
        ((None, None), None),
        ((0, None), None),
        ((5, None), "bytes=5-"),
        ((-5, None), "bytes=-5"),
        ((None, 5), "bytes=0-4"),
        ((2, 3), "bytes=2-2"),
    ]:
        assert client.range_header(*slice) == expected, slice


def test_a_query_is_encoded() -> None:
    query = {"path": "/a b/ü+&=#?%2F", "cursor": None, "parents": client.flag(True)}
    assert client.encoded(query) == "?path=%2Fa+b%2F%C3%BC%2B%26%3D%23%3F%252F&parents=true"
    assert client.encoded({"cursor": None}) == ""


def test_a_digest_has_the_form_of_its_header() -> None:
    assert client.digest(b"") == "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"


def test_no_concurrent_append_is_lost() -> None:
    workspace = account.new_workspace()
    lines = [f"{number}\n".encode() for number in range(24)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda line: workspace.append("/log", line), lines))
    assert sorted(workspace.read("/log").data.splitlines(True)) == sorted(lines)


def test_one_of_concurrent_creators_wins() -> None:
    workspace = account.new_workspace()

    def create(number: int) -> bool:
        try:
            workspace.write("/lock", f"{number}".encode(), if_none_match="*")
        except client.PreconditionFailed:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        won = list(threads.map(create, range(8)))
    assert won.count(True) == 1
    assert workspace.read("/lock").data == f"{won.index(True)}".encode()


@pytest.mark.parametrize(
    "name", ["a b", "ü", "日本語", "☭", "#?&=+%", "%2F", "%00", "..a", "a:b", 'a"b', "a\\b", "~", "🙂"]
)
def test_a_file_has_any_name(name: str) -> None:
    workspace = account.new_workspace()
    workspace.write(f"/{name}", name.encode())
    workspace.make_directory("/d")
    workspace.move(f"/{name}", f"/d/{name}")
    assert [entry.name for entry in workspace.list("/d")] == [name]
    assert workspace.read(f"/d/{name}").data == name.encode()


@pytest.mark.parametrize("path", ["", "a", "/a/", "//a", "/.", "/a/../b", "/\0", "/\n", "/a\x7f", "/" + "a" * 256])
def test_an_invalid_path_is_refused(path: str) -> None:
    workspace = account.new_workspace()
    with pytest.raises(client.Invalid) as refusal:
        workspace.write(path, b"")
    assert [error["pointer"] for error in refusal.value.errors] == ["/path"]
    assert list(workspace.list("/")) == []


def test_names_that_differ_by_normalisation_are_one_name() -> None:
    workspace = account.new_workspace()
    workspace.write("/u\u0308", b"decomposed")
    assert workspace.read("/\u00fc").data == b"decomposed"
    with pytest.raises(client.PreconditionFailed):
        workspace.write("/\u00fc", b"composed", if_none_match="*")
    assert [entry.name for entry in workspace.list("/")] == ["\u00fc"]


def test_a_directory_is_not_moved_into_itself() -> None:
    workspace = account.new_workspace()
    workspace.make_directory("/a/b", parents=True)
    with pytest.raises(client.Cycle):
        workspace.move("/a", "/a/b/c")
    assert workspace.stat("/a/b").is_directory


def test_the_body_of_a_file_has_at_most_4_mib() -> None:
    workspace = account.new_workspace()
    workspace.put("/largest", b"x" * client.MAX_BYTES)
    assert workspace.stat("/largest").size == client.MAX_BYTES
    with pytest.raises(client.TooLarge):
        workspace.put("/larger", b"x" * (client.MAX_BYTES + 1))
    assert [entry.name for entry in workspace.list("/")] == ["largest"]


def test_a_file_is_uploaded_in_parts() -> None:
    workspace = account.new_workspace()
    data = bytes(range(256)) * 1000
    entry = workspace.upload("/a/file", data, parents=True, part_size=64 << 10)
    assert (entry.path, entry.size) == ("/a/file", len(data))
    assert workspace.read("/a/file").data == data
    with pytest.raises(client.PreconditionFailed):
        workspace.upload("/a/file", b"other", if_none_match="*")
    assert workspace.upload("/a/file", b"other", if_match=entry.etag).size == 5


def test_a_large_file_is_read_whole_and_in_ranges() -> None:
    workspace = account.new_workspace()
    data = bytes(range(251)) * 40_000
    entry = workspace.write("/large", data)
    assert workspace.read("/large").data == data
    assert workspace.read("/large", 4_000_000, 4_500_000).data == data[4_000_000:4_500_000]
    assert workspace.read("/large", if_match=entry.etag).etag == entry.etag
