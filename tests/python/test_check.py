"""An email looked at before it is sent: what is probably not meant is told, and what is good is left in peace."""

import mailbutton
import pytest
from support import PDF, HttpServer, make_pdf

SETTINGS = {"smtp_host": "smtp.firm.example", "smtp_port": 587, "username": "ana@firm.example", "password": "secret"}
GOOD = {"to": "Ion Țepeș <ion@gmail.com>", "subject": "Factura 7", "body": "Bună ziua,\n\natașat găsiți factura."}


def opened(**changes):
    account = mailbutton.open(program_name="Ledger")
    account.settings_set({**SETTINGS, **changes})
    return account


@pytest.fixture
def account():
    with opened() as account:
        yield account


def warnings(account, **changes):
    reply = account.check_document({**GOOD, **changes}, PDF)
    assert (reply["status"], reply["reason"]) == (0, "checked")
    return [(warning["key"], warning["code"], warning["proposal"]) for warning in reply["warnings"]]


def test_a_good_email_has_no_warnings(account, tmp_path):
    assert warnings(account) == []
    assert account.check_document(GOOD)["warnings"] == []
    path = tmp_path / "invoice.pdf"
    path.write_bytes(PDF)
    assert account.check_document(GOOD, path)["warnings"] == []
    assert account.check_document(GOOD, memoryview(PDF))["warnings"] == []


def test_a_preview_is_what_would_be_sent_whatever_else_is_missing(account):
    asked = {"body": "Bună **ziua**, <b>Ion</b>", "preview": True}
    preview = account.check_document({**GOOD, **asked})["preview_html"]
    assert "Bună <strong>ziua</strong>, &lt;b&gt;Ion&lt;/b&gt;" in preview
    with pytest.raises(mailbutton.BadEmail) as caught:
        account.check_document({**asked, "to": ""})
    assert caught.value.reply["preview_html"] == preview
    assert "preview_html" not in account.check_document(GOOD)
    with pytest.raises(mailbutton.BadCall):
        account.check_document({**GOOD, "preview": 1})
    # Only there: nothing is sent that asks for a preview.
    with pytest.raises(mailbutton.BadCall):
        account.send_document({**GOOD, **asked}, PDF)


@pytest.mark.parametrize(
    ("typed", "proposal"),
    [
        ("ion@gmial.com", "ion@gmail.com"),
        ("ion@GMAIL.con", "ion@gmail.com"),
        ("Ion Pop <ion.pop+x@hotmial.com>", "Ion Pop <ion.pop+x@hotmail.com>"),
        ('"Pop, Ion" <ion@yaho.com>', '"Pop, Ion" <ion@yahoo.com>'),
        ("office@alfa-srl.con", "office@alfa-srl.com"),
        ("ștefan@gamil.com", "ștefan@gmail.com"),
    ],
)
def test_a_mistyped_address_comes_with_the_right_one(account, typed, proposal):
    for key in ("to", "cc", "bcc", "reply_to"):
        assert warnings(account, **{key: ["ana@example.com", typed]}) == [(f"{key}[1]", "address_mistyped", proposal)]
    # The proposal can stand in its place, and is then in order.
    assert warnings(account, to=[proposal]) == []


def test_warnings_say_what_they_are_about(account):
    (warning,) = account.check_document({**GOOD, "to": "ion@gmial.com"})["warnings"]
    assert "ion@gmial.com" in warning["message"] and "ion@gmail.com" in warning["message"]
    (warning,) = account.check_document({**GOOD, "subject": "Factura {numar}"})["warnings"]
    assert "{numar}" in warning["message"]


def test_warnings_are_told_in_the_language_that_is_asked_for(account):
    (warning,) = account.check_document({**GOOD, "subject": "", "locale": "ro-RO"})["warnings"]
    assert warning["message"] == "E-mailul nu are subiect."


def test_all_warnings_come_at_once(account):
    email = {
        "to": "ion@gmial.com, ana@b.ro",
        "cc": "Ana@b.ro",
        "body": "Stimate {{ client.nume }},",
        "document": {"file_name": "Oferta 12.pdf"},
    }
    told = [(warning["key"], warning["code"]) for warning in account.check_document(email)["warnings"]]
    assert told == [
        ("to[0]", "address_mistyped"),
        ("cc[0]", "recipient_twice"),
        ("subject", "no_subject"),
        ("body", "placeholder"),
    ]


def test_there_are_few_warnings_at_most(account):
    assert len(warnings(account, to=[f"a{number}@gmial.com" for number in range(1000)])) == 20


def test_an_email_without_words(account):
    assert warnings(account, subject=None, body=None) == [("subject", "no_subject", None), ("body", "no_body", None)]
    named = {"file_name": "Factură nr. 7.pdf"}
    assert warnings(account, subject=" ", document=named) == [("subject", "no_subject", "Factură nr. 7")]
    assert warnings(account, body=" \n") == [("body", "no_body", None)]
    html = {"body": None, "body_text": ""}
    assert warnings(account, **html, body_html="<p>&nbsp;</p>") == [("body", "no_body", None)]
    for shown in ("<p>Hello</p>", "<IMG src='cid:a'>"):
        assert warnings(account, **html, body_html=shown) == []


@pytest.mark.parametrize("sender", ["no-reply@firm.example", "NoReply@firm.example", "nu.raspunde+facturi@firm.example"])
def test_replies_to_nobody(sender):
    with opened(username=sender) as account:
        assert warnings(account) == [("reply_to", "no_reply_to", None)]
        assert warnings(account, reply_to="office@firm.example") == []
    with opened(username=sender, different_reply_to=True, reply_to="office@firm.example") as account:
        assert warnings(account) == []


@pytest.mark.parametrize(
    ("sender", "host", "key"),
    [
        ({"username": "ana@yahoo.com"}, "smtp.gmail.com", "username"),
        ({"username": "ana@gmail.com"}, "smtp.office365.com", "username"),
        ({"username": "apikey", "email_address": "ana@gmx.de"}, "smtp.sendgrid.net", "email_address"),
    ],
)
def test_a_sender_of_another_provider(sender, host, key):
    with opened(smtp_host=host, **sender) as account:
        assert warnings(account) == [(key, "other_provider", None)]


@pytest.mark.parametrize(
    ("sender", "host"),
    [
        ("ana@gmail.com", "smtp.gmail.com"),
        ("ana@googlemail.com", "smtp-relay.gmail.com"),
        ("ana@firm.example", "smtp.gmail.com"),
        ("ana@hotmail.com", "smtp.office365.com"),
        ("ana@gmail.com", "mail.isp.example"),
        ("ana@zoho.com", "smtp.zoho.eu"),
        ("ana@gmx.com", "mail.gmx.net"),
    ],
)
def test_a_sender_of_the_same_house(sender, host):
    with opened(smtp_host=host, username=sender) as account:
        assert warnings(account) == []


def test_limits_of_the_provider():
    row = {"id": "own", "name": "Own Mail", "servers": [{"host": "mail.own.example", "port": 587, "security": "starttls"}]}
    row |= {"app_password": "unknown", "limits": {"recipients": 3, "bytes": 20_000}}
    options = {"program_name": "Ledger", "providers": [row]}
    copies = {"send_copy": True, "copy_to": "archive@firm.example"}
    with mailbutton.open(**options) as account:
        account.settings_set({**SETTINGS, **copies, "smtp_host": "mail.own.example"})
        assert warnings(account, cc="a@b.ro") == []
        assert warnings(account, cc="a@b.ro, c@d.ro") == [("to", "over_recipient_limit", None)]
        assert account.check_document(GOOD, make_pdf(13_000))["warnings"] == []
        (warning,) = account.check_document(GOOD, make_pdf(14_500))["warnings"]
        assert (warning["key"], warning["code"]) == ("document", "over_size_limit")
        more = {"attachments": [{"base64": "a" * 20_000, "file_name": "a.bin"}]}
        assert warnings(account, **more) == [("document", "over_size_limit", None)]


def test_what_would_be_refused_is_refused_alike(account, tmp_path):
    for bad in (
        {},
        {"to": "nobody"},
        {"to": "a@b.ro", "subject": "a\nb"},
        {"to": "a@b.ro", "subjct": "a"},
        {"to": "a@b.ro", "attachments": [{"path": str(tmp_path / "none.csv")}]},
        {"to": "a@b.ro", "subject": "x" * 200_000},
    ):
        replies = []
        for call in (account.check_document, account.send_document):
            with pytest.raises((mailbutton.BadEmail, mailbutton.BadCall)) as caught:
                call(bad, PDF)
            replies.append(caught.value.reply)
        assert replies[0] == replies[1]
    with mailbutton.open() as fresh, pytest.raises(mailbutton.BadSettings) as caught:
        fresh.check_document(GOOD, PDF)
    assert caught.value.reason == "not_configured"


def test_a_relay_has_no_sender_to_warn_of():
    with HttpServer() as relay, mailbutton.open() as account:
        account.settings_set(relay.settings())
        assert warnings(account) == []
        assert warnings(account, to="ion@gmial.com") == [("to[0]", "address_mistyped", "ion@gmail.com")]
        assert relay.requests == []
