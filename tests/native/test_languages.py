"""The window in other languages, and from right to left."""

import mailbutton
import pytest
from support import save, settings_for

# What the host calls its page, and what it writes around form and email.
WORDS = {"ro": ("Facturi", "Setări de e-mail", "Trimite"), "ar": ("الفواتير", "إعدادات البريد الإلكتروني", "إرسال")}


def middle(node):
    x, _, width, _ = node.place()
    return x + width // 2


@pytest.mark.parametrize("locale", WORDS)
def test_the_window_speaks_the_users_language(open_window, server, tmp_path, shoot, locale):
    invoices, settings, send = WORDS[locale]
    save(tmp_path / "company", server.ca_file, sender_name="Orchard Books", **settings_for(server))
    with mailbutton.open(locale=locale, program_name="Orchard Books") as account:
        form = account.form()["form"]
        email = account.button({})["button"]["label"]
    label_of = {part["key"]: part["label"] for part in form["fields"] + form["buttons"]}
    with open_window("--ca-file", server.ca_file, "--locale", locale) as window:
        window.click(settings)
        host = window.wait_for("text", label_of["smtp_host"])
        assert host.text() == server.host
        # Where the language runs from right to left, so do the columns.
        assert (middle(window.button(invoices)) > middle(host)) == (form["direction"] == "rtl") == (locale == "ar")
        window.click(label_of["test"])
        server.wait_for_messages(1)
        window.button(label_of["test"])
        shoot(f"settings-{locale}")
        window.click(invoices)
        window.click(email)
        window.wait_for("push button", send)
        shoot(f"compose-{locale}")
