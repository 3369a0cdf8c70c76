"""Documents through real servers: what arrives is what was sent, and what is refused is explained."""

import base64
import hashlib

import mailbutton
import pytest
from servers import SERVERS
from support import WRONG_PASSWORD, PDF, email, make_pdf, parsed, smtp_settings

PORTS = ["port_starttls", "port_tls"]
LARGE = make_pdf(3_000_000)
FILE_NAME = "Factură nr. 7 – Ștefan & Fiii.pdf"
PEOPLE = {"bogdan": "bogdan@example.test", "carmen": "carmen@example.test", "ana": "ana@example.test"}


@pytest.fixture(params=sorted(SERVERS))
def server(request, servers):
    return servers(request.param)


def copies(server, people):
    """Servers that deliver into mailboxes make a copy for each recipient."""
    return 1 if server.kind in ("aiosmtpd", "dovecot") else people


def arrived(server, people):
    messages = server.wait_for_messages(copies(server, people))
    assert len(messages) == copies(server, people)
    return messages


def recipients(messages):
    return sorted(address for message in messages for address in message.envelope_to)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def attachments(message):
    return [(part.get_filename(), part.get_content_type(), part.get_content()) for part in message.iter_attachments()]


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("pdf", [PDF, LARGE], ids=["small", "3 MB"])
@pytest.mark.parametrize("from_file", [False, True], ids=["held", "from its file"])
def test_a_document_arrives_byte_for_byte(server, account, port, pdf, from_file, tmp_path):
    account.settings_set(smtp_settings(server, port))
    sent = email(to="Bogdan Țepeș <bogdan@example.test>; carmen@example.test", bcc="ana@example.test")
    sent |= {"subject": "Factură și anexă 🧾", "body": "Bună ziua,\n\n**Ștefan**\n.\n", "document": {"file_name": FILE_NAME}}
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf)
    reply = account.send_document(sent, path if from_file else pdf)
    assert [(each["role"], each["outcome"]) for each in reply["recipients"]] == [
        ("to", "accepted"),
        ("to", "accepted"),
        ("bcc", "accepted"),
    ]
    messages = arrived(server, 3)
    assert recipients(messages) == sorted(PEOPLE.values())
    for delivered in messages:
        check_headers(parsed(delivered), reply)
        check_bodies(parsed(delivered))
        ((name, kind, content),) = attachments(parsed(delivered))
        assert (name, kind) == (FILE_NAME, "application/pdf")
        assert sha256(content) == sha256(pdf)


def check_headers(message, reply):
    sender, first, second = *message["From"].addresses, *message["To"].addresses
    assert (sender.display_name, sender.addr_spec) == ("Ștefan & Fiii SRL", "ana@example.test")
    assert (first.display_name, first.addr_spec) == ("Bogdan Țepeș", "bogdan@example.test")
    assert second.addr_spec == "carmen@example.test"
    assert message["Subject"] == "Factură și anexă 🧾"
    assert message["Message-ID"] == reply["message_id"]
    assert message["Bcc"] is None
    assert message["Date"].datetime.tzinfo is not None


def check_bodies(message):
    text = message.get_body(("plain",)).get_content().replace("\r\n", "\n")
    html = message.get_body(("html",)).get_content()
    assert "Bună ziua" in text and "\n.\n" in text
    assert "<strong>Ștefan</strong>" in html


def test_copies_and_replies_go_where_the_settings_say(server, account):
    account.settings_set(
        smtp_settings(
            server,
            send_copy=True,
            copy_to="ana@example.test",
            different_reply_to=True,
            reply_to="Office <office@example.test>",
        )
    )
    more = [{"base64": base64.b64encode(b"a;b\n1;2\n").decode(), "file_name": "Anexă.csv"}]
    account.send_document(email(cc=["carmen@example.test"], attachments=more), PDF)
    messages = arrived(server, 3)
    assert recipients(messages) == sorted(PEOPLE.values())
    for message in map(parsed, messages):
        assert message["Cc"].addresses[0].addr_spec == "carmen@example.test"
        assert message["Reply-To"].addresses[0].addr_spec == "office@example.test"
        assert message["Bcc"] is None
        assert b"ana@example.test" not in b"".join(
            value.encode() for name, value in message.items() if name in ("To", "Cc", "Bcc")
        )
        names = [name for name, _kind, _content in attachments(message)]
        assert names == ["document.pdf", "Anexă.csv"]
        csv = message.get_payload()[-1].get_payload(decode=True)
        assert csv == b"a;b\n1;2\n"


def test_an_attachment_may_be_a_path(account, server, tmp_path):
    (tmp_path / "terms.txt").write_bytes(b"Terms\r\n")
    account.settings_set(smtp_settings(server))
    account.send_document(email(attachments=[{"path": tmp_path / "terms.txt"}]), PDF)
    (message,) = map(parsed, arrived(server, 1))
    assert [part.get_filename() for part in message.iter_attachments()] == ["document.pdf", "terms.txt"]


@pytest.mark.parametrize("port", PORTS)
def test_a_test_email_arrives_and_reports_each_step(server, account, port):
    reply = account.send_test(smtp_settings(server, port))
    steps = [step["step"] for step in reply["steps"]]
    assert set(steps) == {"name", "connect", "tls", "greeting", "login", "sender", "recipient", "content", "verdict"}
    assert {step["status"] for step in reply["steps"]} == {"ok"}
    (tls,) = [step["found"] for step in reply["steps"] if step["step"] == "tls"]
    assert tls["tls_version"] in ("TLSv1.2", "TLSv1.3", "TLS 1.2", "TLS 1.3")
    assert recipients(arrived(server, 1)) == ["ana@example.test"]


@pytest.mark.parametrize("port", PORTS)
def test_a_wrong_password_is_explained(server, account, port):
    with pytest.raises(mailbutton.LoginRefused) as caught:
        account.send_test(smtp_settings(server, port, password=WRONG_PASSWORD))
    error = caught.value
    assert (error.reason, error.reply["step"]) == ("login_refused", "login")
    assert error.reply["server"]["code"] == 535
    assert "check_login" in [advice["code"] for advice in error.advice]
    assert WRONG_PASSWORD not in repr(error)


def test_an_unknown_recipient_stops_the_email_for_all(server, account):
    account.settings_set(smtp_settings(server))
    with pytest.raises(mailbutton.Refused) as caught:
        account.send_document(email(to=["bogdan@example.test", "unknown@example.test"]), PDF)
    assert caught.value.reason == "recipient_refused"
    known, unknown = caught.value.reply["recipients"]
    assert (known["outcome"], unknown["outcome"]) == ("not_sent", "refused")
    assert unknown["server"]["code"] == 550
    # What comes after it is the only one that arrives.
    account.send_document(email(subject="after"), PDF)
    assert [parsed(message)["Subject"] for message in arrived(server, 1)] == ["after"]


def test_an_unknown_recipient_may_be_left_out(server, account):
    account.settings_set(smtp_settings(server))
    to = ["unknown@example.test", "bogdan@example.test", "carmen@example.test"]
    reply = account.send_document(email(to=to, partial=True), PDF)
    assert reply["reason"] == "accepted_partly"
    assert [each["outcome"] for each in reply["recipients"]] == ["refused", "accepted", "accepted"]
    assert recipients(arrived(server, 2)) == ["bogdan@example.test", "carmen@example.test"]


@pytest.mark.parametrize("kind", sorted(SERVERS))
def test_a_message_over_the_limit_is_explained(start_server, certificates, kind):
    with start_server(kind, max_size=20_000, certificates=certificates) as server:
        with mailbutton.open(ca_file=server.ca_file) as account:
            account.settings_set(smtp_settings(server))
            with pytest.raises(mailbutton.Refused) as caught:
                account.send_document(email(), make_pdf(30_000))
            assert caught.value.reason == "too_large"
            assert caught.value.reply["size"]["limit"] == 20_000
            assert caught.value.reply["size"]["bytes"] > 30_000
            account.send_document(email(), PDF)
            (message,) = map(parsed, server.wait_for_messages(1))
            assert message["Subject"] == "Invoice 7"


def test_a_server_that_does_not_know_accented_addresses_is_told_of_none(server, account):
    account.settings_set(smtp_settings(server))
    with pytest.raises(mailbutton.Refused) as caught:
        account.send_document(email(to="ștefan@example.test"), PDF)
    assert caught.value.reason in ("address_not_supported", "recipient_refused")
