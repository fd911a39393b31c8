"""two_builds.py COMMIT LAST CURRENT: runs two gateways, an earlier build and the current one, on one store.

Each check is one record that one build writes and the other one reads or rewrites, as in a canary deployment or after a
rollback. The program fails if a check fails that is not known to, and also if such a check succeeds.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.parse
import urllib.request

PASSWORD = "a password of 26 letters"


class Gateway:
    """A running gateway."""

    def __init__(self, binary, folder, secret):
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("AWS_LAMBDA_RUNTIME_API", "FDB_CLUSTER", "FDB_CLUSTER_FILE")
        }
        environment |= {
            "HOST": "127.0.0.1",
            "PORT": "0",
            "STORE": "lmdb:" + os.path.join(folder, "store"),
            "RUST_LOG": "warn",
            "PASSWORD_POLICY": "basic",
            "JWT_SECRET": secret,
        }
        self.binary, self.environment = binary, environment
        self.process = subprocess.Popen(
            [binary], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        line = self.process.stdout.readline().strip()
        if not line.startswith("listening on "):
            raise SystemExit(f"{binary} did not start")
        self.url = line.removeprefix("listening on ") + "/v5"
        # Its log: a gateway whose full pipe nobody reads would stop.
        self.reader = threading.Thread(target=self.discard_output)
        self.reader.start()

    def discard_output(self):
        for _ in self.process.stdout:
            pass

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.reader.join()

    def call(self, method, path, body=None, token=None, key=None):
        """The status and the body of the response."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, method=method, data=data)
        request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", "Bearer " + token)
        if key:
            request.add_header("Idempotency-Key", key)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def ok(self, method, path, body=None, token=None, key=None):
        """The data of a successful response."""
        status, body = self.call(method, path, body, token, key)
        if status >= 300:
            raise Failed(f"{method} {path}: {status} {body.get('code')}")
        return body["data"]

    def register(self, email, key=None):
        names = {"firstName": "Zoë", "lastName": "Öz", "company": 'Æ "Co"'}
        return self.ok("POST", "/auth/register", {"email": email, "password": PASSWORD, **names}, key=key)

    def log_in(self, email):
        return self.ok("POST", "/auth/login", {"email": email, "password": PASSWORD})

    def types(self, token):
        """The types of the tenant's audit events."""
        return [event["type"] for event in self.ok("GET", "/audit?limit=100", token=token)["events"]]

    def search(self, text, token):
        """The names of the sessions that a search finds."""
        found = self.ok("GET", "/sessions?q=" + urllib.parse.quote(text), token=token)["sessions"]
        return sorted(session["name"] for session in found)


class Failed(Exception):
    """A check failed."""


def expect(actual, expected):
    if actual != expected:
        raise Failed(f"{actual!r} instead of {expected!r}")


def account(writer, reader, email):
    """The user, tenant, membership and email index. The login has a check of its own, so the writer ends its login."""
    registered = writer.register(email)
    writer.ok("POST", "/auth/logout", token=registered["token"])
    signed_in = reader.log_in(email)
    for member in ("user", "tenant"):
        shown = {name: value for name, value in signed_in[member].items() if name in registered[member]}
        expect(shown, {name: value for name, value in registered[member].items() if name in shown})
    return signed_in["token"]


def check_account(writer, reader, email, _):
    account(writer, reader, email)


def check_login(writer, reader, email, _):
    registered = writer.register(email)
    reader.ok("GET", "/sessions", token=registered["token"])
    expect(len(reader.ok("GET", "/auth/logins", token=registered["token"])["logins"]), 1)
    refreshed = reader.ok("POST", "/auth/refresh", {"refreshToken": registered["refreshToken"]})
    reader.ok("GET", "/sessions", token=refreshed["token"])


def check_session(writer, reader, email, token_of):
    token = token_of(email)
    for name, path in (("plain", "/w"), ("Ünë", "/w/ä")):
        created = writer.ok("POST", "/sessions", {"name": name, "workspacePath": path}, token)
        place = "/sessions/" + created["id"]
        expect(reader.ok("GET", place, token=token), created)
        expect(reader.search(name.upper(), token), [name])
        changed = reader.ok("PATCH", place, {"name": "Öl " + name}, token)
        expect(writer.ok("GET", place, token=token), changed)
        expect((writer.search(name, token), writer.search("ÖL", token)), (["Öl " + name], ["Öl " + name]))
        reader.ok("DELETE", place, token=token)
        expect(writer.search("ÖL", token), [])
        expect(writer.ok("GET", "/sessions", token=token)["sessions"], [])


def check_idempotency_record(writer, reader, email, token_of):
    token = token_of(email)
    draft = {"name": "Ünë", "workspacePath": "/w"}
    created = writer.ok("POST", "/sessions", draft, token, "key")
    expect(reader.ok("POST", "/sessions", draft, token, "key"), created)
    expect(len(reader.ok("GET", "/sessions", token=token)["sessions"]), 1)


def check_registration_record(writer, reader, email, _):
    registered = writer.register(email, "key")
    writer.ok("POST", "/auth/logout", token=registered["token"])
    expect(reader.register(email, "key")["user"]["id"], registered["user"]["id"])


def check_throttle(writer, reader, email, token_of):
    token = token_of(email)
    wrong = {"email": email, "password": "a wrong password"}
    for gateway in (writer, reader):
        expect(gateway.call("POST", "/auth/login", wrong)[0], 401)
    statuses = [gateway.call("POST", "/auth/login", wrong)[0] for gateway in (reader, writer) * 8]
    if 429 not in statuses:
        raise Failed(f"16 wrong attempts at both builds were not throttled: {statuses}")
    if "login.refused" not in reader.types(token):
        raise Failed("no event reports the wrong attempts")


def check_audit_event(writer, reader, email, token_of):
    token = token_of(email)
    created = writer.ok("POST", "/sessions", {"name": "a", "workspacePath": "/w"}, token)
    writer.ok("DELETE", "/sessions/" + created["id"], token=token)
    expect(reader.types(token)[-2:], ["session.created", "session.deleted"])


def check_cursor_key(writer, reader, email, token_of):
    token = token_of(email)
    for name in "ab":
        writer.ok("POST", "/sessions", {"name": name, "workspacePath": "/w"}, token)
    cursor = writer.ok("GET", "/sessions?limit=1", token=token)["nextCursor"]
    page = reader.ok("GET", "/sessions?limit=1&cursor=" + cursor, token=token)
    expect([session["name"] for session in page["sessions"]], ["a"])


def check_operators_audit_action(writer, reader, email, token_of):
    """Operators' commands write actions that the first commit does not know. It has no such commands."""
    writer.ok("POST", "/auth/logout", token=writer.register(email)["token"])
    command = [writer.binary, "admin", "logins", "end", email, "--as", "operator"]
    subprocess.run(command, env=writer.environment, check=True, stdout=subprocess.DEVNULL)
    types = reader.types(reader.log_in(email)["token"])
    if "login.revoked_all" not in types:
        raise Failed(f"the operator's action is not in {types}")


CHECKS = {
    "user, tenant and membership": check_account,
    "login": check_login,
    "session and search text": check_session,
    "idempotency record": check_idempotency_record,
    "registration": check_registration_record,
    "throttle": check_throttle,
    "audit event": check_audit_event,
    "cursor key of the tenant": check_cursor_key,
}

# Checks of what only the current build writes, until it is the last release.
CHECKS_OF_NEW_RECORDS = {
    "operator's audit action": check_operators_audit_action,
}


CURRENT_READS = "the current build reads the earlier one's"
EARLIER_READS = "the earlier build reads the current one's"

# The first commit reads no version of a record after its own, and every account has records of later ones. So the
# current build can follow it, but not run beside it.
KNOWN = {
    "afc712a293289f4a52e2631739e4083d37daa69e": {
        f"{record}: {EARLIER_READS}" for record in CHECKS | CHECKS_OF_NEW_RECORDS
    }
}


def main(commit, last_binary, current_binary):
    known = KNOWN.get(commit, set())
    problems = 0
    secret = os.urandom(32).hex()
    with tempfile.TemporaryDirectory() as folder:
        gateways = []
        try:
            last = Gateway(last_binary, folder, secret)
            gateways.append(last)
            current = Gateway(current_binary, folder, secret)
            gateways.append(current)

            def token_of(email):
                """An account of the writer, with a login of the earlier build, which both builds can read."""
                return account(writer, last, email)

            directions = (
                (CURRENT_READS, last, current, CHECKS),
                (EARLIER_READS, current, last, CHECKS | CHECKS_OF_NEW_RECORDS),
            )
            for direction, writer, reader, checks in directions:
                for number, (record, check) in enumerate(checks.items()):
                    name = f"{record}: {direction}"
                    email = f"{'last' if writer is last else 'current'}{number}@example.com"
                    try:
                        check(writer, reader, email, token_of)
                        result = "STALE, remove it from KNOWN" if name in known else "ok"
                    except Failed as failure:
                        result = f"known: {failure}" if name in known else f"FAILED: {failure}"
                    problems += result.startswith(("STALE", "FAILED"))
                    print(f"{name}: {result}", flush=True)
        finally:
            for gateway in gateways:
                gateway.stop()
    print("the two builds share a store" if problems == 0 else f"{problems} checks failed")
    return problems != 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
