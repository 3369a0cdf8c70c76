"""A user's whole way in Chromium: from an empty form to an email whose PDF is in the inbox, byte for byte."""

import re

import internet
import pytest
import servers
from browsing import check, needs_chromium, picture
from internet import APP_PASSWORD, GMAIL, ORCHARD, OWN, PASSWORD
from people import PEOPLE
from words import Words

expect = needs_chromium().expect
# The language, how its user gets around, the colours and the width of what the pictures show; a phone is among them.
WAYS = [("en", "mouse", "light", 1280), ("en", "keyboard", "dark", 1280), ("ro", "mouse", "dark", 390), ("ar", "keyboard", "light", 1280)]
INVOICE = "2026-0124"
STATES = (
    "invoices", "settings-empty", "provider-recognised", "wrong-password", "app-password", "wrong-port", "test-passed", "saved",
    "button", "compose", "progress", "canceled", "outcome", "history", "inbox", "letter", "sent", "certificate",
)  # fmt: skip
# Whose states are looked at with axe, and those of which pictures are kept: the others see the same.
PICTURED = {
    ("en", "mouse"): STATES,
    ("ro", "mouse"): ("settings-empty", "app-password", "compose", "outcome", "history"),
    ("ar", "keyboard"): ("app-password", "compose", "outcome", "letter"),
}


class Journey:
    """The program in a window, and its user's words for what is on it: mailbutton's, and the program's own."""

    def __init__(self, program, page, language, who, scheme):
        self.program, self.page, self.language, self.scheme = program, page, language, scheme
        self.who, self.person = who, PEOPLE[who](page)
        self.words = Words(language)
        form = program.account.form(locale=language)["form"]
        self.labels = {field["key"]: field["label"] for field in form["fields"]}
        self.buttons = {button["key"]: button["label"] for button in form["buttons"]}
        self.mailbutton = program.account.words(locale=language)["words"]

    def button(self, name, inside=None):
        return (inside or self.page).get_by_role("button", name=name, exact=True)

    def field(self, key):
        # Behind the label of a field that is needed, it says so.
        name = re.compile(rf"^{re.escape(self.labels[key])}( \(.*\))?$")
        return self.page.locator("mailbutton-settings").get_by_label(name)

    def holds(self, field, value):
        expect(field).to_have_value(value)

    def see(self, state, text=None):
        """Waits for what the user sees; then nothing is wrong with it, and a picture is taken."""
        if text:
            seen = self.page.get_by_text(text, exact=True).first
            seen.wait_for()
            seen.scroll_into_view_if_needed()
        pictured = PICTURED.get((self.language, self.who))
        if pictured:
            check(self.page, self.scheme)
        if pictured and state in pictured:
            picture(self.page, f"web-{self.language}-{state}")

    def test(self, **typed):
        """Types, presses Test, and waits for what the report says: the reply that the page got."""
        for key, value in typed.items():
            self.person.type(self.field(key), value)
        return self.answer(lambda: self.person.press(self.button(self.buttons["test"])))

    def proposal(self):
        return self.page.locator("[part=proposal]").get_by_role("button")

    def take(self, advice):
        """Takes a repair, after which the settings are tested again."""
        place = self.page.get_by_role("listitem").filter(has_text=advice["text"])
        return self.answer(lambda: self.person.press(place.get_by_role("button")))

    def answer(self, act):
        def is_last(response):
            return "/mailbutton/reply_wait" in response.url and response.json()["status"] != 1

        with self.page.expect_response(is_last) as waited:
            act()
        return waited.value.json()


def set_up(journey):
    page, person = journey.page, journey.person
    journey.see("invoices")
    person.press(page.get_by_role("link", name=journey.words("set_up"), exact=True))
    journey.field("username").wait_for()
    journey.see("settings-empty")

    person.type(journey.field("username"), GMAIL)
    proposal = journey.program.account.form({"username": GMAIL}, locale=journey.language)["form"]["proposal"]
    journey.see("provider-recognised", proposal["message"])
    person.press(journey.proposal())
    journey.holds(journey.field("smtp_host"), "smtp.gmail.com")

    reply = journey.test(password="pear trees")
    assert reply["server"]["code"] == 535
    journey.see("wrong-password", reply["message"])
    reply = journey.test(password=PASSWORD)
    assert (reply["problem"], reply["server"]["code"]) == ("gmail_app_password", 534)
    journey.see("app-password", reply["advice"][0]["text"])

    reply = journey.test(password=APP_PASSWORD, smtp_port="993")
    assert (reply["problem"], reply["advice"][0]["code"]) == ("imap_port", "use_what_works")
    journey.see("wrong-port", reply["message"])
    reply = journey.take(reply["advice"][0])
    assert reply["reason"] == "accepted"
    journey.holds(journey.field("smtp_port"), "465")
    journey.see("test-passed", reply["message"])

    person.press(journey.button(journey.buttons["update"]))
    journey.see("saved", journey.mailbutton["saved"])
    assert journey.program.account.settings_get()["settings"]["smtp_port"] == 465


def send(journey, monkeypatch):
    page, person = journey.page, journey.person
    person.press(page.get_by_role("link", name=journey.words("invoices"), exact=True))
    person.press(page.get_by_role("link", name=INVOICE))
    label = journey.program.account.button({"locale": journey.language})["button"]["label"]
    journey.see("button", None)
    person.press(journey.button(label))
    dialog = page.get_by_role("dialog")
    journey.holds(dialog.get_by_label(journey.mailbutton["to"], exact=True), "accounts@brightwater.example")
    copies = dialog.get_by_label(journey.mailbutton["cc"], exact=True)
    if not copies.is_visible():
        person.press(journey.button(journey.mailbutton["show_cc_bcc"], dialog))
    person.type(copies, "nobody@example.com")
    journey.see("compose")

    # So slow that a person has the time to think again.
    monkeypatch.setattr(servers, "PAUSE", 0.5)
    sending = journey.button(journey.mailbutton["send"], dialog)
    person.press(sending)
    page.wait_for_function(PROGRESS)
    journey.see("progress")
    reply = journey.answer(lambda: person.press(journey.button(journey.mailbutton["cancel"], dialog)))
    assert reply["status_name"] == "CANCELED"
    journey.see("canceled", reply["message"])
    monkeypatch.setattr(servers, "PAUSE", 0.001)

    reply = journey.answer(lambda: person.press(sending))
    assert reply["reason"] == "accepted_partly"
    assert {each["address"]: each["outcome"] for each in reply["recipients"]} == {
        "accounts@brightwater.example": "accepted", "nobody@example.com": "refused",
    }  # fmt: skip
    journey.see("outcome", reply["message"])
    person.press(journey.button(journey.mailbutton["close"], dialog).first)
    page.locator("#history").get_by_text(journey.words("outcome_partly")).wait_for()
    journey.see("history")


PROGRESS = """() => {
  const bar = document.querySelector("mailbutton-compose").shadowRoot.querySelector("progress");
  return bar && bar.position > 0;
}"""


def read(journey):
    page, person = journey.page, journey.person
    person.press(page.get_by_role("link", name=journey.words("inbox"), exact=True))
    letter = page.get_by_role("main").get_by_role("link").filter(has_text=INVOICE)
    letter.first.wait_for()
    journey.see("inbox")
    person.press(letter.first)
    text = page.frame_locator("iframe.letter").get_by_text(INVOICE).first
    text.wait_for()
    journey.see("letter")
    files = page.get_by_role("link", name=re.compile(r"\.pdf"))
    with page.context.expect_page() as opened:
        person.press(files)
    assert opened.value.url.endswith("/files/0")
    got = page.context.request.get(opened.value.url)
    assert got.headers["content-type"] == "application/pdf"
    assert got.body() == journey.program.books.pdf(INVOICE)
    opened.value.close()
    person.press(page.get_by_role("link", name=journey.words("sent"), exact=True))
    page.get_by_text(journey.words("outcome_CANCELED")).wait_for()
    journey.see("sent")


@pytest.mark.parametrize(("language", "who", "scheme", "width"), WAYS)
def test_from_an_empty_form_to_the_inbox(program, visit, monkeypatch, language, who, scheme, width):
    monkeypatch.setattr(internet, "LATENCY", 0.005)
    journey = Journey(program, visit(language, width), language, who, scheme)
    set_up(journey)
    send(journey, monkeypatch)
    read(journey)
    assert [received.recipients for received in program.inbox] == [["accounts@brightwater.example"], [GMAIL]]


def test_a_server_of_ones_own_is_accepted_by_its_certificate(program, visit):
    journey = Journey(program, visit(), "en", "mouse", "light")
    journey.page.goto(f"{journey.page.url.rstrip('/')}/settings")
    reply = journey.test(username=OWN, password=PASSWORD, smtp_host="mail.livada.example", smtp_port="587")
    assert (reply["problem"], reply["advice"][0]["code"]) == ("certificate_self_signed", "accept_certificate")
    journey.see("certificate", reply["message"])
    reply = journey.take(reply["advice"][0])
    assert reply["reason"] == "accepted"
    journey.see("certificate-accepted", reply["message"])


def test_a_provider_that_the_program_brings_needs_address_and_password(program, visit):
    journey = Journey(program, visit(), "en", "mouse", "light")
    journey.page.goto(f"{journey.page.url.rstrip('/')}/settings")
    journey.person.type(journey.field("username"), ORCHARD)
    journey.person.press(journey.proposal())
    journey.holds(journey.field("smtp_host"), "smtp.orchard.example")
    assert journey.test(password=PASSWORD)["reason"] == "accepted"
    journey.person.press(journey.button(journey.buttons["update"]))
    journey.page.get_by_text(journey.mailbutton["saved"], exact=True).wait_for()
