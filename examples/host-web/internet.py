"""The internet of the demo: a proxy that reaches a few mail servers, all of them this program.

mailbutton gets this proxy and so finds `smtp.gmail.com` on its real ports, with a certificate that the demo trusts. Whatever
address and server a visitor types, nothing leaves this machine: what is not in the table below cannot be reached.
"""

import ssl
import struct
import sys
import time
from collections import deque
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "demo"))

from certificate import make_certificate  # noqa: E402
from letters import parse  # noqa: E402
from servers import MailSession, Slow  # noqa: E402

PASSWORD = "green apples 7"
APP_PASSWORD = "tree leaf seed pear"
GMAIL, ORCHARD, OWN = "ana.livada@gmail.com", "ana@orchard.example", "office@livada.example"

PROVIDERS = [
    {
        "id": "orchard-mail", "name": "Orchard Mail", "domains": ["orchard.example"], "app_password": "none",
        "servers": [
            {"host": "smtp.orchard.example", "port": 465, "security": "tls"},
            {"host": "smtp.orchard.example", "port": 587, "security": "starttls"},
        ],
    }
]  # fmt: skip

# As far away as a server on the internet, so that what happens can be seen.
LATENCY = 0.05

# What servers say of recipients that begin with these.
REFUSED = {
    "nobody": "550 5.1.1 The email account that you tried to reach does not exist",
    "full": "552 5.2.2 The mailbox of this recipient is full",
    "later": "450 4.2.0 Greylisted, try again later",
}


class Received(NamedTuple):
    number: int
    when: datetime
    sender: str
    recipients: list
    raw: bytes

    @property
    def message(self):
        return parse(self.raw)


class Inbox:
    """Every email that a server of the demo took, the newest first."""

    def __init__(self):
        self._emails = deque(maxlen=200)
        self._numbers = count(1)

    def append(self, email):
        self._emails.appendleft(Received(next(self._numbers), datetime.now(timezone.utc), *email))

    def __iter__(self):
        return iter(tuple(self._emails))

    def __len__(self):
        return len(self._emails)

    def get(self, number):
        return next((email for email in self if email.number == number), None)


class MailHost:
    """A mail server as `MailSession` needs it: one user, one password, and where emails go."""

    def __init__(self, identity, user, password, received, normal=None):
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(identity)
        self.login = f"\0{user}\0{password}".encode()
        self.normal = normal and f"\0{user}\0{normal}".encode()
        self.received = received

    def knows(self, login):
        # With or without the blanks with which an app password is shown.
        return login.replace(b" ", b"") == self.login.replace(b" ", b"")


class Session(MailSession):
    def say(self, *lines):
        time.sleep(LATENCY)
        super().say(*lines)

    def on_rcpt(self, rest):
        kind = next((kind for kind in REFUSED if f"<{kind}" in rest.lower()), None)
        if kind:
            return self.say(REFUSED[kind])
        super().on_rcpt(rest)


def submission(host):
    return lambda request, address: Session(request, address, host)


def submission_over_tls(host):
    return lambda request, address: Session(host.tls.wrap_socket(request, server_side=True), address, host)


def mailbox(host, greeting):
    """A server for reading emails, which says who it is and then waits."""

    def talk(request, _address):
        # Who does not begin TLS does not read emails.
        request.settimeout(1)
        with host.tls.wrap_socket(request, server_side=True) as connection:
            connection.sendall(greeting)
            connection.recv(1000)

    return talk


class Internet(Slow, ThreadingTCPServer):
    """A SOCKS 5 proxy (RFC 1928). `places` has who answers at each host and port."""

    daemon_threads = True

    def __init__(self, places):
        super().__init__(("127.0.0.1", 0), Proxied)
        self.places = places

    @property
    def address(self):
        return f"socks5://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address):
        """A client that leaves, for example because it does not trust the certificate, is no error here."""


class Proxied(StreamRequestHandler):
    disable_nagle_algorithm = True
    rbufsize = 0
    timeout = 600

    def handle(self):
        _version, methods = self.rfile.read(2)
        self.rfile.read(methods)
        self.wfile.write(b"\5\0")
        _version, _command, _, kind = self.rfile.read(4)
        if kind != 3:
            return self.answer(8)
        host = self.rfile.read(self.rfile.read(1)[0]).decode("ascii", "replace").lower().rstrip(".")
        (port,) = struct.unpack(">H", self.rfile.read(2))
        place = self.server.places.get((host, port))
        if place is None:
            # 4: no such host. 5: it refuses the connection.
            return self.answer(5 if any(known == host for known, _ in self.server.places) else 4)
        self.answer(0)
        place(self.request, self.client_address)

    def answer(self, code):
        self.wfile.write(bytes((5, code, 0, 1)) + bytes(6))


def build(folder):
    """The internet, its inbox, and the file of the certificates that are trusted in it."""
    folder, inbox = Path(folder), Inbox()
    identities = {}
    for name in ("smtp.gmail.com", "imap.gmail.com", "smtp.orchard.example", "mail.livada.example"):
        identities[name] = folder / f"{name}.pem"
        identities[name].write_text(make_certificate(name))
    gmail = MailHost(identities["smtp.gmail.com"], GMAIL, APP_PASSWORD, inbox, normal=PASSWORD)
    orchard = MailHost(identities["smtp.orchard.example"], ORCHARD, PASSWORD, inbox)
    own = MailHost(identities["mail.livada.example"], OWN, PASSWORD, inbox)
    places = {}
    for name, host in (("smtp.gmail.com", gmail), ("smtp.orchard.example", orchard), ("mail.livada.example", own)):
        places[name, 465], places[name, 587] = submission_over_tls(host), submission(host)
    for name, host in (("smtp.gmail.com", gmail), ("smtp.orchard.example", orchard)):
        places[name, 993] = mailbox(host, b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] Ready\r\n")
        places[name, 995] = mailbox(host, b"+OK POP3 ready\r\n")
    trusted = folder / "trusted.pem"
    # Nobody vouches for the one of the business's own server.
    trusted.write_text("".join(identities[name].read_text() for name in identities if name != "mail.livada.example"))
    return Internet(places), inbox, trusted
