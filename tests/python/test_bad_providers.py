"""Providers that answer as they should not, and what becomes of the sign-in; and many sends on one expired token."""

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import mailbutton
import pytest
from servers import SERVERS
from support import LONG, PDF, ROOT, email

CALLBACK = "https://books.example.test/callback"
GOOD = {"access_token": "access-1", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "refresh-1"}


class Provider:
    """A token endpoint that answers with what `answers` gives for each request: status, headers and body."""

    def __init__(self, answers):
        self.requests = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                request = {name: value[0] for name, value in form.items()}
                provider.requests.append(request)
                status, headers, body = answers(request)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    # Nobody reads on; that may be what is tested.
                    pass

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def row(self, port=587, **oauth):
        return {
            "id": "orchard", "name": "Orchard Mail", "servers": [{"host": "localhost", "port": port, "security": "starttls"}],
            "oauth": {
                "issuer": self.url, "authorization_endpoint": f"{self.url}/auth",
                "token_endpoint": f"{self.url}/token", "scopes": ["send"], **oauth,
            },
        }

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def as_json(value, status=200):
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def opened(provider, port=587, **options):
    return mailbutton.open(
        providers=[provider.row(port)], oauth={"orchard": {"client_id": "books"}}, program_name="Books", **options
    )


def settings(port=587):
    return {
        "smtp_host": "localhost", "smtp_port": port, "smtp_security": "starttls", "auth": "oauth2",
        "username": "ana@example.test",
    }


def begin(account, port=587):
    begun = account.sign_in(settings(port), flow="redirect", redirect_uri=CALLBACK)
    return begun["sign_in"], parse_qs(urlsplit(begun["url"]).query)


def callback(**parameters):
    return f"{CALLBACK}?{urlencode(parameters)}"


def sign_in(account, port=587):
    name, page = begin(account, port)
    return account.finish_sign_in(name, callback(code="code-1", state=page["state"][0]))


def test_the_request_is_as_the_rfcs_want_it():
    with Provider(lambda request: as_json(GOOD)) as provider, opened(provider) as account:
        name, page = begin(account)
        assert page["code_challenge_method"] == ["S256"] and page["response_type"] == ["code"]
        assert page["login_hint"] == ["ana@example.test"] and len(page["state"][0]) == 43
        account.finish_sign_in(name, callback(code="code-1", state=page["state"][0], iss=provider.url))
        (request,) = provider.requests
        assert (request["grant_type"], request["code"], request["redirect_uri"]) == ("authorization_code", "code-1", CALLBACK)
        assert len(request["code_verifier"]) == 43 and request["client_id"] == "books"


NEVER = threading.Event()
PAGE = b"<html><title>access-1 refresh-1</title></html>"
BAD = {
    "html": (lambda _: (200, {"Content-Type": "text/html"}, PAGE), "UNREACHABLE", "bad_reply"),
    "html that is said to be json": (lambda _: (200, {"Content-Type": "application/json"}, PAGE), "UNREACHABLE", "bad_reply"),
    "huge": (lambda _: as_json({**GOOD, "access_token": "x" * 10_000_000}), "UNREACHABLE", "bad_reply"),
    "no token": (lambda _: as_json({"token_type": "Bearer"}), "UNREACHABLE", "bad_reply"),
    "mac token": (lambda _: as_json({**GOOD, "token_type": "mac"}), "UNREACHABLE", "bad_reply"),
    "line break": (lambda _: as_json({**GOOD, "access_token": "a\r\nb"}), "UNREACHABLE", "bad_reply"),
    "empty": (lambda _: (200, {}, b""), "UNREACHABLE", "bad_reply"),
    "redirect": (lambda _: (302, {"Location": "https://evil.example/"}, b""), "UNREACHABLE", "bad_reply"),
    "silent": (lambda _: NEVER.wait(LONG) or as_json(GOOD), "UNREACHABLE", "timed_out"),
    "broken": (lambda _: (500, {"Content-Type": "text/plain"}, b"oops"), "UNREACHABLE", "bad_reply"),
    **{
        error: (lambda _, error=error: as_json({"error": error, "error_description": "no code-1"}, 400), "LOGIN_REFUSED", "token_refused")
        for error in ("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope")
    },
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_answer_is_no_sign_in(name):
    answer, status, reason = BAD[name]
    # Short for the one alone that is about it: what a slow machine may reach is no deadline for the others.
    options = {"deadlines": {"command_ms": 300}} if reason == "timed_out" else {}
    with Provider(answer) as provider, opened(provider, **options) as account:
        with pytest.raises(mailbutton.Error) as caught:
            sign_in(account)
        reply = caught.value.reply
        assert (reply["status_name"], reply["reason"], reply["step"]) == (status, reason, "sign_in"), reply
        whole = json.dumps(reply)
        assert all(secret not in whole for secret in ("access-1", "refresh-1", "code-1")), reply
        assert reply["advice"]
        assert account.settings_get()["configured"] is False
        assert len(provider.requests) == 1


@pytest.mark.parametrize(
    "change, problem",
    [
        ({"iss": "https://other.example"}, "bad_reply"),
        ({"error": "access_denied", "code": ""}, "sign_in_denied"),
        ({"error": "server_error", "error_description": "AADSTS90094: admin"}, "sign_in_needs_admin"),
        ({"error": "temporarily_unavailable"}, "sign_in_busy"),
        ({"code": ""}, "bad_reply"),
    ],
)
def test_an_answer_in_the_browser_that_is_none(change, problem):
    with Provider(lambda _: as_json(GOOD)) as provider, opened(provider) as account:
        name, page = begin(account)
        with pytest.raises(mailbutton.Error) as caught:
            account.finish_sign_in(name, callback(**{"code": "code-1", "state": page["state"][0], **change}))
        assert caught.value.reply["problem"] == problem
        # The code of one provider goes to no other.
        assert provider.requests == []


def test_two_sign_ins_at_once_do_not_mix():
    with Provider(lambda _: as_json(GOOD)) as provider, opened(provider) as account:
        (one, page), (other, other_page) = begin(account), begin(account)
        with pytest.raises(mailbutton.BadCall):
            account.finish_sign_in(one, callback(code="c", state=other_page["state"][0]))
        assert account.finish_sign_in(other, callback(code="c", state=other_page["state"][0]))["reason"] == "signed_in"
        assert account.finish_sign_in(one, callback(code="c", state=page["state"][0]))["reason"] == "signed_in"


def test_a_code_is_taken_once():
    with Provider(lambda _: as_json(GOOD)) as provider, opened(provider) as account:
        name, page = begin(account)
        url = callback(code="c", state=page["state"][0])
        with ThreadPoolExecutor(8) as pool:
            ended = list(pool.map(lambda _: outcome(account, name, url), range(8)))
        assert sorted(ended) == ["BadCall"] * 7 + ["signed_in"]
        assert len(provider.requests) == 1


def outcome(account, name, url):
    try:
        return account.finish_sign_in(name, url)["reason"]
    except mailbutton.Error as failed:
        return type(failed).__name__


def identity(**claims):
    """An identity token, of which nothing but the claims is looked at."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return {**GOOD, "id_token": f"e30.{payload}.signature"}


def test_another_account_that_signs_in_is_not_taken():
    with Provider(lambda _: as_json(identity(email="Ion@example.test"))) as provider, opened(provider) as account:
        with pytest.raises(mailbutton.LoginRefused) as caught:
            sign_in(account)
        reply = caught.value.reply
        assert (reply["problem"], reply["detail"]) == ("sign_in_other_account", "Ion@example.test")
        assert "Ion@example.test" in reply["message"] and "ana@example.test" in reply["message"]
        assert [(advice["code"], advice["patch"]) for advice in reply["advice"]] == [
            ("sign_in_as", None), ("use_signed_in_account", {"username": "Ion@example.test"}),
        ]
        assert account.settings_get()["configured"] is False


@pytest.mark.parametrize("claims", [{"email": "ANA@example.test"}, {"email": "x@firm.test", "upn": "ana@example.test"}, {"sub": "1"}])
def test_an_account_that_is_the_right_one_or_unknown_is_taken(claims):
    with Provider(lambda _: as_json(identity(**claims))) as provider, opened(provider) as account:
        assert sign_in(account)["reason"] == "signed_in"


DETAILS = {
    "invalid_grant: Token has been expired or revoked.": "sign_in_expired",
    "invalid_request: AADSTS65001: not consented": "sign_in_needs_admin",
    "access_denied: AADSTS53003: blocked by Conditional Access": "sign_in_against_rules",
    "invalid_client: AADSTS700016: no such application": "program_not_known",
    "access_denied: has not completed the Google verification process": "program_not_verified",
    "invalid_grant: Token must be in a reasonable timeframe": "sign_in_clock",
    "something_new: of which nobody has heard": "token_refused",
}


@pytest.mark.parametrize("said", DETAILS)
def test_what_a_provider_says_is_a_problem_of_its_own(said):
    error, _, description = said.partition(": ")
    refusal = as_json({"error": error, "error_description": description}, 400)
    with Provider(lambda _: refusal) as provider, opened(provider) as account:
        with pytest.raises(mailbutton.LoginRefused) as caught:
            sign_in(account)
        reply = caught.value.reply
        assert (reply["problem"], reply["detail"]) == (DETAILS[said], said)
        assert reply["advice"]


NO_PORT = """
import json, resource, sys
import mailbutton
with mailbutton.open(**json.loads(sys.argv[1])) as account:
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    try:
        account.sign_in(json.loads(sys.argv[2]))
    except mailbutton.Unreachable as error:
        print(error.reply["problem"])
"""


def test_a_computer_without_a_port_says_so():
    with Provider(lambda _: as_json(GOOD)) as provider:
        options = {"providers": [provider.row()], "oauth": {"orchard": {"client_id": "books"}}}
        ended = subprocess.run(
            [sys.executable, "-c", NO_PORT, json.dumps(options), json.dumps(settings())],
            capture_output=True, text=True, timeout=LONG, env={**os.environ, "PYTHONPATH": str(ROOT / "bindings/python")},
        )
        assert ended.stdout.strip() == "sign_in_no_listener", ended


def test_nothing_that_a_host_sees_has_a_token_in_it(certificates, tmp_path):
    """Every reply, the transcript, the address, the page and the file, of a sign-in that works, is used and is ended."""
    tokens = {"access-1": "ana@example.test"}
    store = tmp_path / "settings"
    with mail_server(certificates, tokens) as server, Provider(lambda _: as_json(GOOD)) as provider, opened(
        provider, server.port_starttls, ca_file=certificates.ca_file, store=store
    ) as account:
        seen = []
        name, page = begin(account, server.port_starttls)
        seen.append(account.finish_sign_in(name, callback(code="code-1", state=page["state"][0])))
        seen += [account.form(), account.settings_get(), account.button({})]
        seen.append(account.send_test(transcript=True))
        seen.append(account.send_document(email(), PDF))
        tokens.clear()
        seen.append(account.sign_out())
        text = json.dumps(seen) + json.dumps(page) + store.read_bytes().decode("latin-1")
        for secret in ("access-1", "refresh-1", "code-1"):
            for form in (secret, base64.b64encode(secret.encode()).decode().rstrip("=")):
                assert form not in text, form


def test_http_beyond_this_machine_is_refused():
    for address in ("http://login.example/token", "ftp://127.0.0.1/", "http://127.0.0.1.example/"):
        row = {"id": "a", "name": "A", "oauth": {"token_endpoint": address}}
        with pytest.raises(mailbutton.BadCall) as caught:
            mailbutton.open(providers=[row])
        assert caught.value.reply["errors"][0]["key"] == "providers[0].oauth.token_endpoint"


def mail_server(certificates, tokens):
    missing = SERVERS["dovecot"].missing()
    if missing:
        pytest.skip(f"dovecot cannot run here, missing: {', '.join(missing)}")
    return SERVERS["dovecot"](mechanisms=("PLAIN", "XOAUTH2"), tokens=tokens, certificates=certificates)


class Rotating:
    """Each refresh token is good once, and gives the next."""

    def __init__(self, first_life=0):
        self.number = 1
        self.first_life = first_life
        self.refreshed = 0

    def __call__(self, request):
        if request["grant_type"] == "refresh_token":
            if request["refresh_token"] != f"refresh-{self.number}":
                return as_json({"error": "invalid_grant"}, 400)
            self.number += 1
            self.refreshed += 1
            time.sleep(0.2)
        life = self.first_life if self.number == 1 else 3600
        return as_json({
            "access_token": f"access-{self.number}", "token_type": "Bearer", "expires_in": life,
            "refresh_token": f"refresh-{self.number}",
        })


def test_sixty_four_emails_with_an_expired_token_renew_it_once(certificates, tmp_path):
    answers = Rotating()
    tokens = {"access-2": "ana@example.test"}
    with mail_server(certificates, tokens) as server, Provider(answers) as provider, opened(
        provider, server.port_starttls, ca_file=certificates.ca_file, store=tmp_path / "settings"
    ) as account:
        sign_in(account, server.port_starttls)
        jobs = [account.start_document(email(subject=f"Invoice {at}"), PDF) for at in range(64)]
        assert {job.result()["reason"] for job in jobs} == {"accepted"}
        assert answers.refreshed == 1
        assert len(server.wait_for_messages(64)) == 64


def test_an_email_that_is_cancelled_takes_no_rotated_token_along(certificates):
    asked, rotating = threading.Event(), Rotating()

    def answers(request):
        if request["grant_type"] == "refresh_token":
            asked.set()
        return rotating(request)

    with mail_server(certificates, {"access-2": "ana@example.test"}) as server, Provider(answers) as provider, opened(
        provider, server.port_starttls, ca_file=certificates.ca_file
    ) as account:
        sign_in(account, server.port_starttls)
        with account.start_document(email(), PDF) as job:
            assert asked.wait(LONG)
            job.cancel()
            with pytest.raises(mailbutton.Canceled):
                job.result()
        assert account.send_document(email(), PDF)["reason"] == "accepted"
        assert rotating.refreshed == 1


def test_a_refused_refresh_says_to_sign_in_again(certificates):
    answers = Rotating()
    with Provider(answers) as provider, opened(provider) as account:
        sign_in(account)
        answers.number = 7
        for _ in range(2):
            with pytest.raises(mailbutton.LoginRefused) as caught:
                account.send_document(email(), PDF)
            reply = caught.value.reply
            assert (reply["problem"], reply["step"]) == ("sign_in_expired", "sign_in")
            # Of the account and its provider, and not of the mail server.
            assert "ana@example.test" in reply["message"] and "Orchard Mail" in reply["message"]
            assert [advice["code"] for advice in reply["advice"]] == ["sign_in_again"]


def test_who_waits_for_a_refresh_that_fails_does_not_ask_again():
    held = Held()
    with Provider(held) as provider, held.opened(provider, connections=30) as account:
        sign_in(account)
        held.rotating.number = 7
        jobs = [account.start_document(email(), PDF) for _ in range(30)]
        for job in jobs:
            wait_for_step(job, "sign_in")
        held.go.set()
        for job in jobs:
            with pytest.raises(mailbutton.LoginRefused):
                job.result()
        # One for them all, and room for the last ones, which had yet to begin waiting.
        assert len(provider.requests) - 1 < 10


def wait_for_step(job, step):
    told = []
    while step not in told:
        job.wait(0.05, lambda progress: told.append(progress.step))


def test_accounts_and_processes_that_share_a_file_use_a_refresh_token_once(certificates, tmp_path):
    answers, path = Rotating(), tmp_path / "settings"
    with mail_server(certificates, {"access-2": "ana@example.test"}) as server, Provider(answers) as provider:
        port = server.port_starttls
        options = {"ca_file": certificates.ca_file, "store": path}
        with opened(provider, port, **options) as account:
            sign_in(account, port)
        with contextlib.ExitStack() as stack:
            children = [stack.enter_context(child(provider, port, certificates, path)) for _ in range(3)]
            accounts = [stack.enter_context(opened(provider, port, **options)) for _ in range(3)]
            for each in children:
                each.stdout.readline()
            for each in children:
                each.stdin.write("\n")
                each.stdin.flush()
            jobs = [account.start_document(email(), PDF) for account in accounts]
            assert {job.result()["reason"] for job in jobs} == {"accepted"}
            assert [each.wait(LONG) for each in children] == [0, 0, 0]
        assert answers.refreshed == 1


def test_a_rotated_token_that_cannot_be_saved_is_saved_later(certificates, tmp_path):
    rotating, path = Rotating(), tmp_path / "settings"
    lock = tmp_path / "settings.lock"

    def answers(request):
        if request["grant_type"] == "refresh_token" and rotating.refreshed == 0:
            # Saving takes the lock, which is a folder now.
            lock.unlink()
            lock.mkdir()
        return rotating(request)

    with mail_server(certificates, {"access-2": "ana@example.test"}) as server, Provider(answers) as provider, opened(
        provider, server.port_starttls, ca_file=certificates.ca_file, store=path
    ) as account:
        sign_in(account, server.port_starttls)
        for _ in range(2):
            with pytest.raises(mailbutton.StoreFailed) as caught:
                account.send_document(email(), PDF)
            assert caught.value.reply["reason"] == "store_unwritable"
            assert [recipient["outcome"] for recipient in caught.value.reply["recipients"]] == ["not_sent"]
        lock.rmdir()
        assert account.send_document(email(), PDF)["reason"] == "accepted"
        assert rotating.refreshed == 1


class Held:
    """Holds each refresh until it is let go, and notes what is revoked."""

    def __init__(self):
        self.rotating, self.asked, self.go, self.revoked = Rotating(), threading.Event(), threading.Event(), []

    def __call__(self, request):
        if "token" in request:
            self.revoked.append(request["token"])
            return 200, {}, b""
        if request["grant_type"] == "refresh_token":
            self.asked.set()
            assert self.go.wait(LONG)
        return self.rotating(request)

    def opened(self, provider, port=587, **options):
        row = provider.row(port, revocation_endpoint=f"{provider.url}/revoke")
        return mailbutton.open(providers=[row], oauth={"orchard": {"client_id": "books"}}, program_name="Books", **options)


def test_signing_out_during_a_refresh_leaves_nothing_behind():
    held = Held()
    with Provider(held) as provider, held.opened(provider) as account:
        sign_in(account)
        with account.start_document(email(), PDF) as job:
            assert held.asked.wait(LONG)
            assert account.sign_out()["revoked"] is True
            held.go.set()
            with pytest.raises(mailbutton.LoginRefused):
                job.result()
        assert held.revoked == ["refresh-1", "refresh-2"]


def test_an_email_takes_no_token_of_another_sign_in(certificates):
    """Signed in elsewhere while an email waits for its token: it is not sent with the other one."""
    held = Held()
    tokens = {f"access-{number}": "bob@example.test" for number in range(9)}
    with mail_server(certificates, tokens) as server, Provider(held) as provider, held.opened(
        provider, server.port_starttls, ca_file=certificates.ca_file
    ) as account:
        sign_in(account, server.port_starttls)
        with account.start_document(email(), PDF) as job:
            assert held.asked.wait(LONG)
            bob = {**settings(server.port_starttls), "username": "bob@example.test"}
            begun = account.sign_in(bob, flow="redirect", redirect_uri=CALLBACK)
            state = parse_qs(urlsplit(begun["url"]).query)["state"][0]
            assert account.finish_sign_in(begun["sign_in"], callback(code="c", state=state))["reason"] == "signed_in"
            held.go.set()
            with pytest.raises(mailbutton.LoginRefused) as caught:
                job.result()
            assert caught.value.reply["problem"] == "sign_in_expired"
        assert held.revoked == ["refresh-2"]


def test_a_sign_in_for_saved_settings_leaves_what_was_changed_meanwhile():
    with Provider(lambda _: as_json(GOOD)) as provider, opened(provider) as account:
        account.settings_set(settings())
        for change, kept in (({"sender_name": "New"}, True), ({"username": "eva@example.test"}, False)):
            begun = account.sign_in(flow="redirect", redirect_uri=CALLBACK)
            changed = {**settings(), **change}
            account.settings_set(changed)
            url = callback(code="c", state=parse_qs(urlsplit(begun["url"]).query)["state"][0])
            if kept:
                assert account.finish_sign_in(begun["sign_in"], url)["settings"]["sender_name"] == "New"
            else:
                with pytest.raises(mailbutton.BadSettings) as caught:
                    account.finish_sign_in(begun["sign_in"], url)
                assert caught.value.reply["errors"][0]["code"] == "sign_in_settings_changed"
                assert account.form()["form"]["sign_in"]["signed_in"] is False
            assert account.settings_get()["settings"]["username"] == changed["username"]


def test_a_token_that_the_server_does_not_take_is_renewed_once(certificates):
    """It says that it lives for an hour, and the server knows the next one only."""
    answers = Rotating(first_life=3600)
    with mail_server(certificates, {"access-2": "ana@example.test"}) as server, Provider(answers) as provider, opened(
        provider, server.port_starttls, ca_file=certificates.ca_file
    ) as account:
        sign_in(account, server.port_starttls)
        jobs = [account.start_document(email(), PDF) for _ in range(20)]
        assert {job.result()["reason"] for job in jobs} == {"accepted"}
        assert answers.refreshed == 1


def test_no_token_comes_out_again(certificates, tmp_path):
    """Neither in a reply, nor readable in the file, nor in a transcript, nor where the server says it back."""
    path, secrets = tmp_path / "settings", ("access-1", "refresh-1", "code-1", "access-2", "refresh-2")
    for tokens in ({"access-1": "ana@example.test"}, {}):
        with mail_server(certificates, tokens) as server, Provider(Rotating(first_life=3600)) as provider, opened(
            provider, server.port_starttls, ca_file=certificates.ca_file, store=path
        ) as account:
            seen = [sign_in(account, server.port_starttls), account.form(), account.settings_get(), account.button({})]
            try:
                seen += [account.send_test(transcript=True), account.send_document(email(), PDF)]
            except mailbutton.LoginRefused as refused:
                seen.append(refused.reply)
            assert any("transcript" in reply for reply in seen)
            text = json.dumps(seen) + path.read_text()
            assert [secret for secret in secrets if secret in text or b64(secret) in text] == []


def b64(text):
    return base64.b64encode(text.encode()).decode().rstrip("=")


def test_an_outage_of_the_provider_is_no_refusal(certificates):
    def answers(request):
        if request["grant_type"] == "refresh_token":
            return 503, {"Content-Type": "text/html"}, b"<html>down</html>"
        return as_json({**GOOD, "expires_in": 0})

    with Provider(answers) as provider, opened(provider) as account:
        sign_in(account)
        with pytest.raises(mailbutton.TryLater) as caught:
            account.send_document(email(), PDF)
        assert caught.value.reply["problem"] == "sign_in_busy"
        assert caught.value.reply["advice"]


def test_a_server_that_takes_no_token_is_not_asked_for_ever(certificates):
    answers = Rotating(first_life=3600)
    with mail_server(certificates, {}) as server, Provider(answers) as provider, opened(
        provider, server.port_starttls, ca_file=certificates.ca_file
    ) as account:
        sign_in(account, server.port_starttls)
        for _ in range(4):
            with pytest.raises(mailbutton.LoginRefused) as caught:
                account.send_document(email(), PDF)
            assert caught.value.reply["step"] == "login"
        assert answers.refreshed == 1


def test_a_shared_mailbox_has_the_provider_of_who_signed_in(certificates):
    """Two providers have the same server, and are told apart by the address."""
    answers = Rotating()
    with mail_server(certificates, {"access-2": "info@other.test"}) as server, Provider(answers) as provider:
        port = server.port_starttls
        rows = [
            {**provider.row(port), "domains": ["example.test"]},
            {**provider.row(port), "id": "other", "name": "Other", "domains": ["other.test"]},
        ]
        with mailbutton.open(
            providers=rows, oauth={"orchard": {"client_id": "books"}}, ca_file=certificates.ca_file
        ) as account:
            shared = {**settings(port), "mailbox": "info@other.test"}
            begun = account.sign_in(shared, flow="redirect", redirect_uri=CALLBACK)
            state = parse_qs(urlsplit(begun["url"]).query)["state"][0]
            account.finish_sign_in(begun["sign_in"], callback(code="c", state=state))
            assert account.send_document(email(), PDF)["reason"] == "accepted"


CHILD = """
import json, sys
import mailbutton
options, settings = json.loads(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
with mailbutton.open(settings, **options) as account:
    account.send_document({"to": "bogdan@example.test", "subject": "x"}, b"%PDF-1.4")
"""


def child(provider, port, certificates, path):
    """Sends an email when it is told to, with the settings of the file."""
    options = {
        "providers": [provider.row(port)], "oauth": {"orchard": {"client_id": "books"}},
        "ca_file": str(certificates.ca_file),
    }
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "bindings/python")}
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, json.dumps(options), str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
    )


def test_a_process_that_dies_over_a_rotated_token_leaves_an_account_that_works_or_says_it(certificates, tmp_path):
    """Killed right after the provider has used up the old token: at every moment the file is whole."""
    codes = []
    for delay in (0, 0.001, 0.003, 0.01, 0.03):
        answers, victim = Rotating(), []

        def answer(request, answers=answers, victim=victim, delay=delay):
            reply = answers(request)
            if victim:
                # It may have come to its end by then, which is fine with `kill`.
                threading.Timer(delay, victim.pop().kill).start()
            return reply

        path = tmp_path / f"settings-{delay}"
        with mail_server(certificates, {f"access-{at}": "ana@example.test" for at in range(9)}) as server, Provider(
            answer
        ) as provider:
            port = server.port_starttls
            with opened(provider, port, ca_file=certificates.ca_file, store=path) as account:
                sign_in(account, port)
            with child(provider, port, certificates, path) as process:
                process.stdout.readline()
                victim.append(process)
                process.stdin.write("\n")
                process.stdin.flush()
                codes.append(process.wait(LONG))
            with opened(provider, port, ca_file=certificates.ca_file, store=path) as account:
                try:
                    assert account.send_document(email(), PDF)["reason"] == "accepted"
                except mailbutton.LoginRefused as refused:
                    assert refused.reply["problem"] == "sign_in_expired"
    assert -signal.SIGKILL in codes, codes


def test_the_listener_takes_the_right_state_alone(certificates):
    import urllib.error
    import urllib.request

    with Provider(lambda _: as_json(GOOD)) as provider, opened(provider) as account:
        begun = account.sign_in(settings())
        page = parse_qs(urlsplit(begun["url"]).query)
        (redirect,) = page["redirect_uri"]
        assert redirect.startswith("http://127.0.0.1:")
        with account.start_finish_sign_in(begun["sign_in"]) as job:
            for wrong in ("", "?code=x", "?code=x&state=wrong", "favicon.ico"):
                with pytest.raises(urllib.error.HTTPError) as caught:
                    urllib.request.urlopen(redirect + wrong)
                with caught.value as answer:
                    assert (answer.status, answer.read()) == (404, b"")
            with urllib.request.urlopen(f"{redirect}?code=x&state={page['state'][0]}") as answer:
                assert answer.headers["Cache-Control"] == "no-store"
                text = answer.read().decode()
                assert "src=" not in text and "http" not in text.replace("http-equiv", "")
            assert job.result()["reason"] == "signed_in"
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(redirect)


def test_the_browser_says_signed_in_only_once_it_is_so():
    import urllib.request

    for answer, title in ((GOOD, "Signed in"), ({"error": "invalid_grant"}, "Not signed in")):
        status = 400 if "error" in answer else 200
        with Provider(lambda _, answer=answer, status=status: as_json(answer, status)) as provider, opened(
            provider
        ) as account:
            begun = account.sign_in(settings())
            page = parse_qs(urlsplit(begun["url"]).query)
            with account.start_finish_sign_in(begun["sign_in"]) as job:
                with urllib.request.urlopen(f"{page['redirect_uri'][0]}?code=x&state={page['state'][0]}") as shown:
                    assert f"<h1>{title}</h1>" in shown.read().decode()
                assert job.wait() is (mailbutton.Status.OK if status == 200 else mailbutton.Status.LOGIN_REFUSED)


def test_a_sign_in_that_nobody_finishes_ends():
    with Provider(lambda _: as_json(GOOD)) as provider, opened(provider) as account:
        begun = account.sign_in(settings())
        with pytest.raises(mailbutton.Unreachable) as caught:
            account.finish_sign_in(begun["sign_in"], total_ms=100)
        assert caught.value.reply["problem"] == "sign_in_abandoned"
        begun = account.sign_in(settings())
        with account.start_finish_sign_in(begun["sign_in"]) as job:
            job.cancel()
            with pytest.raises(mailbutton.Canceled):
                job.result()


def test_the_example_signs_in(monkeypatch, capsys, tmp_path):
    """The user's browser goes straight from the provider's page to the end."""
    import runpy
    import urllib.request
    import webbrowser

    def browse(url):
        page = parse_qs(urlsplit(url).query)
        end = f"{page['redirect_uri'][0]}?{urlencode({'code': 'c', 'state': page['state'][0]})}"
        threading.Thread(target=lambda: urllib.request.urlopen(end, timeout=LONG).close(), daemon=True).start()

    with Provider(lambda _: as_json(GOOD)) as provider:
        row = {**provider.row(), "domains": ["example.test"]}
        really_open = mailbutton.open
        monkeypatch.setattr(mailbutton, "open", lambda *given, **more: really_open(*given, providers=[row], **more))
        monkeypatch.setattr(webbrowser, "open", browse)
        arguments = ["--store", str(tmp_path / "s"), "--provider", "orchard", "--client-id", "books", "ana@example.test"]
        monkeypatch.setattr(sys, "argv", ["sign_in.py", *arguments])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / "examples/python/sign_in.py"), run_name="__main__")
        output = capsys.readouterr().out
        assert ended.value.code is None and "Signed in as ana@example.test." in output, output
        assert "access-1" not in output
