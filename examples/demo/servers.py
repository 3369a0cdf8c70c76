"""The servers that the demo sends to and signs in with, on this machine only, with nothing but the standard library."""

import base64
import hashlib
import json
import re
import secrets
import socket
import socketserver
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

# A loopback takes an invoice in no time. Small buffers and a pause after each piece let the progress be seen.
PIECE = 32 * 1024
PAUSE = 0.02


class Slow:
    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PIECE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
        super().server_bind()


class MailServer(Slow, socketserver.ThreadingTCPServer):
    """Takes emails over STARTTLS from the one user it knows, and keeps each with its envelope."""

    daemon_threads = True

    def __init__(self, identity, user, password):
        super().__init__(("127.0.0.1", 0), MailSession)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(identity)
        self.login = f"\0{user}\0{password}".encode()
        self.received = []

    @property
    def port(self):
        return self.server_address[1]

    def knows(self, login):
        return login == self.login

    def handle_error(self, request, client_address):
        """A client that leaves, for example because it does not trust the certificate, is no error here."""


class Gmail(MailServer):
    """As Gmail does it: the password of the account itself is right, and not taken from a program."""

    def __init__(self, identity, user, password, app_password):
        super().__init__(identity, user, app_password)
        self.normal = f"\0{user}\0{password}".encode()


class Microsoft(MailServer):
    """As Microsoft 365 does it: no password is taken from a program, only what its sign-in gave."""

    mechanisms = "XOAUTH2"

    def __init__(self, identity, user, sign_in):
        super().__init__(identity, user, "")
        self.user, self.sign_in = user, sign_in


class MailSession(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def say(self, *lines):
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

    def handle(self):
        self.safe, self.known = isinstance(self.request, ssl.SSLSocket), False
        self.begin()
        self.say("220 localhost demo mail server")
        while line := self.rfile.readline(2000):
            verb, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            if verb.upper() == "QUIT":
                return self.say("221 2.0.0 Goodbye")
            getattr(self, f"on_{verb.lower()}", self.on_unknown)(rest)

    def finish(self):
        super().finish()
        # With TLS it is another than the one that the server knows of.
        self.request.close()

    def begin(self):
        self.sender, self.recipients = None, []

    def on_unknown(self, rest):
        self.say("502 5.5.1 Command not known")

    def on_ehlo(self, rest):
        self.say(
            "250-localhost", "250-SIZE 20000000", "250-8BITMIME", "250-PIPELINING", "250-ENHANCEDSTATUSCODES",
            f"250 AUTH {getattr(self.server, 'mechanisms', 'PLAIN')}" if self.safe else "250 STARTTLS",
        )

    def on_starttls(self, rest):
        self.say("220 2.0.0 Go ahead")
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        self.safe = True
        self.setup()

    def on_auth(self, rest):
        mechanism, _, response = rest.partition(" ")
        if self.safe and mechanism.upper() == getattr(self.server, "mechanisms", "") == "XOAUTH2":
            return self.on_token(base64.b64decode(response).decode())
        if not self.safe or mechanism.upper() != "PLAIN":
            return self.say("504 5.5.4 Only AUTH PLAIN, and only with TLS")
        if not response:
            self.say("334 ")
            response = self.rfile.readline(2000).decode()
        login = base64.b64decode(response)
        self.known = self.server.knows(login)
        if self.known:
            return self.say("235 2.7.0 Welcome")
        if login == getattr(self.server, "normal", None):
            return self.say(
                "534-5.7.9 Application-specific password required. For more information, go to",
                "534 5.7.9  https://support.google.com/mail/?p=InvalidSecondFactor",
            )
        self.say("535 5.7.8 Username and password not accepted")

    def on_token(self, response):
        expected = (f"user={self.server.user}\1auth=Bearer {token}\1\1" for token in self.server.sign_in.tokens)
        self.known = response in expected
        self.say("235 2.7.0 Welcome" if self.known else "535 5.7.3 Authentication unsuccessful")

    def on_mail(self, rest):
        if not self.known:
            return self.say("530 5.7.0 Log in first")
        self.begin()
        self.sender = address(rest)
        self.say("250 2.1.0 Sender taken")

    def on_rcpt(self, rest):
        self.recipients.append(address(rest))
        self.say("250 2.1.5 Recipient taken")

    def on_data(self, rest):
        if not self.recipients:
            return self.say("503 5.5.1 No recipients")
        self.say("354 Send the email, then a line with a dot")
        lines, size = [], 0
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                return
            lines.append(line[1:] if line.startswith(b".") else line)
            size += len(line)
            if size > PIECE:
                time.sleep(PAUSE)
                size = 0
        self.server.received.append((self.sender, self.recipients, b"".join(lines)))
        self.say("250 2.0.0 Taken as number " + str(len(self.server.received)))
        self.begin()

    def on_rset(self, rest):
        self.begin()
        self.say("250 2.0.0 Forgotten")

    def on_noop(self, rest):
        self.say("250 2.0.0 Here")


def address(argument):
    return argument[argument.index("<") + 1 : argument.index(">")]


class SignIn(ThreadingHTTPServer):
    """A provider of OAuth 2.0 with one user, who is asked nothing: codes with PKCE, and nothing else of it."""

    daemon_threads = True

    def __init__(self, client_id):
        super().__init__(("127.0.0.1", 0), SignInRequest)
        self.client_id = client_id
        self.codes, self.tokens = {}, set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class SignInRequest(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """The page on which a person would type the password and press Accept."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        if asked.get("client_id") != self.server.client_id or asked.get("code_challenge_method") != "S256":
            return self.answer(400, {}, b"")
        code = secrets.token_urlsafe()
        self.server.codes[code] = asked["redirect_uri"], asked["code_challenge"]
        back = urlencode({"code": code, "state": asked["state"]})
        self.answer(303, {"Location": f"{asked['redirect_uri']}?{back}"}, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        asked = {name: values[0] for name, values in parse_qs(body).items()}
        challenge = hashlib.sha256(asked.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(challenge).decode().rstrip("=")
        # Once: a code that comes a second time is nobody's.
        if self.server.codes.pop(asked.get("code"), None) != (asked.get("redirect_uri"), challenge):
            return self.answer(400, {}, json.dumps({"error": "invalid_grant"}).encode())
        token = secrets.token_urlsafe()
        self.server.tokens.add(token)
        given = {"access_token": token, "token_type": "Bearer", "expires_in": 3600, "refresh_token": secrets.token_urlsafe()}
        self.answer(200, {"Content-Type": "application/json"}, json.dumps(given).encode())

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """The demo's output is its own."""


class Relay(Slow, ThreadingHTTPServer):
    """Takes what `docs/http.md` describes, and keeps each request's parts as (name, file name, type, bytes)."""

    def __init__(self, token):
        super().__init__(("127.0.0.1", 0), RelayRequest)
        self.token = token
        self.received = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/"


class RelayRequest(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        left, body = int(self.headers["Content-Length"]), b""
        while left > len(body):
            body += self.rfile.read(min(PIECE, left - len(body)))
            time.sleep(PAUSE)
        if self.headers["Authorization"] != f"Bearer {self.server.token}":
            return self.answer(401, "This token is not known here.")
        kind, _, parameters = self.headers["Content-Type"].partition(";")
        if kind == "multipart/form-data":
            parts = multipart(body, parameters.partition("boundary=")[2].strip('" '))
        else:
            fields = parse_qs(body.decode(), keep_blank_values=True)
            parts = [(name, None, None, values[0].encode()) for name, values in fields.items()]
        self.server.received.append((kind, self.headers, parts))
        self.answer(200, "Sent.")

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *arguments):
        """The demo's output is its own."""


def multipart(body, boundary):
    """The parts of multipart/form-data (RFC 7578), split by hand so that not a byte of a file changes."""
    parts = []
    for piece in body.split(b"\r\n--" + boundary.encode())[:-1]:
        head, _, content = piece.partition(b"\r\n\r\n")
        name = file_name = kind = None
        for line in head.decode().split("\r\n"):
            field, _, value = line.partition(": ")
            if field.lower() == "content-disposition":
                name = quoted(value, "; name=")
                file_name = quoted(value, "; filename=")
            elif field.lower() == "content-type":
                kind = value
        parts.append((name, file_name, kind, content))
    return parts


def quoted(value, key):
    found = re.search(re.escape(key) + r'"((?:\\.|[^"\\])*)"', value)
    return found and re.sub(r"\\(.)", r"\1", found[1])


def serve(server):
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server
