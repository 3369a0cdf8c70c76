"""Each server, asked by the standard library: is it what the library's tests need?"""

import hashlib
import hmac
import os
import smtplib
import socket
import ssl
from base64 import b64decode, b64encode
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from . import SERVERS, UNKNOWN_RECIPIENT, make_certificates
from .processes import members

PORTS = ("port_starttls", "port_tls")


def start_or_skip(name, **options):
    missing = SERVERS[name].missing()
    if missing:
        pytest.skip(f"{name} cannot run here, missing: {', '.join(missing)}")
    return SERVERS[name](**options)


@pytest.fixture(scope="module", params=sorted(SERVERS))
def server(request):
    with start_or_skip(request.param) as server:
        yield server


@pytest.fixture(autouse=True)
def forget_messages(request):
    if "server" in request.fixturenames:
        request.getfixturevalue("server").clear()


@contextmanager
def connected(server, port):
    trust = ssl.create_default_context(cafile=server.ca_file)
    kind = smtplib.SMTP_SSL if port == "port_tls" else smtplib.SMTP
    options = {"context": trust} if port == "port_tls" else {}
    with kind(server.host, getattr(server, port), timeout=10, **options) as client:
        if port == "port_starttls":
            client.starttls(context=trust)
        client.ehlo()
        yield client


def log_in(client, server, password=None, mechanism="PLAIN"):
    """smtplib's own login refuses a password beyond ASCII."""
    user, password = server.user, server.password if password is None else password
    if mechanism == "PLAIN":
        words = ["AUTH PLAIN " + _base64(f"\0{user}\0{password}")]
    else:
        words = ["AUTH LOGIN", _base64(user), _base64(password)]
    for word in words:
        code, _text = client.docmd(word)
    return code


def _base64(text):
    return b64encode(text.encode()).decode()


def message_with(attachment):
    message = EmailMessage()
    message["From"] = "ana@example.test"
    message["To"] = "bogdan@example.test"
    message["Subject"] = "Factură și anexă"
    message.set_content("Bună ziua,\n.\n..două puncte la început\n")
    message.add_attachment(
        attachment, maintype="application", subtype="pdf", filename="factură.pdf"
    )
    return message


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("port", PORTS)
def test_a_large_attachment_arrives_byte_for_byte(server, port, mechanism):
    attachment = os.urandom(300 * 1024)
    with connected(server, port) as client:
        assert log_in(client, server, mechanism=mechanism) == 235
        refused = client.send_message(message_with(attachment))
    assert refused == {}
    (delivered,) = server.wait_for_messages(1)
    assert delivered.envelope_to == ["bogdan@example.test"]
    assert delivered.envelope_from == "ana@example.test"
    arrived = message_from_bytes(delivered.raw, policy=policy.default)
    assert arrived["Subject"] == "Factură și anexă"
    text = arrived.get_body().get_content().replace("\r\n", "\n")
    assert text == "Bună ziua,\n.\n..două puncte la început\n"
    assert [part.get_content() for part in arrived.iter_attachments()] == [attachment]


@pytest.mark.parametrize("port", PORTS)
def test_a_wrong_password_is_refused(server, port):
    for mechanism in ("PLAIN", "LOGIN"):
        with connected(server, port) as client:
            assert log_in(client, server, "wrong", mechanism) == 535


@pytest.mark.parametrize("port", PORTS)
def test_an_unknown_recipient_is_refused_and_the_others_are_not(server, port):
    recipients = ["bogdan@example.test", UNKNOWN_RECIPIENT, "carmen@example.test"]
    with connected(server, port) as client:
        assert log_in(client, server) == 235
        refused = client.send_message(message_with(b"x"), to_addrs=recipients)
    assert list(refused) == [UNKNOWN_RECIPIENT]
    assert refused[UNKNOWN_RECIPIENT][0] == 550
    expected = {"bogdan@example.test", "carmen@example.test"}
    copies = 1 if server.kind in ("aiosmtpd", "dovecot") else 2
    messages = server.wait_for_messages(copies)
    assert {address for message in messages for address in message.envelope_to} == expected


def test_nobody_sends_without_login(server):
    with connected(server, "port_starttls") as client:
        code, _text = client.mail("ana@example.test")
        if code == 250:
            code, _text = client.rcpt("bogdan@example.test")
    assert code >= 500


def test_login_before_tls(server):
    with smtplib.SMTP(server.host, server.port_starttls, timeout=10) as client:
        client.ehlo()
        assert client.has_extn("starttls")
        assert client.has_extn("auth") == server.login_without_tls
        assert (log_in(client, server) == 235) == server.login_without_tls


@pytest.mark.parametrize("name", ["dovecot", "postfix"])
def test_scram(name):
    with start_or_skip(name) as server, connected(server, "port_starttls") as client:
        assert scram(client, server.user, "wrong") == 535
        assert scram(client, server.user, server.password) == 235


def scram(client, user, password):
    """SCRAM-SHA-256 of RFC 7677; the server's signature goes unchecked."""
    first = f"n={user},r={os.urandom(12).hex()}"
    code, challenge = client.docmd("AUTH SCRAM-SHA-256 " + _base64("n,," + first))
    assert code == 334
    challenge = b64decode(challenge).decode()
    nonce, salt, rounds = (word[2:] for word in challenge.split(",")[:3])
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), b64decode(salt), int(rounds))
    key = hmac.digest(salted, b"Client Key", "sha256")
    final = f"c=biws,r={nonce}"
    signed = f"{first},{challenge},{final}".encode()
    signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
    proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
    code, _ = client.docmd(_base64(f"{final},p={b64encode(proof).decode()}"))
    return client.docmd("")[0] if code == 334 else code


def test_mail_for_elsewhere_is_refused(server):
    with connected(server, "port_tls") as client:
        assert log_in(client, server) == 235
        client.mail("ana@example.test")
        code, _text = client.rcpt("somebody@example.org")
    assert code in (550, 554)


@pytest.mark.parametrize("name", sorted(SERVERS))
def test_a_message_over_the_size_limit_is_refused(name):
    with start_or_skip(name, max_size=20_000) as server, connected(server, "port_tls") as client:
        assert int(client.esmtp_features["size"]) == 20_000
        assert log_in(client, server) == 235
        with pytest.raises(smtplib.SMTPResponseException) as refusal:
            client.send_message(message_with(os.urandom(30_000)))
        assert refusal.value.smtp_code == 552


@pytest.mark.parametrize("certificate", ["expired", "wrong_name", "self_signed"])
def test_bad_certificates_are_bad(certificate, tmp_path):
    shared = make_certificates(tmp_path)
    options = {"certificate": certificate, "certificates": shared}
    with start_or_skip("aiosmtpd", **options) as server:
        for port in PORTS:
            with pytest.raises(ssl.SSLCertVerificationError), connected(server, port):
                pass


@pytest.mark.parametrize("name", sorted(SERVERS))
def test_nothing_is_left_behind(name):
    with start_or_skip(name) as server:
        folder, port = server.folder, server.port_starttls
        leader = getattr(server, "process", None)
        pid = leader.pid if leader else -1
        with connected(server, "port_tls") as client:
            log_in(client, server)
            client.send_message(message_with(b"x"))
    assert not folder.exists()
    assert members(pid, folder) == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("name", sorted(SERVERS))
def test_a_taken_port_is_no_obstacle(name, monkeypatch):
    """Somebody may take a free port between its choice and its use."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        chosen = iter([taken.getsockname()[1]])
        real = SERVERS[name]._choose_ports

        def choose(self):
            real(self)
            self.port_starttls = next(chosen, self.port_starttls)

        monkeypatch.setattr(SERVERS[name], "_choose_ports", choose)
        with start_or_skip(name) as server, connected(server, "port_starttls"):
            assert server.port_starttls != taken.getsockname()[1]
