"""An SMTP server for the mailer's tests: it requires a password, and recipients choose its behaviour.

usage: smtp_server.py CERTIFICATE KEY FOLDER PORT MODE

It prints its port and serves until its standard input closes. Each accepted email becomes a file of FOLDER. The file
FOLDER.users gets a line for each user who sends a password.

MODE is what an attacker between it and the mailer can change:

  starttls  STARTTLS is required
  plain     STARTTLS is not offered, and passwords are accepted without it
  tls       TLS from the start

  refused@…  550 5.1.1 at RCPT
  disabled@… 550 5.2.1 at RCPT
  sender@…   550 5.7.1 at RCPT, as if the sender were wrong
  busy@…     451 at the first DATA
  quotes@…   550 5.1.1 at DATA, with the lines of the email that contain its link
  slow@…     does not respond to QUIT
  cut@…      accepts the first DATA, and closes the connection before it responds
"""

import asyncio
import itertools
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    def __init__(self, folder):
        self.folder = folder
        self.numbers = itertools.count()
        self.seen = set()

    def is_first(self, recipient):
        is_first = recipient not in self.seen
        self.seen.add(recipient)
        return is_first

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused@"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("disabled@"):
            return "550 5.2.1 mailbox disabled"
        if address.startswith("sender@"):
            return "550 5.7.1 sender rejected"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        recipient = envelope.rcpt_tos[0]
        if recipient.startswith("busy@") and self.is_first(recipient):
            return "451 try again later"
        if recipient.startswith("quotes@"):
            # As they are in the email: the encoding breaks the token.
            lines = envelope.content.decode().splitlines()
            start = next(number for number, line in enumerate(lines) if "token=" in line)
            quoted = [f"550-5.1.1 {line}\r\n" for line in lines[start : start + 3]]
            return "".join(quoted) + "550 5.1.1 is listed"
        path = self.folder / f"{next(self.numbers)}.eml"
        path.with_suffix(".part").write_bytes(envelope.content)
        path.with_suffix(".part").rename(path)
        session.is_slow = recipient.startswith("slow@")
        if recipient.startswith("cut@") and self.is_first(recipient):
            server.transport.abort()
        return "250 accepted"


    async def handle_QUIT(self, server, session, envelope):
        if getattr(session, "is_slow", False):
            await asyncio.sleep(3600)
        return "221 Bye"


def authenticator(users):
    def authenticate(server, session, envelope, mechanism, auth_data):
        with users.open("ab") as file:
            file.write(auth_data.login + b"\n")
        is_right = (auth_data.login, auth_data.password) == (b"mailer", b"p@ss word")
        return AuthResult(success=is_right)

    return authenticate


async def main():
    certificate, key, folder, port, mode = sys.argv[1:]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    handler = Handler(pathlib.Path(folder))
    users = pathlib.Path(f"{folder}.users")
    users.touch()
    loop = asyncio.get_running_loop()

    def connection():
        return SMTP(
            handler,
            hostname="localhost",
            tls_context=context if mode == "starttls" else None,
            require_starttls=mode == "starttls",
            auth_required=True,
            auth_require_tls=mode == "starttls",
            authenticator=authenticator(users),
            loop=loop,
        )

    wrapper = context if mode == "tls" else None
    server = await loop.create_server(connection, "127.0.0.1", int(port), ssl=wrapper)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


asyncio.run(main())
