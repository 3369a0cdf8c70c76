"""The settings page, from an empty form to saved settings."""

import json
import subprocess

from servers import Aiosmtpd
from support import Told

WRONG = "not the password"


def fill_in(window, server, password):
    window.click("Email settings")
    window.fill("SMTP server", server.host)
    window.fill("Port", str(server.port_starttls))
    window.fill("Username", server.user)
    window.fill("Password", password, is_secret=True)


def test_a_wrong_password_is_told_and_mended_and_the_settings_saved(open_window, server, tmp_path, shoot):
    with open_window("--ca-file", server.ca_file) as window:
        window.says("Email is not set up yet")
        shoot("not-set-up")
        fill_in(window, server, WRONG)
        window.click("Test email settings")
        window.says("did not accept the username and password")
        window.says("Check the username and the password")
        window.says("535 5.7.8 Authentication credentials invalid")
        shoot("login-refused")
        assert server.messages() == []
        window.fill("Password", server.password, is_secret=True)
        window.click("Test email settings")
        window.says("The settings work: the server accepted a test email to ana@example.test.")
        shoot("test-passed")
        server.wait_for_messages(1)
        window.click("Update")
        window.says("saved")
    with open_window("--ca-file", server.ca_file) as window:
        window.click("Email settings")
        assert window.wait_for("text", "SMTP server").text() == server.host
        window.click("Test email settings")
        window.says("The settings work")
        server.wait_for_messages(2)
    kept = b"".join(path.read_bytes() for path in (tmp_path / "company").iterdir())
    assert server.password.encode() not in kept


def test_a_password_is_shown_when_it_is_asked_for(open_window):
    with open_window() as window:
        window.click("Email settings")
        window.fill("Password", "apple tree", is_secret=True)
        field = window.wait_for("text", "Password")
        assert "apple" not in field.text()
        window.click("Show")
        window.button("Hide")
        assert field.text() == "apple tree"


def test_steps_appear_while_the_test_goes_on_and_it_can_be_cancelled(open_window, shoot):
    with Told(AUTH=None) as server, open_window() as window:
        fill_in(window, server, "secret")
        window.choose("Port", "N")
        window.click("Test email settings")
        window.says("Logging in")
        assert "Connecting" in " ".join(window.texts())
        shoot("testing")
        # The window is not busy: another page can be looked at.
        window.click("Invoices")
        window.says("Invoice 2026-0117")
        window.click("Email settings")
        window.click("Cancel")
        window.button("Test email settings")
        window.says("ancel")


def test_what_works_is_one_click_away(open_window, server):
    with open_window("--ca-file", server.ca_file) as window:
        fill_in(window, server, server.password)
        window.choose("Port", "TLS")
        window.click("Test email settings")
        window.says("it was tried just now")
        window.click("Apply and test again")
        window.says("The settings work")
        assert window.find("combo box", "TLS from the start (usual on port 465)") is None
        server.wait_for_messages(1)


def test_the_certificate_of_an_own_server_is_accepted(open_window, certificates, shoot):
    with Aiosmtpd(certificate="self_signed", certificates=certificates) as server, open_window() as window:
        server.password = "apple tree 7"
        fill_in(window, server, server.password)
        window.click("Test email settings")
        window.says("CN=localhost")
        shoot("certificate")
        window.click("Accept and test again")
        window.says("The settings work")
        server.wait_for_messages(1)


def test_a_known_provider_fills_the_form(open_window, shoot):
    with open_window() as window:
        window.click("Email settings")
        window.fill("Username", "ana@gmail.com")
        window.says("Use Gmail's server smtp.gmail.com on port 465.")
        window.click("Use these settings")
        assert window.wait_for("text", "SMTP server").text() == "smtp.gmail.com"
        assert window.wait_for("text", "Port").text() == "465"
        window.says("1. Open the security page of your Google Account")
        window.says("Gmail takes an app password here")
        shoot("provider")


def test_a_field_says_what_is_wrong_with_it_when_it_is_left(open_window):
    with open_window() as window:
        window.click("Email settings")
        window.fill("SMTP server", "smtp.example.com:587")
        window.says('Leave out ":587" here')
        window.fill("SMTP server", "smtp.example.com")
        window.fill("Port", "25")
        window.says("Port 25 is meant for mail between servers")
        assert not any("Leave out" in text for text in window.texts())


def test_a_servers_markup_is_text(open_window, shoot):
    said = '<b>Bold</b> <img src="file:///etc/passwd"> &lt;no&gt; ' + "x" * 200
    with Told(AUTH=f"535 5.7.8 {said}") as server, open_window() as window:
        fill_in(window, server, "secret")
        window.choose("Port", "N")
        window.click("Test email settings")
        window.says(f"535 5.7.8 {said}")
        shoot("markup")


def test_a_form_of_another_version_is_shown_as_far_as_it_is_known(open_window, tmp_path, shoot):
    built = tmp_path / "other_version.so"
    source = __file__.replace("test_settings.py", "other_version.c")
    subprocess.run(["cc", "-shared", "-fPIC", source, "-o", built, "-ldl"], check=True)
    fields = [
        {"key": "smtp_host", "type": "host", "label": "SMTP <b>server</b> & more", "value": "smtp.example.com"},
        {"key": "colour", "type": "colour_wheel", "label": "Colour", "value": {"hue": 120}, "help": "Any colour you like."},
        {"key": "nothing"},
        {"type": "choice", "label": "No key", "choices": [{"value": 7}, "?"], "value": 7},
        "not a field",
    ]
    buttons = [{"key": "dance", "label": "Dance"}, {"key": "test"}]
    form = {"status": 0, "reason": "form", "form": {"fields": fields, "buttons": buttons, "provider": 5, "proposal": "?"}}
    (tmp_path / "form.json").write_text(json.dumps(form))
    environment = {
        "LD_PRELOAD": str(built), "OTHER_FORM": str(tmp_path / "form.json"),
        "ASAN_OPTIONS": "detect_leaks=1:verify_asan_link_order=0",
    }  # fmt: skip
    with open_window(environment=environment) as window:
        window.click("Email settings")
        window.says("SMTP <b>server</b> & more")
        window.says("Any colour you like.")
        window.says('{"hue":120}')
        shoot("other-version")
