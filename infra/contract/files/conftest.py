"""Runs the tests that `inapplicable.py` lists, and expects them to fail."""

from collections.abc import Generator

import pytest
from inapplicable import INAPPLICABLE


def name(item: pytest.Item) -> str:
    """`test_file.py::Class::test`, without the folder."""
    return item.nodeid.rsplit("/", 1)[-1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if name(item) in INAPPLICABLE:
            item.add_marker(pytest.mark.xfail(reason=INAPPLICABLE[name(item)], strict=True))
    # A run of some of the tests need not contain all of these.
    files = {name(item).split("::")[0] for item in items}
    listed = {test for test in INAPPLICABLE if test.split("::")[0] in files}
    unknown = listed - {name(item) for item in items}
    if unknown:
        raise pytest.UsageError(f"inapplicable.py lists tests that do not exist: {', '.join(sorted(unknown))}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A suite skips what a file system says it does not support: that has to be listed, too."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped: {report.longrepr}"
    return report
