"""The login with an access token of OAuth 2.0, at a real server."""

import hashlib

import mailbutton
import pytest
from servers import SERVERS
from support import PDF, TOKEN, email, parsed, smtp_settings

PORTS = ["port_starttls", "port_tls"]
OFFICE = "carmen@example.test"


@pytest.fixture(scope="module", params=SERVERS["dovecot"].token_mechanisms)
def server(request, certificates):
    missing = SERVERS["dovecot"].missing()
    if missing:
        pytest.skip(f"dovecot cannot run here, missing: {', '.join(missing)}")
    tokens = {TOKEN: "ana@example.test", TOKEN + "-office": OFFICE}
    with SERVERS["dovecot"](
        mechanisms=("PLAIN", request.param), tokens=tokens, certificates=certificates
    ) as server:
        server.mechanism = request.param
        yield server


@pytest.fixture
def opened(certificates):
    with mailbutton.open(ca_file=certificates.ca_file) as account:
        yield account


def settings_of(server, port="port_starttls", **changes):
    return smtp_settings(server, port, auth="oauth2", password=None, **changes)


def mechanism(reply):
    return next(step["found"]["mechanism"] for step in reply["steps"] if step["step"] == "login")


@pytest.mark.parametrize("port", PORTS)
def test_a_document_arrives_with_a_token(server, opened, port):
    server.clear()
    settings = settings_of(server, port)
    assert mechanism(opened.send_test(settings, access_token=TOKEN)) == server.mechanism
    opened.settings_set(settings)
    assert mechanism(opened.send_document(email(access_token=TOKEN), PDF)) == server.mechanism
    documents = [message for message in map(parsed, server.wait_for_messages(2)) if message["Subject"] == "Invoice 7"]
    ((attachment,),) = [list(message.iter_attachments()) for message in documents]
    assert hashlib.sha256(attachment.get_content()).digest() == hashlib.sha256(PDF).digest()


def test_a_token_that_is_not_valid_is_told_with_the_servers_reason(server, opened):
    with pytest.raises(mailbutton.LoginRefused) as caught:
        opened.send_test(settings_of(server), access_token="another-token")
    reply = caught.value.reply
    assert (reply["problem"], reply["server"]["code"]) == ("sign_in_again", 535)
    assert reply["detail"].startswith("status ")
    assert reply["advice"][0]["code"] == "sign_in_again"


def test_a_token_of_somebody_else_is_refused(server, opened):
    with pytest.raises(mailbutton.LoginRefused):
        opened.send_test(settings_of(server), access_token=TOKEN + "-office")


def test_a_shared_mailbox_is_the_user_and_the_sender(server, opened):
    server.clear()
    opened.settings_set(settings_of(server, mailbox=OFFICE))
    opened.send_document(email(access_token=TOKEN + "-office"), PDF)
    (message,) = server.wait_for_messages(1)
    assert OFFICE in parsed(message)["From"]


def test_without_a_token_nothing_is_tried(server, opened):
    opened.settings_set(settings_of(server))
    with pytest.raises(mailbutton.BadSettings) as caught:
        opened.send_document(email(), PDF)
    assert [(error["key"], error["code"]) for error in caught.value.reply["errors"]] == [("auth", "not_signed_in")]
