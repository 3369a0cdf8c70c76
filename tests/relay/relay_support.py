"""What the tests of the relay share."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import uuid
from email import message_from_bytes, policy
from pathlib import Path

from aiosmtpd.controller import Controller
from mailbutton_relay import tokens

ROOT = Path(__file__).resolve().parents[2]
LONG = 30
TOKEN, STRANGER = "tok-Relay-7f21-Zx", "tok-nobody-3c"
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 40 + b"\n.\r\n..\n%%EOF\n"


class MailServer:
    """Keeps each email. `verdicts` answers RCPT or DATA in its own way; `gate` holds DATA back until it is set."""

    def __init__(self):
        self.received, self.verdicts = [], {}
        self.reached, self.gate = threading.Event(), threading.Event()
        self.gate.set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if "RCPT" in self.verdicts:
            return self.verdicts["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.reached.set()
        await server.loop.run_in_executor(None, self.gate.wait, LONG)
        verdict = self.verdicts.get("DATA", "250 OK")
        if verdict is None:
            server.transport.abort()
            return "421 gone"
        if verdict.startswith("250"):
            self.received.append((envelope.rcpt_tos, envelope.original_content))
        return verdict

    def documents(self, at=0):
        message = message_from_bytes(self.received[at][1], policy=policy.default)
        return [(part.get_filename(), part.get_payload(decode=True)) for part in message.walk() if part.get_filename()]

    def __enter__(self):
        self._controller = Controller(self, hostname="127.0.0.1", port=0, data_size_limit=None)
        greet = self._controller._trigger_server

        def trigger():
            # A Controller connects to the port that it was given, which was 0.
            self.port = self._controller.port = self._controller.server.sockets[0].getsockname()[1]
            greet()

        self._controller._trigger_server = trigger
        self._controller.start()
        return self

    def stop(self):
        self._controller.stop(no_assert=True)

    def __exit__(self, *_):
        self.gate.set()
        if self._controller.server is not None:
            self.stop()


class Relay:
    def __init__(self, folder, mail, limits=None, token=None, smtp=None, **top):
        self.folder, self.mail, self.process = folder, mail, None
        self.limits, self.token, self.smtp, self.top = limits or {}, token or {}, smtp or {}, top

    def start(self):
        config = self.folder / "relay.toml"
        lines = ["port = 0", f'state = "{self.folder}/state"', *_lines(self.top)]
        lines += ["[smtp]", 'smtp_host = "127.0.0.1"', f"smtp_port = {self.mail.port}", 'smtp_security = "none"']
        lines += ['email_address = "relay@example.test"', *_lines(self.smtp), "[limits]", *_lines(self.limits)]
        token = {"name": "ana", "sha256": tokens.digest(TOKEN), **self.token}
        lines += ["[[tokens]]", *_lines(token)]
        config.write_text("\n".join(lines))
        self.log = (self.folder / "log").open("ab")
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}/bindings/python:{ROOT}/examples/relay"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mailbutton_relay", "serve", str(config)],
            env=environment, stdout=subprocess.PIPE, stderr=self.log, text=True,
        )
        said = self.process.stdout.readline()
        assert said.startswith("listening"), (self.folder / "log").read_text()
        self.port = int(said.split()[-1])
        self.url = f"http://127.0.0.1:{self.port}/"
        return self

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(LONG)
        if self.process:
            self.process.stdout.close()
            self.log.close()

    def peak_memory(self):
        """In bytes."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024

    def logged(self):
        return (self.folder / "log").read_text()

    def raw(self, data, finish=True):
        """The whole answer to bytes as they are."""
        with socket.create_connection(("127.0.0.1", self.port), LONG) as connection:
            try:
                connection.sendall(data)
                if finish:
                    connection.shutdown(socket.SHUT_WR)
            except ConnectionError:
                pass
            answer = b""
            try:
                # The relay reads on for a while behind an early answer.
                while not _is_whole(answer) and (piece := connection.recv(65536)):
                    answer += piece
            except ConnectionError:
                pass
            return answer

    def post(self, body, kind, token=TOKEN, **headers):
        return Answer(self.raw(request(body, kind, token, **headers), finish=False))

    def send(self, token=TOKEN, key=None, document=PDF, **changes):
        body, kind = multipart(document, **changes)
        return self.post(body, kind, token, **({"Idempotency_Key": key} if key else {}))


class Answer:
    def __init__(self, raw):
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1]) if raw else None
        self.headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines}
        self.text = body.decode()


def _is_whole(answer):
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    return bool(end and length and len(body) >= int(length[1]))


def request(body, kind, token=TOKEN, **headers):
    lines = ["POST / HTTP/1.1", "Host: localhost", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


FIELDS = {"from": "Ana's Orchard", "reply_to": "ana@example.test", "to": "ion@example.test", "subject": "Invoice 7", "body": "<p>Hello</p>"}


def multipart(document=PDF, file_name="Factură 7.pdf", **changes):
    boundary = "b" + uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in {**FIELDS, **changes}.items() if value is not None
    ]
    if document is not None:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="document"; filename="{file_name}"\r\n'
        parts.append(f"{head}Content-Type: application/pdf\r\n\r\n".encode() + document + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def _lines(table):
    return [f"{name} = {json.dumps(value)}" for name, value in table.items()]
