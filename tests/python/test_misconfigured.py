"""Real servers that are set up wrongly, by their administrators or in our settings: the report says what is the matter,
where, and what to do."""

import mailbutton
import pytest
from servers import RECIPIENTS, SERVERS
from support import PDF, email, make_pdf, smtp_settings

USER, FULL, _ = RECIPIENTS

# What is wrong, and what is said about it: exception, reason, problem, step, first advice.
TOLD = {
    "no_login": (mailbutton.LoginRefused, "login_not_offered", "login_not_offered", "login", "check_host_and_port"),
    "no_tls": (mailbutton.NotSecure, "tls_not_offered", "tls_not_offered", "tls", "try_465"),
    "other_sender": (mailbutton.Refused, "sender_refused", "sender_not_allowed", "sender", "check_sender"),
    "full_mailbox": (mailbutton.Refused, "recipient_refused", "mailbox_full", "recipient", "tell_recipient_full"),
}
# Where a server says it in its own way: Dovecot always offers some login, and Postfix judges the sender when it hears of
# the recipient.
OWN = {
    ("dovecot", "no_login"): (mailbutton.LoginRefused, "login_unsupported", "login_unsupported", "login", "ask_provider"),
    ("postfix", "other_sender"): (mailbutton.Refused, "recipient_refused", "sender_not_allowed", "recipient", "check_sender"),
}


def cases():
    for kind, server in sorted(SERVERS.items()):
        for wrong in server.wrongs:
            yield pytest.param(kind, wrong, OWN.get((kind, wrong), TOLD[wrong]), id=f"{kind}-{wrong}")


@pytest.fixture
def wrong_account(start_server, certificates):
    """An account for a server of this kind with this wrong configuration."""
    opened = []

    def get(kind, **wrong):
        server = start_server(kind, certificates=certificates, **wrong).__enter__()
        account = mailbutton.open(ca_file=server.ca_file, program_name="Ledger")
        opened.append((server, account))
        account.settings_set(smtp_settings(server))
        return server, account

    yield get
    for server, account in opened:
        account.close()
        server.__exit__(None, None, None)


def failure(expected, call):
    with pytest.raises(mailbutton.Error) as caught:
        call()
    error = caught.value
    told = (type(error), error.reason, error.problem, error.reply["step"], error.advice[0]["code"])
    assert told == expected, error.reply
    return error


@pytest.mark.parametrize(("kind", "wrong", "expected"), cases())
def test_a_wrong_configuration_is_explained(wrong_account, kind, wrong, expected):
    server, account = wrong_account(kind, wrong=wrong)
    send = lambda: account.send_document(email(to=FULL), PDF)  # noqa: E731
    error = failure(expected, send)
    assert error.message
    # It is said in the words of the server, too, where the server has said anything.
    if expected[1] in ("sender_refused", "recipient_refused"):
        assert error.reply["server"]["code"] // 100 == 5
    assert server.messages() == []


@pytest.mark.parametrize("kind", sorted(SERVERS))
def test_a_small_size_limit_is_told_with_both_sizes(wrong_account, kind):
    server, account = wrong_account(kind, max_size=20_000)
    expected = (mailbutton.Refused, "too_large", "too_large", "sender", "make_smaller")
    error = failure(expected, lambda: account.send_document(email(), make_pdf(30_000)))
    assert error.reply["size"]["limit"] == 20_000 < error.reply["size"]["bytes"]
    assert server.messages() == []


# Settings that do not fit a server which is right.


@pytest.fixture(params=sorted(SERVERS))
def server(request, servers):
    return servers(request.param)


def mended(account, settings, error):
    """The test after a click on the first advice; its patch has all that it takes."""
    patch = error.advice[0]["patch"]
    assert patch
    return account.send_test({**settings, **patch})


def test_encryption_that_does_not_fit_is_mended_by_a_click(server, account):
    settings = smtp_settings(server, smtp_security="tls")
    expected = (mailbutton.NotSecure, "tls_not_spoken", "clear_at_the_start", "tls", "use_what_works")
    error = failure(expected, lambda: account.send_test(settings))
    assert mended(account, settings, error)["reason"] == "accepted"


# Postfix completes the username by itself.
@pytest.mark.parametrize("server", sorted(set(SERVERS) - {"postfix"}), indirect=True)
def test_a_username_without_its_domain_is_mended_by_a_click(server, account):
    settings = smtp_settings(server, username=server.user.partition("@")[0], email_address=server.user)
    expected = (mailbutton.LoginRefused, "login_refused", "full_address_needed", "login", "full_address")
    error = failure(expected, lambda: account.send_test(settings))
    assert mended(account, settings, error)["reason"] == "accepted"


def test_a_login_that_is_missing_is_asked_for(server, account):
    settings = smtp_settings(server, username=None, password=None, email_address=server.user)
    expected = (mailbutton.LoginRefused, "login_required", "login_required", "sender", "enter_login")
    if server.kind == "postfix":
        expected = (mailbutton.Refused, "recipient_refused", "login_needed_to_send", "recipient", "check_relay")
    failure(expected, lambda: account.send_test(settings))


@pytest.mark.parametrize("kind", ["exim", "postfix"])
def test_a_server_for_its_own_people_only_is_explained(servers, kind):
    server = servers(kind)
    with mailbutton.open(ca_file=server.ca_file) as account:
        account.settings_set(smtp_settings(server))
        expected = (mailbutton.Refused, "recipient_refused", "relay_denied", "recipient", "check_sender")
        failure(expected, lambda: account.send_document(email(to="ion@example.org"), PDF))
