"""A client as a user writes it: a generated package, and one walk through a login and a session."""

import os
from json import loads
from zipfile import ZipFile

from coditect_api_client import AuthenticatedClient, Client
from coditect_api_client.api.authentication import log_out, refresh, register
from coditect_api_client.api.sessions import change_session, create_session, delete_session, get_session, list_sessions
from coditect_api_client.api.users import download_export, request_export
from coditect_api_client.models.change_session import ChangeSession
from coditect_api_client.models.change_session_response_200 import ChangeSessionResponse200
from coditect_api_client.models.create_session import CreateSession
from coditect_api_client.models.create_session_response_201 import CreateSessionResponse201
from coditect_api_client.models.delete_session_response_200 import DeleteSessionResponse200
from coditect_api_client.models.get_session_response_200 import GetSessionResponse200
from coditect_api_client.models.list_sessions_response_200 import ListSessionsResponse200
from coditect_api_client.models.log_out_response_200 import LogOutResponse200
from coditect_api_client.models.not_found_problem import NotFoundProblem
from coditect_api_client.models.precondition_failed_problem import PreconditionFailedProblem
from coditect_api_client.models.refresh import Refresh
from coditect_api_client.models.refresh_response_200 import RefreshResponse200
from coditect_api_client.models.register_response_201 import RegisterResponse201
from coditect_api_client.models.registration import Registration
from coditect_api_client.models.request_export_response_202 import RequestExportResponse202
from coditect_api_client.models.token_refused_problem import TokenRefusedProblem
from coditect_api_client.models.token_refused_problem_code import TokenRefusedProblemCode
from coditect_api_client.types import File

url = os.environ["CONTRACT_URL"]
public = Client(base_url=url)

account = Registration(email="python@example.com", password="a walk in Python")
registered = register.sync(client=public, body=account)
assert isinstance(registered, RegisterResponse201), registered
api = AuthenticatedClient(base_url=url, token=registered.data.token)

created = create_session.sync(client=api, body=CreateSession(name="One", workspace_path="/workspace/one"))
assert isinstance(created, CreateSessionResponse201), created
id = created.data.id

got = get_session.sync_detailed(id, client=api)
assert isinstance(got.parsed, GetSessionResponse200) and got.parsed.data.name == "One", got
version = got.headers["ETag"]

listed = list_sessions.sync(client=api, limit=1)
assert isinstance(listed, ListSessionsResponse200), listed
assert [session.id for session in listed.data.sessions] == [id] and listed.data.next_cursor is None

requested = request_export.sync(client=api)
assert isinstance(requested, RequestExportResponse202), requested
link = requested.data.download_url
assert isinstance(link, str), "it is absent only from a list"
export = download_export.sync(link.rsplit("/", 1)[-1], client=public)
assert isinstance(export, File), export
with ZipFile(export.payload) as archive:
    assert archive.testzip() is None
    account_line = loads(archive.read("account.jsonl"))
    lines = [loads(line) for line in archive.read("sessions/0001.jsonl").splitlines()]
assert account_line["email"] == account.email and [line["id"] for line in lines] == [str(id)], (account_line, lines)

changed = change_session.sync(id, client=api, body=ChangeSession(name="Two"), if_match=version)
assert isinstance(changed, ChangeSessionResponse200) and changed.data.name == "Two", changed
late = change_session.sync(id, client=api, body=ChangeSession(name="Three"), if_match=version)
assert isinstance(late, PreconditionFailedProblem), late

deleted = delete_session.sync(id, client=api)
assert isinstance(deleted, DeleteSessionResponse200), deleted
gone = get_session.sync(id, client=api)
assert isinstance(gone, NotFoundProblem), gone

refresh_token = registered.data.refresh_token
assert isinstance(refresh_token, str), "it is absent only for a page that keeps its tokens in cookies"
refreshed = refresh.sync(client=public, body=Refresh(refresh_token=refresh_token))
assert isinstance(refreshed, RefreshResponse200), refreshed
api = AuthenticatedClient(base_url=url, token=refreshed.data.token)

logged_out = log_out.sync(client=api)
assert isinstance(logged_out, LogOutResponse200), logged_out
rejected = list_sessions.sync(client=api)
assert isinstance(rejected, TokenRefusedProblem) and rejected.code is TokenRefusedProblemCode.REVOKED_TOKEN, rejected
print("the Python client: passed")
