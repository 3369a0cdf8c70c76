"""Each way to log in that each real server has, offered alone, and what is chosen where there is a choice."""

import hashlib

import mailbutton
import pytest
from servers import SERVERS
from support import PDF, WRONG_PASSWORD, email, parsed, smtp_settings

PORTS = ["port_starttls", "port_tls"]
# Each takes as long as its server needs to start, so that each server is started once.
ALONE = [(kind, mechanism) for kind, server in sorted(SERVERS.items()) for mechanism in server.all_mechanisms]


@pytest.fixture(scope="module", params=ALONE, ids="-".join)
def alone(request, certificates):
    kind, mechanism = request.param
    missing = SERVERS[kind].missing()
    if missing:
        pytest.skip(f"{kind} cannot run here, missing: {', '.join(missing)}")
    with SERVERS[kind](mechanisms=(mechanism,), certificates=certificates) as server:
        yield server, mechanism


@pytest.fixture
def opened(certificates):
    with mailbutton.open(ca_file=certificates.ca_file) as account:
        yield account


def found(reply, step, name):
    return next(each["found"][name] for each in reply["steps"] if each["step"] == step and name in each["found"])


def offered(reply):
    """What the last EHLO said, which is the one after TLS."""
    *_, extensions = [step["found"]["extensions"] for step in reply["steps"] if "extensions" in step["found"]]
    return {name for line in extensions if line.startswith("AUTH ") for name in line.split()[1:]}


@pytest.mark.parametrize("port", PORTS)
def test_a_document_arrives_byte_for_byte(alone, opened, port):
    server, mechanism = alone
    server.clear()
    settings = smtp_settings(server, port)
    tested = opened.send_test(settings)
    assert offered(tested) == {mechanism}
    assert found(tested, "login", "mechanism") == mechanism
    opened.settings_set(settings)
    sent = opened.send_document(email(subject="Factură"), PDF)
    assert found(sent, "login", "mechanism") == mechanism
    documents = [message for message in map(parsed, server.wait_for_messages(2)) if message["Subject"] == "Factură"]
    ((attachment,),) = [list(message.iter_attachments()) for message in documents]
    assert hashlib.sha256(attachment.get_content()).digest() == hashlib.sha256(PDF).digest()


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize(
    "changes", [{"password": WRONG_PASSWORD}, {"username": "nobody@example.test"}], ids=["password", "username"]
)
def test_a_wrong_login_is_refused(alone, opened, port, changes):
    server, mechanism = alone
    with pytest.raises(mailbutton.LoginRefused) as caught:
        opened.send_test(smtp_settings(server, port, **changes))
    reply = caught.value.reply
    assert (reply["reason"], reply["step"], reply["server"]["code"]) == ("login_refused", "login", 535)
    assert found(reply, "login", "mechanism") == mechanism


@pytest.mark.parametrize("kind", sorted(SERVERS))
def test_the_first_of_all_is_chosen(start_server, opened, certificates, kind):
    everything = SERVERS[kind].all_mechanisms
    with start_server(kind, mechanisms=everything[::-1], certificates=certificates) as server:
        reply = opened.send_test(smtp_settings(server))
        assert offered(reply) == set(everything)
        assert found(reply, "login", "mechanism") == everything[0]


def test_a_password_that_is_stored_as_a_hash_of_another_kind_is_no_obstacle(start_server, opened, certificates):
    """The server offers SCRAM to all, and has no keys for it of those whose password it keeps as a crypt() hash."""
    with start_server("dovecot", scheme="SHA512-CRYPT", certificates=certificates) as server:
        reply = opened.send_test(smtp_settings(server))
        assert found(reply, "login", "mechanism") == "PLAIN"
        with pytest.raises(mailbutton.LoginRefused):
            opened.send_test(smtp_settings(server, password=WRONG_PASSWORD))
