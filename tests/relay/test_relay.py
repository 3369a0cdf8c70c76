"""The relay with mailbutton as its client, and with a stranger."""

import subprocess
from urllib.parse import urlencode

import mailbutton
import pytest
from relay_support import FIELDS, PDF, STRANGER, TOKEN


@pytest.fixture
def account(relay):
    with mailbutton.open() as account:
        settings = {"protocol": "http", "http_server": relay.url, "http_token": TOKEN}
        account.settings_set({**settings, "sender_name": "Ana's Orchard", "reply_to": "ana@example.test"})
        yield account


def test_mailbutton_sends_a_test_and_a_document(account, mail):
    account.send_test(to="ana@example.test")
    account.send_document({"to": "ion@example.test", "bcc": "archive@example.test", "subject": "Invoice 7", "body": "Hi"}, PDF)
    test, (recipients, raw) = mail.received
    assert test[0] == ["ana@example.test"]
    assert recipients == ["ion@example.test", "archive@example.test"] and b"archive@" not in raw
    assert mail.documents(1) == [("document.pdf", PDF)]
    assert b"Reply-To: ana@example.test" in raw and b"Ana's Orchard" in raw


def test_a_stranger_sends_with_curl(relay, mail, tmp_path):
    pdf = tmp_path / "Factură.pdf"
    pdf.write_bytes(PDF)
    fields = ["from=Ana", "reply_to=ana@example.test", "to=ion@example.test", "subject=Invoice", "body=<p>Hi</p>"]
    given = [word for each in fields for word in ("--form-string", each)]
    command = ["curl", "-sS", "-H", f"Authorization: Bearer {TOKEN}", *given, "-F", f"file=@{pdf};type=application/pdf", relay.url]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "Sent."
    assert mail.documents() == [("Factură.pdf", PDF)]


@pytest.mark.parametrize("token", [STRANGER, "", None, "ș" * 5])
def test_a_wrong_token_sends_nothing(relay, mail, token):
    assert relay.send(token).status == 401
    assert mail.received == []
    assert TOKEN not in relay.logged() and STRANGER not in relay.logged()


@pytest.mark.parametrize(
    ("verdict", "status"),
    [({"RCPT": "550 5.1.1 no"}, 422), ({"RCPT": "450 4.7.1 greylisted"}, 503), ({"DATA": "554 no"}, 422), ({"DATA": None}, 504)],
)
def test_what_the_mail_server_says_has_its_status(relay, mail, verdict, status):
    mail.verdicts.update(verdict)
    answer = relay.send(key="invoice-7")
    assert (answer.status, mail.received) == (status, [])
    assert ("retry-after" in answer.headers) == (status == 503)
    mail.verdicts.clear()
    # What surely was not sent may be tried again; of what is uncertain nobody sends a second one.
    assert relay.send(key="invoice-7").status == (504 if status == 504 else 200)
    assert len(mail.received) == (0 if status == 504 else 1)


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "a\r\nBcc: x@example.test"},
        {"from": "a\nb"},
        {"to": "a@b.test\r\nx: y"},
        {"reply_to": "a@b.test\0"},
        {"file_name": "a\tb.pdf"},
    ],
)
def test_headers_cannot_be_injected(relay, mail, change):
    """The relay sees it by itself: what the library would say of it is another sentence."""
    answer = relay.send(**change)
    assert (answer.status, mail.received) == (422, [])
    assert "control character in" in answer.text
    if "file_name" not in change:
        form = relay.post(urlencode({**FIELDS, **change}).encode(), "application/x-www-form-urlencoded")
        assert (form.status, mail.received) == (422, []) and "control character in" in form.text


@pytest.mark.parametrize("to", ["A <a@b.test>", "a@b.test;c@d.test", "group:a@b.test;", "a", "a@b@c.test"])
def test_an_address_is_one_address(relay, mail, to):
    assert (relay.send(to=to).status, mail.received) == (422, [])


def test_the_same_key_sends_once_also_after_a_restart(relay, mail):
    assert relay.send(key="k").status == relay.send(key="k").status == 200
    assert relay.send(key="k", subject="Another").status == 422
    relay.stop()
    relay.start()
    assert relay.send(key="k").status == 200
    assert len(mail.received) == 1
