"""The account of a run, and a workspace for each test."""

import os
from functools import cache
from itertools import count
from uuid import uuid4

from client import Api, Workspace

numbers = count(1)


@cache
def api() -> Api:
    """The API as a user who is registered once."""
    api = Api(os.environ["CONTRACT_URL"])
    api.register(f"files-{uuid4()}@example.com", "the files of two suites")
    return api


def new_workspace() -> Workspace:
    """The files of a new session. Its lists have small pages, so that the suites read several of them."""
    workspace = api().create_workspace(f"suite {next(numbers)}")
    workspace.page = 2
    return workspace
