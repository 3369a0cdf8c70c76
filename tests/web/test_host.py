"""The demo program's server: who gets in, what a page may ask for, and what never goes out."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
from email import policy
from email.message import EmailMessage
from html import unescape

import pytest
from conftest import ROOT
from internet import GMAIL, ORCHARD, PASSWORD
from markup import h
from words import LANGUAGES, preferred

SETTINGS = {"smtp_host": "smtp.orchard.example", "smtp_port": 465, "username": ORCHARD, "password": PASSWORD}
LONG = 30


class Browser:
    """What a browser does that has the page open, and what others would try."""

    def __init__(self, program):
        self.server = program.server
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.cookie = None
        self.token = None

    def request(self, method, path, body=None, **headers):
        """A header that is None is left out."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=LONG)
        usual = {"Host": self.host, "Cookie": self.cookie}
        given = {**usual, **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in given.items():
            if value is not None:
                connection.putheader(name, value)
        if body is not None and "Content-Length" not in given and "Transfer-Encoding" not in given:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response, content

    def enter(self):
        response, _ = self.request("GET", self.server.address.partition(self.host)[2])
        assert (response.status, response.headers["Location"]) == (303, "/")
        self.cookie = response.headers["Set-Cookie"].partition(";")[0]
        _, page = self.request("GET", "/")
        self.token = re.search(r'name="csrf-token" content="([^"]+)"', page.decode())[1]
        return self

    def get(self, path):
        response, content = self.request("GET", path)
        return response.status, content

    def post(self, path, given=None, **changes):
        headers = {
            "Content-Type": "application/json", "X-CSRF-Token": self.token, "Origin": f"http://{self.host}", **changes
        }  # fmt: skip
        body = given if isinstance(given, bytes) else json.dumps(given).encode()
        response, content = self.request("POST", path, body, **headers)
        return response.status, json.loads(content) if response.status == 200 else content

    def finish(self, path, given):
        """To the end of the work."""
        _, reply = self.post(path, given)
        base = path.rpartition("/")[0]
        while reply["status_name"] == "PENDING":
            job = reply["job"]
            _, reply = self.post(f"{base}/reply_wait", {"job": job, "after": reply["seen"]})
        return reply


@pytest.fixture
def browser(program):
    return Browser(program).enter()


@pytest.fixture
def ready(browser):
    """A browser of a program whose settings are saved."""
    assert browser.post("/mailbutton/settings_set", SETTINGS)[1]["reason"] == "saved"
    return browser


# Who gets in


def test_only_who_has_the_key_gets_in(program):
    stranger = Browser(program)
    for path in ("/", "/settings", "/inbox", "/invoices/2026-0124.pdf", "/?key=", "/?key=guess", "/?lang=ro"):
        status, content = stranger.get(path)
        assert status == 403 and b"csrf" not in content and b"Brightwater" not in content, path
    stranger.cookie = f"session_{program.server.server_port}=me.AAAA"
    assert stranger.get("/")[0] == 403
    assert stranger.post("/mailbutton/form", X_CSRF_Token="x")[0] == 403
    assert Browser(program).enter().get("/")[0] == 200


def test_a_cookie_is_for_this_site_alone(program):
    response, _ = Browser(program).request("GET", f"/?key={program.server.app.key}")
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Domain" not in cookie


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "", None])
def test_a_name_that_was_made_to_lead_here_is_refused(browser, host):
    name = host and host.format(port=browser.server.server_port)
    for method, path in (("GET", "/"), ("POST", "/mailbutton/form")):
        assert browser.request(method, path, b"{}", Host=name)[0].status == 421
    assert browser.request("GET", "/", Host=f"localhost:{browser.server.server_port}")[0].status == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": None}, {"Origin": "http://127.0.0.1:1"},
        {"X-CSRF-Token": "x"}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": None}, {"Cookie": None},
    ],
    ids=str,
)  # fmt: skip
def test_another_site_can_call_nothing(ready, changes):
    assert ready.post("/mailbutton/settings_clear", **changes)[0] == 403
    assert ready.post("/mailbutton/settings_get")[1]["configured"] is True


def test_the_token_of_one_session_is_none_of_another(program, browser):
    other = Browser(program).enter()
    assert other.token != browser.token
    assert browser.post("/mailbutton/form", X_CSRF_Token=other.token)[0] == 403


def test_it_listens_on_this_machine_alone(program):
    assert program.server.server_address[0] == program.internet.server_address[0] == "127.0.0.1"


# What a page may ask for


def test_requests_are_bounded(browser):
    assert browser.post("/mailbutton/form", b"[" * 100_000)[0] == 400
    assert browser.post("/mailbutton/form", b"{")[0] == 400
    assert browser.post("/mailbutton/form", b"\xff")[0] == 400
    assert browser.post("/mailbutton/form", b"{}", Content_Type="text/plain")[0] == 415
    assert browser.post("/mailbutton/form", b"", Content_Length="99999999")[0] == 413
    assert browser.post("/mailbutton/form", b"", Content_Length="-1")[0] == 411
    assert browser.post("/mailbutton/form", b"0\r\n\r\n", Transfer_Encoding="chunked")[0] == 411
    assert browser.post("/mailbutton/form")[1]["reason"] == "form"


def test_what_follows_a_request_is_no_other_one(program, browser):
    hidden = f"GET /settings HTTP/1.1\r\nHost: {browser.host}\r\n\r\n".encode()
    for head in ("GET /static/icon.svg", "POST /nothing"):
        with socket.create_connection(program.server.server_address, timeout=LONG) as client:
            client.sendall(f"{head} HTTP/1.1\r\nHost: {browser.host}\r\nContent-Length: {len(hidden)}\r\n\r\n".encode() + hidden)
            answer = b""
            try:
                while piece := client.recv(65536):
                    answer += piece
            except ConnectionError:
                pass  # It may hang up on what it does not read.
        assert answer.count(b"HTTP/1.1 ") == 1


def test_connections_are_bounded(program, browser):
    held = [socket.create_connection(program.server.server_address) for _ in range(64)]
    try:
        for number, connection in enumerate(held):
            connection.sendall(f"GET /static/icon.svg HTTP/1.1\r\nHost: {browser.host}\r\n\r\n".encode())
            connection.settimeout(LONG)
            if not connection.recv(10):
                break
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            browser.get("/")
            browser.get("/")
    finally:
        for connection in held:
            connection.close()
    assert number >= 62


def test_a_page_calls_what_it_is_for(browser):
    for path in (
        "/mailbutton/send_document", "/mailbutton/button", "/mailbutton/open", "/mailbutton/", "/mailbutton/form/x",
        "/invoices/2026-0124/mailbutton/settings_set", "/invoices/2026-0124/mailbutton/settings_get",
        "/invoices/2026-9999/mailbutton/button", "/", "/settings", "/%2e%2e/mailbutton/form",
    ):  # fmt: skip
        assert browser.post(path, {})[0] == 404, path
    assert browser.post("/mailbutton/form", [])[1]["status_name"] == "BAD_CALL"


@pytest.mark.parametrize("path", ["/etc/passwd", "/static/../run", "/static/run", "/static/..%2frun", "//x", "/inbox/1", "/inbox/x/html"])
def test_no_path_comes_from_a_page(browser, path):
    status, content = browser.get(path)
    assert status == 404 and b"root:" not in content and b"python" not in content


def test_a_page_sends_no_file_of_the_machine(ready, program):
    for given in ({"document": {"path": "/etc/passwd"}}, {"attachments": [{"path": "/etc/passwd"}]}):
        reply = ready.post("/invoices/2026-0123/mailbutton/send_document", {"to": "x@example.com", **given})[1]
        assert reply["reason"] == "path_refused"
    assert not program.inbox


# What goes out


def test_an_invoice_arrives_as_it_is(ready, program):
    page = ready.get("/invoices/2026-0123")[1].decode()
    document = json.loads(unescape(re.search(r'data-document="([^"]+)"', page)[1]))
    pressed = ready.post("/invoices/2026-0123/mailbutton/button", document)[1]
    assert pressed["button"]["visible"] and pressed["email"]["to"] == "contabil@tandarica.example"
    email = {**pressed["email"], "cc": "nobody@example.com", "partial": True}
    reply = ready.finish("/invoices/2026-0123/mailbutton/send_document", email)
    assert reply["reason"] == "accepted_partly"
    (received,) = program.inbox
    assert received.recipients == ["contabil@tandarica.example"]
    status, pdf = ready.get("/inbox/1/files/0")
    assert status == 200 and pdf == ready.get("/invoices/2026-0123.pdf")[1] == program.books.pdf("2026-0123")
    assert pdf.startswith(b"%PDF-")
    page = ready.get("/inbox/1")[1].decode()
    assert "Invoice 2026-0123" in page and "Invoice 2026-0123.pdf" in page
    history = ready.get("/sent")[1].decode()
    assert "contabil@" in history and "nobody@" in history and "refused" in history and "Sent to some" in history
    assert ready.get("/inbox/1/files/1")[0] == 404


def test_what_became_of_an_email_is_kept_though_nobody_waits(ready, program):
    noted = threading.Event()
    note = program.books.note
    program.books.note = lambda *given: (note(*given), noted.set())
    ready.post("/invoices/2026-0123/mailbutton/send_document", {"to": "nobody@example.com", "subject": "x", "body": "x"})
    assert noted.wait(LONG)
    (sent,) = program.books.sent("2026-0123")
    assert (sent.status, sent.recipients) == ("REFUSED", [("nobody@example.com", "to", "refused")])
    assert "Not sent" in ready.get("/invoices/2026-0123")[1].decode()


def test_no_secret_goes_out(ready, program):
    replies = [ready.post(f"/mailbutton/{function}", given)[1] for function, given in (
        ("settings_get", None), ("form", None), ("form", SETTINGS), ("settings_set", SETTINGS),
    )]  # fmt: skip
    replies.append(ready.finish("/mailbutton/send_test", {"transcript": True}))
    # What a visitor may try stands on the settings page, and is no secret.
    pages = [ready.get(path)[1].decode() for path in ("/", "/sent", "/inbox", "/inbox/1")]
    assert PASSWORD not in json.dumps(replies) + "".join(pages)
    assert program.server.app.key not in "".join(pages)


HOSTILE = '<img src=x onerror=alert(1)>"\'&'


def test_what_came_from_others_is_text(ready, program):
    message = EmailMessage(policy=policy.SMTP)
    message["From"], message["To"], message["Subject"] = GMAIL, "x@example.com", HOSTILE
    message.set_content(HOSTILE)
    message.add_alternative(f"<script>top.location='http://evil.example'</script>{HOSTILE}", subtype="html")
    message.add_attachment(b"<script>1</script>", maintype="text", subtype="html", filename=f"{HOSTILE}.html")
    program.inbox.append((HOSTILE, [HOSTILE], message.as_bytes()))
    program.books.note("2026-0123", {"subject": HOSTILE}, {
        "status_name": "OK", "reason": HOSTILE, "recipients": [{"address": HOSTILE, "role": "to", "outcome": "accepted"}]
    })  # fmt: skip
    for path in ("/inbox", "/inbox/1", "/sent", "/invoices/2026-0123"):
        page = ready.get(path)[1].decode()
        assert "<img src=x" not in page and "&lt;img src=x" in page, path
    response, content = ready.request("GET", "/inbox/1/html")
    assert "sandbox;" in response.headers["Content-Security-Policy"] and b"<script>" in content
    response, content = ready.request("GET", "/inbox/1/files/0")
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''%3Cimg")


BROKEN = [
    b"",
    b"\xff\xfe\r\n\r\n\xff",
    b"Subject: =?x?q?=FF?=\r\nFrom: <<>>\r\nContent-Type: multipart/mixed\r\n\r\nx",
    b"Content-Type: text/plain; charset=none\r\n\r\n\xff",
    b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n!",
    b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: application/pdf\r\n\r\n\xff\r\n--x--",
    b"From: " + b"x" * 5000 + b"\r\nTo: a@b, ,,;:\r\nCc: =?\r\n\r\n",
]


def test_letters_that_are_broken_are_shown_all_the_same(ready, program):
    for number, raw in enumerate(BROKEN, 1):
        program.inbox.append(("x", ["x"], raw))
        for path in ("/inbox", f"/inbox/{number}", f"/inbox/{number}/html"):
            assert ready.get(path)[0] == 200, (path, raw)


def test_every_answer_is_guarded(ready):
    for path in ("/", "/settings", "/static/app.js", "/inbox/1", "/invoices/2026-0124.pdf", "/nothing"):
        response, _ = ready.request("GET", path)
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "Python" not in str(response.headers)
    policy_of_pages = ready.request("GET", "/")[0].headers["Content-Security-Policy"]
    assert "unsafe" not in policy_of_pages and "require-trusted-types-for 'script'" in policy_of_pages
    assert "frame-ancestors 'none'" in policy_of_pages


# Words


def test_every_language_has_every_word():
    english = LANGUAGES["en"]
    for texts in LANGUAGES.values():
        assert texts.keys() == english.keys()
        for key, text in texts.items():
            slots = [re.findall(r"{\w+}", str(each)) for each in (text, english[key])]
            assert sorted(slots[0]) == sorted(slots[1]) and text, key


def test_languages_are_switched(browser):
    response, _ = browser.request("GET", "/settings?lang=ar")
    assert (response.status, response.headers["Location"]) == (303, "/settings")
    browser.cookie += "; " + response.headers["Set-Cookie"].partition(";")[0]
    page = browser.get("/settings")[1].decode()
    assert '<html lang="ar" dir="rtl">' in page and 'locale="ar"' in page
    assert preferred("fr-FR,ro-RO;q=0.8,en;q=0.5") == "ro" and preferred(None) == preferred("xx") == "en"
    response, _ = browser.request("GET", "//evil.example?lang=ar")
    assert not response.headers["Location"].startswith("//")


def test_markup_is_escaped():
    assert h("a", "<b>", h("i", "x"), [None, False, "&"], href='"><script>', hidden=True, title=None) == (
        '<a href="&quot;&gt;&lt;script&gt;" hidden>&lt;b&gt;<i>x</i>&amp;</a>'
    )


# The demo as it is started


def test_the_demo_starts_says_where_and_leaves_nothing(tmp_path):
    command = [sys.executable, str(ROOT / "examples/host-web/run")]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            address = None
            while address is None:
                address = re.search(r"http://127\.0\.0\.1:(\d+)/\?key=\S+", process.stdout.readline())
            connection = http.client.HTTPConnection("127.0.0.1", int(address[1]), timeout=LONG)
            connection.request("GET", address[0].partition(address[1])[2])
            assert connection.getresponse().status == 303
            connection.close()
            assert list(tmp_path.iterdir())
            process.terminate()
            rest = process.communicate(timeout=LONG)[0]
        finally:
            process.kill()
    assert process.returncode == 0 and rest.endswith("Demo Books has ended.\n")
    assert not list(tmp_path.iterdir())


def test_nothing_is_reached_that_is_not_in_the_table(program):
    assert all(name.endswith((".example", "gmail.com")) for name, _ in program.internet.places)
    with socket.create_connection(program.internet.server_address, timeout=LONG) as client:
        client.sendall(b"\5\1\0" + b"\5\1\0\3" + bytes([11]) + b"example.com" + b"\0\x19")
        answer = b""
        while len(answer) < 4:
            answer += client.recv(100)
    assert answer[:4] == b"\5\0\5\4"
