"""The demo program's own pages in Chromium: nothing for axe, by keyboard, on a phone, in every language."""

from email import policy
from email.message import EmailMessage

import pytest
from browsing import check

PATHS = ("/", "/invoices/2026-0123", "/sent", "/inbox", "/settings")


def fill(program):
    """Something to be shown on every page."""
    message = EmailMessage(policy=policy.SMTP)
    message["From"], message["To"], message["Subject"] = "Ana <ana@gmail.com>", "ion@example.com", "Invoice 2026-0123"
    message.set_content("See *attached*.")
    message.add_alternative("<p>See <em>attached</em>.</p>", subtype="html")
    message.add_attachment(b"%PDF-1.4\n", maintype="application", subtype="pdf", filename="Invoice 2026-0123.pdf")
    program.inbox.append(("ana@gmail.com", ["ion@example.com"], message.as_bytes()))
    for status, reason, outcomes in (
        ("OK", "accepted", ["accepted"]), ("OK", "accepted_partly", ["accepted", "refused"]), ("CANCELED", "canceled", ["not_sent"]),
        ("TRY_LATER", "recipient_deferred", ["deferred"]), ("UNCERTAIN", "no_verdict", ["uncertain"]),
    ):  # fmt: skip
        recipients = [{"address": "contabil@tandarica.example", "role": "to", "outcome": outcome} for outcome in outcomes]
        program.books.note("2026-0123", {"subject": "x"}, {"status_name": status, "reason": reason, "recipients": recipients})


@pytest.mark.parametrize(("language", "width"), [("en", 1280), ("en", 390), ("ro", 1280), ("ar", 320)])
def test_axe_finds_nothing(program, visit, language, width):
    fill(program)
    page = visit(language, width)
    start = page.url.rstrip("/")
    for path in (*PATHS, "/inbox/1"):
        page.goto(start + path)
        check(page)


def test_by_keyboard(program, visit):
    fill(program)
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/invoices/2026-0124")
