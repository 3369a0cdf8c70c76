"""Signing in with a real provider: each flow, the token renewed, and a PDF delivered with it."""

import json
import time
import threading

import mailbutton
import pytest
from servers import SERVERS
from servers.sign_in import CALLBACK, SERVICE_SECRET, WEB_SECRET, Browser, Oidc
from support import PDF, email, parsed


@pytest.fixture(scope="module")
def provider():
    if Oidc.missing():
        pytest.skip(f"missing: {', '.join(Oidc.missing())}")
    with Oidc() as provider:
        yield provider


@pytest.fixture(scope="module")
def short_lived():
    """Its tokens live for seconds, and are renewed once half of that has passed."""
    if Oidc.missing():
        pytest.skip(f"missing: {', '.join(Oidc.missing())}")
    with Oidc(lifetime=LIFETIME) as provider:
        yield provider


def mail_server(provider, certificates):
    missing = SERVERS["dovecot"].missing()
    if missing:
        pytest.skip(f"dovecot cannot run here, missing: {', '.join(missing)}")
    return SERVERS["dovecot"](
        mechanisms=("PLAIN", "XOAUTH2"), introspection=provider.introspection_url, certificates=certificates
    )


LIFETIME = 6

PROGRAMS = {
    "desktop": {"client_id": "desktop"},
    "web": {"client_id": "web", "client_secret": WEB_SECRET},
    "service": {"client_id": "service", "client_secret": SERVICE_SECRET},
}


def opened(provider, certificates, program="desktop", port=587, **options):
    row = provider.provider("localhost", port, ["send"] if program == "service" else ("openid", "offline_access", "send"))
    return mailbutton.open(
        ca_file=certificates.ca_file, providers=[row], oauth={"orchard": PROGRAMS[program]}, program_name="Books", **options
    )


def settings(port=587, **changes):
    return {
        "smtp_host": "localhost", "smtp_port": port, "smtp_security": "starttls", "auth": "oauth2",
        "username": "ana@example.test", **changes,
    }


def signed_in(account, port=587):
    begun = account.sign_in(settings(port))
    with account.start_finish_sign_in(begun["sign_in"]) as job:
        browser = Browser()
        status, page = browser.visit(browser.sign_in(begun["url"]))
        assert status == 200 and "Signed in" in page and "Books" in page
        return job.result()


def test_a_document_is_delivered_after_a_sign_in(provider, certificates, tmp_path):
    with mail_server(provider, certificates) as server, opened(
        provider, certificates, port=server.port_starttls, store=str(tmp_path / "settings")
    ) as account:
        reply = signed_in(account, server.port_starttls)
        assert (reply["reason"], reply["account"]) == ("signed_in", "ana@example.test")
        account.send_test()
        account.send_document(email(), PDF)
        assert {parsed(message)["Subject"] for message in server.wait_for_messages(2)} >= {"Invoice 7"}
        form = account.form()["form"]["sign_in"]
        assert (form["signed_in"], form["account"]) == (True, "ana@example.test")
        assert account.button({})["button"]["enabled"]
        assert account.sign_out()["revoked"] is True
        assert account.button({})["button"]["why_not"]["code"] == "not_signed_in"
        with pytest.raises(mailbutton.BadSettings):
            account.send_document(email(), PDF)


def test_the_flow_of_a_server(provider, certificates):
    with opened(provider, certificates, "web") as account:
        begun = account.sign_in(settings(), flow="redirect", redirect_uri=CALLBACK)
        url = Browser().sign_in(begun["url"])
        assert url.startswith(CALLBACK)
        with pytest.raises(mailbutton.BadCall):
            account.finish_sign_in(begun["sign_in"], url.replace("state=", "state=x"))
        assert account.finish_sign_in(begun["sign_in"], url)["reason"] == "signed_in"
        # Once.
        with pytest.raises(mailbutton.BadCall):
            account.finish_sign_in(begun["sign_in"], url)


def test_the_flow_of_a_terminal(provider, certificates):
    with opened(provider, certificates) as account:
        begun = account.sign_in(settings(), flow="device")
        assert begun["code"] and begun["url"].startswith(provider.url)
        with account.start_finish_sign_in(begun["sign_in"]) as job:
            page = Browser().sign_in(begun["whole_url"])
            assert "Sign-in Success" in page, page
            assert job.result()["reason"] == "signed_in"


def test_the_flow_of_a_service(provider, certificates):
    with opened(provider, certificates, "service") as account:
        assert account.sign_in(settings(), flow="client_credentials")["reason"] == "signed_in"


def test_a_person_who_declines_is_told_so(provider, certificates):
    with opened(provider, certificates) as account:
        begun = account.sign_in(settings())
        with account.start_finish_sign_in(begun["sign_in"]) as job:
            browser = Browser()
            status, page = browser.visit(browser.sign_in(begun["url"], consents=False))
            assert status == 200 and "Not signed in" in page
            with pytest.raises(mailbutton.LoginRefused) as caught:
                job.result()
        assert caught.value.reply["problem"] == "sign_in_denied"


def test_many_emails_with_an_expired_token_renew_it_once_and_rotate(short_lived, certificates, tmp_path):
    with mail_server(short_lived, certificates) as server, opened(
        short_lived, certificates, port=server.port_starttls, store=str(tmp_path / "settings"), connections=2
    ) as account:
        signed_in(account, server.port_starttls)
        for renewed in (1, 2):
            # It is the clock that makes it expire.
            time.sleep(LIFETIME / 2 + 0.1)
            jobs = [account.start_document(email(), PDF) for _ in range(5)]
            assert {job.result()["reason"] for job in jobs} == {"accepted"}
            assert short_lived.asked()["grant.success refresh_token"] == renewed
        assert "grant.error refresh_token" not in short_lived.asked()


def test_no_token_is_in_the_file_or_in_a_reply(provider, certificates, tmp_path):
    with opened(provider, certificates, store=str(tmp_path / "settings")) as account:
        begun = account.sign_in(settings())
        seen = [json.dumps(begun)]
        with account.start_finish_sign_in(begun["sign_in"]) as job:
            browser = Browser()
            callback = browser.sign_in(begun["url"])
            browser.visit(callback)
            seen.append(json.dumps(job.result()))
        seen += [json.dumps(account.form()), json.dumps(account.settings_get()), (tmp_path / "settings").read_text()]
        code = callback.split("code=")[1].split("&")[0]
        for text in seen:
            assert code not in text and "refresh" not in text and "access_token" not in text
