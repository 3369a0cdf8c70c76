"""Trust: in what authorities vouch for, or in the one certificate that a person accepted."""

import mailbutton
import pytest
from support import PDF, email, smtp_settings

PORTS = ["port_starttls", "port_tls"]


@pytest.fixture
def bad_server(start_server, certificates):
    """Starts a server with a certificate that is not to be trusted."""
    running = []

    def get(certificate, **options):
        server = start_server("aiosmtpd", **{"certificates": certificates, **options}, certificate=certificate)
        running.append(server)
        return server.__enter__()

    yield get
    for server in running:
        server.__exit__(None, None, None)


@pytest.fixture
def ledger(certificates):
    with mailbutton.open(ca_file=certificates.ca_file, program_name="Ledger") as account:
        yield account


def refused(account, settings):
    with pytest.raises(mailbutton.NotSecure) as caught:
        account.send_test(settings)
    return caught.value


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        ("expired", "certificate_expired"),
        ("wrong_name", "certificate_wrong_name"),
        ("self_signed", "certificate_untrusted"),
    ],
)
def test_a_bad_certificate_gets_no_password(bad_server, ledger, certificate, reason, port):
    server = bad_server(certificate)
    error = refused(ledger, smtp_settings(server, port))
    assert (error.reason, error.reply["step"]) == (reason, "tls")
    assert len(error.reply["certificate"]["fingerprint"].split(":")) == 32
    assert error.advice
    assert "AUTH" not in server.log() and server.messages() == []


@pytest.mark.parametrize("port", PORTS)
def test_a_good_certificate_of_an_unknown_authority_is_not_trusted(server, port):
    with mailbutton.open() as account:
        assert refused(account, smtp_settings(server, port)).reason == "certificate_untrusted"


def test_a_wrong_name_comes_with_the_right_one(bad_server, ledger):
    settings = smtp_settings(bad_server("wrong_name"))
    error = refused(ledger, settings)
    assert error.reply["certificate"]["names"] == ["mail.example.org"]
    [advice] = [advice for advice in error.advice if advice["code"] == "use_certificate_name"]
    assert "mail.example.org" in advice["text"]
    # One click more does not send the password that was typed to a server that somebody on the way may have named.
    assert advice["patch"] == {"smtp_host": "mail.example.org", "password": ""}
    with pytest.raises(mailbutton.BadSettings) as caught:
        ledger.send_test(settings | advice["patch"])
    assert [(fault["key"], fault["code"]) for fault in caught.value.reply["errors"]] == [("password", "required")]


@pytest.mark.parametrize("certificate", ["expired", "wrong_name"])
def test_a_certificate_of_an_authority_for_another_is_not_accepted_with_one_click(bad_server, ledger, certificate):
    error = refused(ledger, smtp_settings(bad_server(certificate)))
    assert "accept_certificate" not in [advice["code"] for advice in error.advice]


@pytest.mark.parametrize("port", PORTS)
def test_an_accepted_certificate_is_trusted_and_another_is_not(bad_server, ledger, port):
    server = bad_server("self_signed")
    error = refused(ledger, smtp_settings(server, port))
    (patch,) = [advice["patch"] for advice in error.advice if advice["code"] == "accept_certificate"]
    accepted = smtp_settings(server, port, **patch)
    ledger.send_test(accepted)
    ledger.settings_set(accepted)
    ledger.send_document(email(), PDF)
    server.wait_for_messages(2)

    changed = bad_server("self_signed", certificates=None)
    error = refused(ledger, smtp_settings(changed, port, **patch))
    assert error.reason == "certificate_changed"
    assert error.reply["certificate"]["fingerprint"] != patch["trusted_certificate"]
    assert "AUTH" not in changed.log() and changed.messages() == []


def test_even_a_good_certificate_is_refused_where_another_was_accepted(bad_server, ledger, server):
    patch = {"allow_untrusted_certificate": True, "trusted_certificate": "AB" * 32}
    assert refused(ledger, smtp_settings(server, **patch)).reason == "certificate_changed"


def test_a_password_does_not_travel_in_clear(server, ledger):
    settings = smtp_settings(server, "port_plain", smtp_security="starttls")
    before = server.log().count("AUTH")
    assert refused(ledger, settings).reason == "tls_not_offered"
    assert server.log().count("AUTH") == before
