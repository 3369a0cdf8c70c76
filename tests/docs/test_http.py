"""docs/http.md against what a relay really gets and what its answers become."""

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl

import pytest
from library import ROOT, Account
from markdown import blocks, table, words
from servers.base import free_port

EMAIL = {
    "to": ["ion@example.com", "office@example.com"],
    "subject": "Invoice 2026/001",
    "body": "Hello",
    "document": {"file_name": 'Factură "2026"-001.pdf'},
    "attachments": [{"base64": "aGk=", "file_name": "note.txt"}],
    "idempotency_key": "invoice-2026-001",
}


class Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self, body))
        status, text = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        if status // 100 == 3:
            self.send_header("Location", f"http://127.0.0.1:{free_port()}/")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments):
        pass


@contextmanager
def relay(status=200, text=b"", **settings):
    server = HTTPServer(("127.0.0.1", 0), Request)
    server.answer, server.got = (status, text), []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        with Account({"program_name": "Demo Books"}) as account:
            address = f"http://127.0.0.1:{server.server_port}/send?office=1"
            given = {"protocol": "http", "http_server": address, "reply_to": "ana@example.com", **settings}
            assert account.settings_set(given)["reason"] == "saved"
            yield account, server.got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


FULL = {"http_token": "token-of-ana", "sender_name": "Ana's Orchard", "send_copy": True, "copy_to": "archive@example.com"}


def example(mark):
    (block,) = [block for block in blocks("http") if block.mark == f"request: {mark}"]
    head, _, body = block.body.partition("\n\n")
    return dict(line.split(": ", 1) for line in head.splitlines()[1:]), body


def test_a_test_is_a_form():
    with relay(**FULL) as (account, got):
        assert account.send_test()["reason"] == "accepted"
    ((request, body),) = got
    headers, shown = example("test")
    assert (request.path, request.request_version) == ("/send?office=1", "HTTP/1.1")
    assert {name: request.headers[name] for name in headers} == headers
    assert request.headers["Idempotency-Key"] is None and request.headers["Transfer-Encoding"] is None
    assert request.headers["User-Agent"].startswith("mailbutton/")
    real, shown = parse_qsl(body.decode()), parse_qsl(shown.strip())
    assert real[:-1] == shown[:-1] and real[-1][0] == shown[-1][0] == "body"
    assert "<" not in real[-1][1]


def test_a_document_is_multipart():
    with relay(**FULL) as (account, got):
        assert account.send_document(EMAIL)["reason"] == "accepted"
    ((request, body),) = got
    headers, shown = example("document")
    kind, _, boundary = request.headers["Content-Type"].partition("; boundary=")
    assert kind == headers.pop("content-type").partition(";")[0]
    assert {name: request.headers[name] for name in headers} == headers
    assert int(request.headers["Content-Length"]) == len(body)
    pieces = [piece.partition(b"\r\n\r\n") for piece in body.split(b"--" + boundary.encode())[1:-1]]
    parts = [(head.decode().strip(), content[:-2]) for head, _, content in pieces]
    fields = [(re.search(r'name="(\w+)"', head)[1], content.decode()) for head, content in parts if "filename" not in head]
    documented = [word for row in table("http.md", "field") for word in words(row[0])]
    assert [name for name, _ in fields] == [name for name in documented if name != "cc"]
    assert dict(fields)["bcc"] == "archive@example.com" and dict(fields)["body"].startswith("<!DOCTYPE html>")
    for name, value in re.findall(r'name="(\w+)"\n\n(.*)\n--', shown):
        assert name in ("body", "document") or dict(fields)[name] == value
    files = [(head, content) for head, content in parts if "filename" in head]
    assert [re.search(r' name="(\w+)"', head)[1] for head, _ in files] == ["document", "attachment1"]
    assert r'filename="Factură \"2026\"-001.pdf"' in files[0][0] and "Content-Type: application/pdf" in files[0][0]
    assert files[0][1].startswith(b"%PDF-") and files[1][1] == b"hi"


def test_the_fields_are_all_in_the_table():
    documented = [word for row in table("http.md", "field") for word in words(row[0])]
    source = (ROOT / "src" / "transport" / "http.rs").read_text()
    assert documented == re.findall(r'\("(\w+)", &post\.\w+\)', source)


def test_each_answer_becomes_what_the_table_says():
    for row in table("http.md", "status", "what mailbutton makes of it"):
        reason = words(row[1])[0] if words(row[1]) else "accepted"
        ranges = {"2xx": [200, 202], "3xx": [301, 307], "anything else": [400, 418, 500]}
        for status in ranges.get(row[0]) or map(int, row[0].split(",")):
            with relay(status) as (account, _):
                assert account.send_document({"to": "ion@example.com"})["reason"] == reason, status


def test_the_answers_are_all_in_the_table():
    source = (ROOT / "src" / "transport" / "http.rs").read_text()
    body = source.partition("match status.as_u16() {")[2].partition("_ =>")[0]
    real = {tuple(numbers.split(" | ")) for numbers in re.findall(r"^ +([\d. =|]+) => Ending", body, re.M)}
    rows = table("http.md", "status", "what mailbutton makes of it")
    assert real == {("300..=399",), *(tuple(row[0].split(", ")) for row in rows if row[0][0].isdigit() and "x" not in row[0])}


@pytest.mark.parametrize(
    ("text", "shown"),
    [(b"Not known here.", "Not known here."), (b" <html>x", "Unauthorized"), (b"", "Unauthorized")],
)
def test_the_body_of_a_failure_is_the_relays_word(text, shown):
    with relay(401, text) as (account, _):
        assert account.send_document({"to": "ion@example.com"})["server"] == {"code": 401, "enhanced": None, "text": shown}
