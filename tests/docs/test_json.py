"""Each JSON example in the documentation is given to the library, or compared with what the library really says."""

import base64
import contextlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from library import PDF, ROOT, Account
from markdown import blocks
from servers.aiosmtpd_server import Aiosmtpd
from servers.certificates import make_certificates

NAME = "Demo Books"
SETTINGS = {"smtp_host": "smtp.example.com", "smtp_port": 587, "username": "ana@example.com", "password": "secret"}
EXAMPLES = blocks("json")
INS = [block for block in EXAMPLES if block.mark.startswith("in:")]
OUTS = [block for block in EXAMPLES if block.mark.startswith("out:")]


def test_every_example_is_marked():
    assert len(INS) >= 7 and len(OUTS) >= 10
    assert [str(block) for block in EXAMPLES if block not in INS and block not in OUTS] == []


# What goes in


@pytest.mark.parametrize("block", INS, ids=str)
def test_the_library_takes_what_goes_in(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = json.loads(block.body)
    call, _, mark = block.mark.removeprefix("in: ").partition(", ")
    if call == "open":
        certificates = make_certificates(tmp_path / "certificates")
        certificates.ca_file.rename("company-ca.pem")
        with Account(given) as account:
            assert account.opened["status_name"] == "OK", account.opened
        return
    (tmp_path / "terms.txt").write_text("terms")
    (tmp_path / "statement.pdf").write_bytes(PDF)
    # Nobody listens at the port 1: what fails there was taken, and no email leaves this machine.
    nowhere = {**SETTINGS, "smtp_host": "127.0.0.1", "smtp_port": 1}
    if call.startswith("sign_in"):
        with signing_in() as account:
            reply = getattr(account, call)(given)
            # The sign-in of the example is nobody's.
            if call == "sign_in":
                assert reply["reason"] == "sign_in_begun", reply
            else:
                assert [error["code"] for error in reply["errors"]] == ["sign_in_unknown"], reply
        return
    with Account({"program_name": NAME}) as account:
        if call == "send_test":
            reply = account.send_test({**given, "settings": {**given["settings"], "smtp_host": "127.0.0.1", "smtp_port": 1}})
            assert reply["reason"] == "connection_refused", reply
            reply = account.form(given["settings"])
        elif call == "send_document":
            account.settings_set(nowhere)
            reply = account.send_document(given)
            assert reply["reason"] == "connection_refused", reply
            return
        else:
            if call == "check_document":
                account.settings_set(SETTINGS)
            reply = getattr(account, call)(given)
        assert reply["status_name"] == ("BAD_SETTINGS" if mark == "wrong" else "OK"), reply


# What comes out


def given(mark):
    """The example that goes in under this mark."""
    (block,) = [block for block in INS if block.mark == f"in: {mark}"]
    return json.loads(block.body)


@contextlib.contextmanager
def memory():
    with Account({"program_name": NAME}) as account:
        yield account


@contextlib.contextmanager
def signing_in():
    with Account({"program_name": NAME, "oauth": {"gmail": {"client_id": "x"}}}) as account:
        yield account


@contextlib.contextmanager
def mail(**options):
    with Aiosmtpd(**options) as server, Account({"program_name": NAME, "ca_file": str(server.ca_file)}) as account:
        account.server = {
            "smtp_host": server.host,
            "smtp_port": server.port_starttls,
            "username": server.user,
            "password": server.password,
        }
        yield account


class Relay(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def relay():
    server = HTTPServer(("127.0.0.1", 0), Relay)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        with memory() as account:
            address = f"http://127.0.0.1:{server.server_port}/"
            account.settings_set({"protocol": "http", "http_server": address, "reply_to": "ana@example.com"})
            yield account
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def real_open(tmp_path):
    with Account({"program_name": NAME, "store": str(tmp_path / "settings"), "passphrase": "x"}) as account:
        return account.opened


def offline(call, mark=None):
    def real(tmp_path):
        with memory() as account:
            return getattr(account, call)(*([given(mark)] if mark else []))

    return real


def real_test(expected, certificate="good", **changes):
    def real(tmp_path):
        with mail(certificate=certificate) as account:
            reply = account.send_test({"settings": {**account.server, **changes}})
            assert reply["reason"] == expected, reply
            return reply

    return real


def real_partly(tmp_path):
    with mail() as account:
        account.settings_set(account.server)
        return account.send_document({"to": "bogdan@example.test", "cc": "unknown@example.test", "partial": True})


def real_check(tmp_path):
    with memory() as account:
        account.settings_set(SETTINGS)
        return account.check_document(given("check_document"))


def real_sign_in(tmp_path):
    with signing_in() as account:
        return account.sign_in(given("sign_in"))


def real_form_of_sign_in(tmp_path):
    with signing_in() as account:
        return account.form(given("sign_in")["settings"])


def real_sign_out(tmp_path):
    with signing_in() as account:
        account.settings_set(given("sign_in")["settings"])
        return account.sign_out()


def real_http(tmp_path):
    with relay() as account:
        return account.send_document({"to": "ion@example.com", "idempotency_key": "k"})


REAL = {
    "settings_clear": offline("settings_clear"),
    "open": real_open,
    "words": offline("words", "words"),
    "form": offline("form", "form"),
    "form, address": offline("form", "form, address"),
    "discover": offline("discover", "discover"),
    "settings_get": offline("settings_get"),
    "button": offline("button", "button"),
    "check_document": real_check,
    "sign_in": real_sign_in,
    "form, sign-in": real_form_of_sign_in,
    "sign_out": real_sign_out,
    "send_test, accepted": real_test("accepted"),
    "send_test, login refused": real_test("login_refused", password="wrong"),
    "send_test, wrong encryption": real_test("tls_not_spoken", smtp_security="tls"),
    "send_test, certificate": real_test("certificate_untrusted", certificate="self_signed"),
    "send_document, partly": real_partly,
    "send_document, http": real_http,
}
REAL_IN_ORDER = {"settings_set": [offline("settings_set", "settings_set, wrong"), offline("settings_set", "settings_set")]}


def differences(shown, real, is_subset, place="", strict_texts=("status", "status_name", "reason", "code", "key", "type")):
    """Where the documentation's example is not of the real reply's shape."""
    if type(shown) is not type(real):
        return [f"{place}: shown {shown!r}, really {real!r}"]
    if isinstance(shown, dict):
        keys = set(shown) - set(real) if is_subset else set(shown) ^ set(real)
        found = [f"{place}.{key}: {'not real' if key in shown else 'not shown'}" for key in sorted(keys)]
        for key in sorted(set(shown) & set(real)):
            # The values of settings are the example's own; found depends on the server.
            found += differences(shown[key], real[key], is_subset or key == "found", f"{place}.{key}")
        return found
    if isinstance(shown, list):
        found = []
        for at, item in enumerate(shown):
            name = next((name for name in ("step", "key", "outcome", "code") if isinstance(item, dict) and name in item), None)
            alike = [other for other in real if name is None or other.get(name) == item[name]]
            if not alike:
                found.append(f"{place}[{at}]: there is no such item among {real!r}")
            else:
                found += min((differences(item, other, is_subset, f"{place}[{at}]") for other in alike), key=len)
        return found
    is_stable = place.rpartition(".")[2] in strict_texts and not place.endswith("server.code")
    return [f"{place}: shown {shown!r}, really {real!r}"] if is_stable and shown != real else []


@pytest.mark.parametrize("block", OUTS, ids=str)
def test_what_comes_out_is_as_shown(block, tmp_path):
    name = block.mark.removeprefix("out: ")
    is_subset = name.endswith(", subset")
    name = name.removesuffix(", subset")
    if name in REAL_IN_ORDER:
        same = [other for other in OUTS if other.mark == block.mark]
        real = REAL_IN_ORDER[name][same.index(block)](tmp_path)
    else:
        real = REAL[name](tmp_path)
    assert differences(json.loads(block.body), real, is_subset) == []


def keys_of(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            if key not in ("json_schema", "json_forms", "rjsf"):
                yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)


def test_no_real_reply_has_a_key_that_is_not_documented(tmp_path):
    page = (ROOT / "docs" / "json.md").read_text()
    known = set(re.findall(r"[\"`.]([a-z0-9_]+)[\"`]", page))
    for real in [*REAL.values(), *REAL_IN_ORDER["settings_set"]]:
        assert set(keys_of(real(tmp_path))) - known == set()


def test_a_member_that_is_not_known_is_an_error():
    """What the page says of what goes in, for each function."""
    with Account({"stor": "x"}) as account:
        assert account.opened["errors"][0]["code"] == "unknown_key_near"
    with memory() as account:
        for call in ("form", "words", "discover", "settings_set", "button", "check_document", "send_test", "send_document"):
            needed = {"to": "a@b.ro"} if call in ("check_document", "send_document") else {}
            needed = {"email_address": "a@b.ro"} if call == "discover" else needed
            reply = getattr(account, call)({"nonsense_at_all": 1, **needed})
            assert (reply["status_name"], reply["errors"][0]["code"]) == ("BAD_CALL", "unknown_key"), (call, reply)
        assert account.settings_set({**SETTINGS, "sender_name": None})["reason"] == "saved"


def test_the_limits_are_real():
    with memory() as account:
        long = {**SETTINGS, "sender_name": "x" * 501, "password": "x" * 2001}
        codes = {error["key"]: error["code"] for error in account.settings_set(long)["errors"]}
        assert codes == {"sender_name": "too_long_text", "password": "too_long_text"}
        account.settings_set(SETTINGS)
        for email, code in (
            ({"to": ["a@example.com"] * 1001}, "too_many_recipients"),
            ({"to": "a" * 65 + "@example.com"}, "address_local_too_long"),
            ({"to": "a@example.com", "document": {"file_name": "x" * 256}}, "file_name_too_long"),
            ({"to": "a@example.com", "idempotency_key": "x" * 256}, "idempotency_key_bad"),
            ({"to": "a@example.com", "total_ms": 86_400_001}, "out_of_range"),
        ):
            assert account.send_document(email)["errors"][0]["code"] == code
        encoded = base64.b64encode(bytes(49 * 1024 * 1024)).decode()
        reply = account.send_document({"to": "a@example.com", "attachments": [{"base64": encoded, "file_name": "x"}]})
        assert reply["errors"][0]["code"] == "too_long"
        assert account.form("{" + " " * 1024 * 1024 + "}")["errors"][0]["code"] == "too_long"
    with Account("{" + " " * 1024 * 1024 + "}") as account:
        assert account.opened["errors"][0]["code"] == "too_long"
