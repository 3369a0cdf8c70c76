"""Settings, documents, servers that misbehave, and programs in processes of their own."""

import base64
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from servers import PASSWORD, USER

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WRONG_PASSWORD = "Gr3șit-«parolă» 7f21"
TOKEN = "tok-9c1e55aa-Zx_0"
OTHER_PASSWORD = "Altă-parolă-e8b2"
PROXY_PASSWORD = "Pr0xy-pa55-c41d"
# A child that takes longer has hung.
LONG = 30

SECRETS = [PASSWORD, WRONG_PASSWORD, OTHER_PASSWORD, TOKEN, PROXY_PASSWORD]


def _disguises(secret):
    """A secret as it is, and as it travels in AUTH PLAIN and AUTH LOGIN."""
    plain = secret.encode()
    whole = b"\0" + USER.encode() + b"\0" + plain
    return [secret, base64.b64encode(plain).decode(), base64.b64encode(whole).decode()]


def leaks(value, place=""):
    """The places in a reply that hold a secret."""
    if isinstance(value, dict):
        return [leak for key, item in value.items() for leak in leaks(item, f"{place}.{key}") + leaks(key, place)]
    if isinstance(value, list):
        return [leak for at, item in enumerate(value) for leak in leaks(item, f"{place}[{at}]")]
    text = value if isinstance(value, str) else ""
    return [place for secret in SECRETS for shape in _disguises(secret) if shape in text]


def smtp_settings(server, port="port_starttls", **changes):
    settings = {
        "smtp_host": server.host,
        "smtp_port": getattr(server, port),
        "smtp_security": {"port_tls": "tls", "port_starttls": "starttls", "port_plain": "none"}[port],
        "username": server.user,
        "password": server.password,
        "sender_name": "Ștefan & Fiii SRL",
    }
    return {**settings, **changes}


def email(**changes):
    return {"to": "bogdan@example.test", "subject": "Invoice 7", "body": "See *attached*.", **changes}


def make_pdf(padding=0):
    """A valid PDF of one empty page, with so many random bytes in a stream."""
    noise = os.urandom(padding)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(noise), noise),
    ]
    pdf, places = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(pdf))
        pdf += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size, start = len(objects) + 1, len(pdf)
    pdf += b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    return pdf + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, start)


PDF = make_pdf()


def parsed(delivered):
    return message_from_bytes(delivered.raw, policy=policy.default)


class SilentServer:
    """Takes connections and says nothing. `wait_for_connection` gives the next one."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(LONG)
        self.port = self._listener.getsockname()[1]
        self._connections = []

    def wait_for_connection(self):
        connection, _address = self._listener.accept()
        connection.settimeout(LONG)
        self._connections.append(connection)
        return connection

    def wait_for_hang_up(self, connection):
        """Until the other side is gone; a client that hangs on fails the test by a timeout."""
        while connection.recv(65536):
            pass

    def settings(self, **changes):
        return {
            "smtp_host": "127.0.0.1",
            "smtp_port": self.port,
            "smtp_security": "starttls",
            "email_address": USER,
            **changes,
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for open_socket in [self._listener, *self._connections]:
            open_socket.close()


class Request:
    def __init__(self, handler, reads_body=True):
        self.path = handler.path
        self.headers = handler.headers
        length = int(handler.headers["Content-Length"])
        self.body = handler.rfile.read(length) if reads_body else b""
        self.is_whole = len(self.body) == length

    def drain(self, handler):
        """What still comes after the answer."""
        try:
            while piece := handler.rfile.read1(65536):
                self.body += piece
        except ConnectionError:
            pass

    def parts(self):
        """The parts of a multipart body, in their order."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        return list(message_from_bytes(head + self.body, policy=policy.HTTP).iter_parts())


def part_name(part):
    return part.get_param("name", header="content-disposition")


class HttpServer:
    """Records the requests. `answer` is (status, headers, body), HANG_UP or SILENCE."""

    HANG_UP = object()
    SILENCE = object()

    def __init__(self):
        self.requests = []
        self.answer = (204, {}, b"")
        self.reads_body = True
        self._over = threading.Event()

    def respond(self, handler):
        self.requests.append(Request(handler, self.reads_body))
        handler.close_connection = True
        if self.answer is self.SILENCE:
            self._over.wait(LONG)
        elif self.answer is not self.HANG_UP:
            self._say(handler, *self.answer)
        if not self.reads_body:
            self.requests[-1].drain(handler)

    def _say(self, handler, status, headers, body):
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        try:
            handler.wfile.write(body)
        except ConnectionError:
            pass  # A client reads as much of a long answer as it likes.

    def settle(self):
        """Until every request that has begun is read to its end."""
        for thread in threading.enumerate():
            if "process_request_thread" in thread.name:
                thread.join(LONG)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/send?company=7"

    def settings(self, **changes):
        return {
            "protocol": "http",
            "http_server": self.url,
            "sender_name": "Ștefan & Fiii SRL",
            "reply_to": "office@example.test",
            **changes,
        }

    def __enter__(self):
        respond = self.respond

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                respond(self)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def environment(**more):
    paths = os.pathsep.join(str(path) for path in (ROOT / "bindings/python", ROOT / "tests", HERE))
    return {**os.environ, "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1", **more}


@contextmanager
def program(code, *arguments, stdin=None):
    """A Python program in a process of its own, which does not outlive the block."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    process = subprocess.Popen(
        command, env=environment(), stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()
    finally:
        process.wait(LONG)


def run(code, *arguments):
    """What a program printed; it must end well and complain of nothing."""
    with program(code, *arguments) as process:
        output, complaints = process.communicate(timeout=LONG)
    assert (process.returncode, complaints) == (0, ""), f"{output}\n{complaints}"
    return output
