"""The web server: who may come in, which address is which page, and one route for mailbutton.

It listens on 127.0.0.1 alone, and still trusts nobody: other programs and web pages on this machine can reach it as well.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
import threading
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Dict, NamedTuple
from urllib.parse import parse_qs, quote, urlsplit

import pages
from letters import attachments, body
from words import LANGUAGES, Words, preferred

HERE = Path(__file__).resolve().parent
ELEMENTS = HERE.parents[1] / "bindings" / "web" / "dist" / "mailbutton.js"
# What the page may load, by its name there: no other file is read for it.
STATIC = {
    "style.css": (HERE / "static" / "style.css", "text/css; charset=utf-8"),
    "app.js": (HERE / "static" / "app.js", "text/javascript; charset=utf-8"),
    "icon.svg": (HERE / "static" / "icon.svg", "image/svg+xml"),
    "mailbutton.js": (ELEMENTS, "text/javascript; charset=utf-8"),
}

# The settings may be typed in on the page for them, and an invoice be sent from its own.
OF_SETTINGS = ("form", "discover", "settings_set", "settings_get", "settings_clear", "send_test")
OF_AN_INVOICE = ("button", "check_document", "send_document")
OF_BOTH = ("words", "reply_wait", "reply_cancel")

MOST_CONNECTIONS = 64
# Attachments travel in the JSON of an email, in base64.
MOST_BYTES = 16 * 1024 * 1024

POLICY = "; ".join([
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' blob:",
    "frame-src 'self' blob:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
    "require-trusted-types-for 'script'", "trusted-types 'none'",
])  # fmt: skip
# An email's HTML is a stranger's: it gets no scripts, no network, and an origin of its own.
LETTER_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; frame-ancestors 'self'"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Answer(NamedTuple):
    body: bytes
    kind: str = "text/html; charset=utf-8"
    status: int = 200
    headers: Dict[str, str] = {}
    policy: str = POLICY


class View:
    """What a page knows: the program's state, and who looks at it."""

    def __init__(self, app, words, token):
        self.books, self.inbox = app.books, app.inbox
        self.words, self.token = words, token
        self.is_set_up = token is not None and app.is_set_up


class App:
    """The program behind the pages."""

    def __init__(self, account, bridge, books, inbox):
        self.account, self.bridge, self.books, self.inbox = account, bridge, books, inbox
        self.key = secrets.token_urlsafe(16)
        self._secret = secrets.token_bytes(32)
        self.static = {name: (path.read_bytes(), kind) for name, (path, kind) in STATIC.items()}

    @property
    def is_set_up(self):
        return self.bridge.call("settings_get").get("configured") is True

    def sign(self, purpose, text):
        code = hmac.new(self._secret, f"{purpose}:{text}".encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(code[:24]).decode()

    def new_session(self):
        name = secrets.token_urlsafe(16)
        return f"{name}.{self.sign('session', name)}"

    def is_session(self, cookie):
        name, _, code = cookie.partition(".")
        return hmac.compare_digest(code.encode(), self.sign("session", name).encode())

    def token(self, session):
        """What a page sends back in a header: no other site can read it, nor send that header."""
        return self.sign("csrf", session)


def show(make):
    return lambda view, *_: html(make(view))


def html(text, status=200):
    return Answer(text.encode(), status=status)


def of_invoice(make):
    def answer(view, number):
        entry = view.books.get(number)
        return entry and make(view, entry)

    return answer


def of_letter(make):
    def answer(view, number, *more):
        received = view.inbox.get(int(number))
        return received and make(view, received, *more)

    return answer


def pdf(view, entry):
    return Answer(view.books.pdf(entry.number), "application/pdf", policy=FILE_POLICY)


def letter_html(_view, received):
    return Answer(body(received.message, "html").encode(), policy=LETTER_POLICY)


def letter_file(_view, received, at):
    files = attachments(received.message)
    if int(at) >= len(files):
        return None
    part, content = files[int(at)]
    is_pdf = part.get_content_type() == "application/pdf"
    name = quote(part.get_filename() or "file", safe="")
    disposition = f"{'inline' if is_pdf else 'attachment'}; filename*=UTF-8''{name}"
    kind = "application/pdf" if is_pdf else "application/octet-stream"
    return Answer(content, kind, headers={"Content-Disposition": disposition}, policy=FILE_POLICY)


NUMBER = r"(\d{4}-\d{4})"
PAGES = [
    (re.compile(pattern), answer)
    for pattern, answer in (
        (r"/", show(pages.invoices)),
        (r"/sent", show(pages.sent)),
        (r"/inbox", show(pages.inbox)),
        (r"/settings", show(pages.settings)),
        (rf"/invoices/{NUMBER}", of_invoice(lambda view, entry: html(pages.invoice(view, entry)))),
        (rf"/invoices/{NUMBER}\.pdf", of_invoice(pdf)),
        (r"/inbox/(\d{1,9})", of_letter(lambda view, received: html(pages.letter(view, received)))),
        (r"/inbox/(\d{1,9})/html", of_letter(letter_html)),
        (r"/inbox/(\d{1,9})/files/(\d{1,3})", of_letter(letter_file)),
    )
]
CALL = re.compile(rf"(?:/invoices/{NUMBER})?/mailbutton/([a-z_]{{1,40}})")


class Refused(Exception):
    """A request that no page of ours makes: an HTTP status, and why."""


class Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "demo", ""
    disable_nagle_algorithm = True
    # Who says nothing for so long is let go, and so is an idle connection.
    timeout = 30

    def do_GET(self):
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            # What nobody reads must not be taken for the next request.
            self.close_connection = True
        self.respond(self.get)

    def do_POST(self):
        self.respond(self.post)

    def respond(self, make):
        try:
            self.check_host()
            self.send(make())
        except Refused as refusal:
            status, text = refusal.args
            # What is left of the request is not read, so that nothing may come after it.
            self.close_connection = True
            self.send(Answer(f"{text}\n".encode(), "text/plain; charset=utf-8", status))

    def check_host(self):
        """A name of somebody else's that was made to lead here (DNS rebinding) is not ours."""
        if self.headers.get_all("Host") != [self.headers["Host"]] or self.headers["Host"] not in self.server.hosts:
            raise Refused(421, "This server has another name.")

    def cookies(self):
        try:
            return SimpleCookie(self.headers.get("Cookie", ""))
        except CookieError:
            return SimpleCookie()

    def cookie(self, name):
        found = self.cookies().get(f"{name}_{self.server.server_port}")
        return found.value if found else ""

    def set_cookie(self, name, value):
        # Ports share their cookies, and so each has names of its own.
        return f"{name}_{self.server.server_port}={value}; Path=/; HttpOnly; SameSite=Strict"

    def session(self):
        cookie = self.cookie("session")
        return cookie if cookie and self.server.app.is_session(cookie) else None

    def words(self):
        chosen = self.cookie("language")
        return Words(chosen if chosen in LANGUAGES else preferred(self.headers.get("Accept-Language")))

    # Pages

    def get(self):
        app, address = self.server.app, urlsplit(self.path)
        query = parse_qs(address.query, max_num_fields=4) if len(address.query) < 200 else {}
        if "key" in query:
            return self.enter(query["key"][0])
        name = re.fullmatch(r"/static/([a-z.]+)", address.path)
        if name and name[1] in app.static:
            return Answer(*app.static[name[1]])
        session = self.session()
        if session is None:
            return html(pages.locked(View(app, self.words(), None)), 403)
        if query.get("lang", [""])[0] in LANGUAGES:
            return self.redirect(address.path, self.set_cookie("language", query["lang"][0]))
        return self.page(address.path, View(app, self.words(), app.token(session)))

    def page(self, path, view):
        for pattern, answer in PAGES:
            found = pattern.fullmatch(path)
            made = found and answer(view, *found.groups())
            if made:
                return made
        return html(pages.gone(view), 404)

    def enter(self, key):
        if not hmac.compare_digest(key.encode(), self.server.app.key.encode()):
            return html(pages.locked(View(self.server.app, self.words(), None)), 403)
        return self.redirect("/", self.set_cookie("session", self.session() or self.server.app.new_session()))

    def redirect(self, path, cookie):
        return Answer(b"", status=303, headers={"Location": quote(path), "Set-Cookie": cookie})

    # mailbutton

    def post(self):
        found = CALL.fullmatch(self.path)
        session = self.session()
        if session is None:
            raise Refused(403, "Open the address that was printed when the demo was started.")
        if self.headers.get("Origin") not in self.server.origins:
            raise Refused(403, "This comes from another site.")
        if not hmac.compare_digest(self.headers.get("X-CSRF-Token", "").encode(), self.server.app.token(session).encode()):
            raise Refused(403, "This comes from no page of this program.")
        if found is None:
            raise Refused(404, "There is nothing at this address.")
        number, function = found.groups()
        reply = self.call(number, function, self.read_json(), session)
        return Answer(json.dumps(reply).encode(), "application/json")

    def call(self, number, function, given, session):
        app = self.server.app
        entry = app.books.get(number) if number else None
        if number and entry is None:
            raise Refused(404, "There is no such invoice.")
        if function not in OF_BOTH + (OF_AN_INVOICE if entry else OF_SETTINGS):
            raise Refused(404, "This is not to be had here.")
        if function not in ("check_document", "send_document"):
            return app.bridge.call(function, given, owner=session)
        # The document is the program's own, whatever the page may say.
        note = (lambda reply: app.books.note(entry.number, given, reply)) if function == "send_document" else None
        return app.bridge.call(function, given, app.books.pdf(entry.number), owner=session, on_end=note)

    def read_json(self):
        if self.headers.get_content_type() != "application/json":
            raise Refused(415, "JSON is expected here.")
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not re.fullmatch(r"\d{1,10}", length):
            raise Refused(411, "How long is it?")
        if int(length) > MOST_BYTES:
            raise Refused(413, "This is too large.")
        content = self.rfile.read(int(length))
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise Refused(400, "This is no JSON.") from None

    # What goes out

    def send(self, answer):
        self.send_response(answer.status)
        headers = {
            "Content-Type": answer.kind,
            "Content-Length": str(len(answer.body)),
            "Content-Security-Policy": answer.policy,
            "Cache-Control": "no-store",
            **HEADERS,
            **answer.headers,
        }
        if self.close_connection:
            headers["Connection"] = "close"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *arguments):
        """The terminal is for what there is to try."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = MOST_CONNECTIONS

    def __init__(self, app, port=0):
        super().__init__(("127.0.0.1", port), Request)
        self.app = app
        self.hosts = {f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost")}
        self.origins = {f"http://{host}" for host in self.hosts}
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)

    @property
    def address(self):
        """The one to open: who has it is who started the program."""
        return f"http://127.0.0.1:{self.server_port}/?key={self.app.key}"

    def process_request(self, request, client_address):
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request, client_address):
        """A browser that goes away in the middle is no error here."""
