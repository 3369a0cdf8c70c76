"""The elements by themselves, against a program whose replies a test decides: each state, hostile words, other versions, bad order."""

import copy
import json
import re

import mailbutton
import pytest
from browsing import check, needs_chromium, picture
from conftest import ROOT
from people import Keyboard

expect = needs_chromium().expect
WEB = ROOT / "bindings/web"
DIST = WEB / "dist/mailbutton.js"
if not DIST.exists():
    pytest.skip("the elements are not built", allow_module_level=True)

PAGE = "http://127.0.0.1/"
# What a careful host's page sends: no markup out of texts, no scripts and styles but its own.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; "
    "frame-src 'self' blob:; require-trusted-types-for 'script'; trusted-types 'none'"
)
KINDS = {"html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8", "css": "text/css"}
HOSTILE = '"><img src=x onerror="document.title=1"><script>document.title=2</script></textarea>&amp;\u202e'
SETTINGS = {
    "smtp_host": "smtp.example.com", "smtp_port": 587, "username": "ana@example.com",
    "email_address": "ana@example.com", "password": "apples and pears",
}  # fmt: skip
STEPS = [("connect", "Connecting", 100), ("tls", "Encrypting the connection", 300), ("login", "Logging in", 600)]
DONE = {"status": 0, "status_name": "OK", "reason": "accepted", "message": "The server accepted the email."}
REFUSED = {
    "status": -5, "status_name": "LOGIN_REFUSED", "reason": "login_refused", "problem": "login_refused", "step": "login",
    "message": "smtp.example.com did not accept the username and password.", "detail": "535 it was",
    "server": {"code": 535, "enhanced": "5.7.8", "text": "Authentication credentials invalid"},
    "advice": [
        {"code": "app_password", "text": "Use an app password.", "link": "https://example.com/app", "patch": None},
        {"code": "use_what_works", "text": "Set the port to 465.", "link": None, "patch": {"smtp_port": 465}},
    ],
    "steps": [
        {"step": "connect", "label": "Connecting", "status": "ok", "ms": 3, "found": {}, "server": None},
        {"step": "login", "label": "Logging in", "status": "failed", "ms": 20, "found": {}, "server": None},
        {"step": "content", "label": "Sending", "status": "skipped", "ms": 0, "found": {}, "server": None},
    ],
    "certificate": {
        "fingerprint": "AB:CD:" * 15 + "EF", "subject": "CN=mail.lan", "issuer": "CN=mail.lan", "names": ["mail.lan"],
        "not_before": "2026-11-01T00:00:00Z", "not_after": "2027-01-30T00:00:00Z", "self_signed": True,
    },
}  # fmt: skip
PARTLY = DONE | {
    "reason": "accepted_partly", "message": "The server accepted the email for some of the recipients.",
    "recipients": [
        {"address": "ion@example.com", "role": "to", "outcome": "accepted", "server": None},
        {"address": "gone@example.com", "role": "cc", "outcome": "refused", "server": {"code": 550, "text": "No such user"}},
    ],
}  # fmt: skip
UNCERTAIN = {
    "status": -8, "status_name": "UNCERTAIN", "reason": "no_verdict", "message": "It is not certain whether the email was sent.",
    "recipients": [{"address": "ion@example.com", "role": "to", "outcome": "uncertain", "server": None}],
}  # fmt: skip
CHECKED = {"status": 0, "status_name": "OK", "reason": "checked", "message": "", "warnings": []}
CANCELING = {"status": 0, "status_name": "OK", "reason": "canceling", "message": ""}


def pending(*steps, seen=0):
    trail = [dict(zip(("step", "text", "permille"), step)) for step in steps]
    return {
        "status": 1, "status_name": "PENDING", "reason": "pending", "message": "", "job": "7",
        "seen": seen + len(trail), "trail": trail, "progress": trail[-1] if trail else None,
    }  # fmt: skip


class Elements:
    """The page with the elements, the program behind them, and what a person finds on it."""

    def __init__(self, page, complaints, name):
        self.page, self.complaints, self.name, self.shots = page, complaints, name, 0
        self.account = mailbutton.open(program_name="Demo Books")
        self.words = self.account.words()["words"]
        self.say("words", self.account.words())
        self.form()
        self.say("check_document", CHECKED)

    def form(self, values=None):
        reply = self.account.form(values)
        self.say("form", reply)
        return reply

    def say(self, name, *replies):
        self.page.evaluate("([name, replies]) => fake.say(name, ...replies)", [name, replies])

    def hold(self, name):
        self.page.evaluate("name => fake.hold(name)", name)

    def wait_for(self, name, count=1):
        self.page.wait_for_function("([name, count]) => fake.waiting(name) >= count", arg=[name, count])

    def release(self, name, reply, index=0):
        self.page.evaluate("([name, index, reply]) => fake.release(name, index, reply)", [name, index, reply])

    def let_go(self, name):
        self.page.evaluate("name => fake.letGo(name)", name)

    def calls(self, name):
        return self.page.evaluate("name => fake.calls.filter(call => call.name === name)", name)

    def events(self):
        return self.page.evaluate("events")

    def button(self, key):
        return self.page.get_by_role("button", name=self.words.get(key, key), exact=True)

    def field(self, label):
        return self.page.get_by_label(label, exact=True)

    def settings(self, values=None, locale=None, **options):
        reply = self.form(values)
        self.show("mailbutton-settings", locale=locale, **options)
        self.page.locator("mailbutton-settings form").wait_for()
        return reply

    def show(self, tag, locale=None, early=True, **properties):
        attributes = {"locale": locale} if locale else {}
        self.page.evaluate("args => show(...args)", [tag, properties, attributes, early])

    def focus(self):
        """What has it within an element."""
        return self.page.evaluate("document.activeElement?.shadowRoot?.activeElement?.localName ?? null")

    def fit(self):
        """Nothing is wrong with what is shown, in either scheme; MAILBUTTON_SCREENS keeps a picture."""
        check(self.page)
        self.shots += 1
        picture(self.page, f"{self.name}-{self.shots}")

    def email(self, **changed):
        """The Email button of an account that is set up."""
        self.account.settings_set(SETTINGS)
        document = {"kind": "invoice", "reference": "2026/001", "recipient": {"name": "Ion", "addresses": ["ion@example.com"]}}
        reply = self.account.button(document | changed)
        self.say("button", reply)
        self.show("mailbutton-compose", document=document)
        return reply

    def compose(self, **changed):
        reply = self.email(**changed)
        self.page.get_by_role("button", name=reply["button"]["label"], exact=True).click()
        self.page.get_by_role("dialog").wait_for()
        return reply["email"]


@pytest.fixture
def open_page(chromium, request):
    """A function that opens the page on a screen; what the browser complains of fails the test."""
    complaints, closing = [], []

    def answer(route):
        name = route.request.url.removeprefix(PAGE).partition("?")[0] or "elements.html"
        path = DIST if name == "mailbutton.js" else ROOT / "tests/web" / name
        headers = {"Content-Security-Policy": POLICY, "Content-Type": KINDS[path.suffix[1:]]}
        route.fulfill(body=path.read_bytes(), headers=headers)

    def open_window(width=1280, height=900, **options):
        context = chromium.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce", **options)
        context.set_default_timeout(10_000)
        context.route(f"{PAGE}**", answer)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(PAGE)
        page.wait_for_function("() => window.show")
        elements = Elements(page, complaints, re.sub(r"\W+", "-", request.node.name).removeprefix("test_"))
        closing.append((context, elements))
        return elements

    yield open_window
    for context, elements in closing:
        context.close()
        elements.account.close()
    assert not complaints


@pytest.fixture
def elements(open_page):
    return open_page()


# The settings


@pytest.mark.parametrize("early", [True, False])
def test_the_form_is_there_however_the_page_sets_it_up(elements, early):
    reply = elements.settings(early=early)
    for field in reply["form"]["fields"]:
        if field["visible"]:
            expect(elements.field(field["label"]).or_(elements.page.get_by_label(re.compile("^" + re.escape(field["label"]))))).to_be_visible()
    # A property that is set and an attribute that is there are one beginning.
    assert len(elements.calls("words")) == 1


@pytest.mark.parametrize(("width", "locale"), [(1280, "en"), (320, "de"), (320, "ar")])
def test_each_state_of_the_settings_is_fit_for_all(open_page, width, locale):
    elements = open_page(width)
    page = elements.page
    elements.words = elements.account.words(locale=locale)["words"]
    elements.say("words", elements.account.words(locale=locale))
    # Only this language is asked for: the form's texts are in it.
    form = elements.account.form({"smtp_host": "imap.gmail.com:993", "smtp_port": 25, "email_address": "ana@gmail.com"}, locale=locale)
    elements.say("form", form)
    elements.show("mailbutton-settings", locale=locale)
    page.locator("mailbutton-settings form").wait_for()
    assert {call["json"].get("locale") for call in elements.calls("form") + elements.calls("words")} == {locale}
    assert page.locator("mailbutton-settings [dir]").first.get_attribute("dir") == form["form"]["direction"]
    elements.fit()
    whole = elements.account.form(SETTINGS, locale=locale)
    elements.say("form", whole)
    port = next(field["label"] for field in whole["form"]["fields"] if field["key"] == "smtp_port")
    page.get_by_label(re.compile("^" + re.escape(port))).first.fill("587")
    test = page.get_by_role("button", name=whole["form"]["buttons"][0]["label"], exact=True)
    expect(test).not_to_have_attribute("aria-disabled", "true")
    elements.say("send_test", pending())
    elements.hold("reply_wait")
    test.click()
    elements.wait_for("reply_wait")
    elements.release("reply_wait", pending(*STEPS))
    page.get_by_text("Logging in").wait_for()
    elements.fit()
    elements.wait_for("reply_wait")
    elements.release("reply_wait", REFUSED)
    page.get_by_text(REFUSED["message"]).wait_for()
    elements.fit()
    page.get_by_text(elements.words["details"], exact=True).click()
    elements.fit()


def test_what_is_wrong_with_a_field_is_said_where_it_is(elements):
    reply = elements.settings({"smtp_host": "smtp.example.com:587", "smtp_port": 25})
    fields = {field["key"]: field for field in reply["form"]["fields"]}
    host, port = (elements.page.locator(f"mailbutton-settings [name={key}]") for key in ("smtp_host", "smtp_port"))
    expect(host).to_have_attribute("aria-invalid", "true")
    expect(host).to_have_accessible_description(re.compile(re.escape(fields["smtp_host"]["error"]["message"])))
    expect(port).not_to_have_attribute("aria-invalid", "true")
    expect(port).to_have_accessible_description(re.compile(re.escape(fields["smtp_port"]["warning"]["message"])))


def test_an_older_reply_does_not_undo_what_was_typed_since(elements):
    elements.settings()
    host, sender = (elements.page.locator(f"mailbutton-settings [name={key}]") for key in ("smtp_host", "username"))
    elements.hold("form")
    host.fill("smtp.one.example")
    elements.wait_for("form", 1)
    sender.fill("ana")
    elements.wait_for("form", 2)
    newest = elements.calls("form")[-1]["json"]
    assert (newest["smtp_host"], newest["username"]) == ("smtp.one.example", "ana")
    elements.release("form", elements.account.form({"smtp_host": "smtp.one.example", "username": "ana"}), index=1)
    elements.release("form", elements.account.form({"smtp_host": "smtp.one.ex"}), index=0)
    elements.let_go("form")
    elements.page.wait_for_timeout(0)
    expect(host).to_have_value("smtp.one.example")
    expect(sender).to_have_value("ana")
    expect(sender).to_be_focused()


def test_a_reply_does_not_undo_a_field_that_was_just_left(elements):
    elements.settings()
    host, sender = (elements.page.locator(f"mailbutton-settings [name={key}]") for key in ("smtp_host", "username"))
    elements.hold("form")
    host.fill("smtp.one.example")
    elements.wait_for("form", 1)
    stale = elements.account.form({"smtp_host": "smtp.one.example"})
    # All in one go, before the form can be asked again.
    elements.page.evaluate(
        """([stale]) => {
          const root = document.querySelector("mailbutton-settings").shadowRoot;
          const field = root.querySelector("[name=username]");
          field.focus();
          field.value = "ana";
          field.dispatchEvent(new InputEvent("input", { bubbles: true }));
          root.querySelector("[name=smtp_port]").focus();
          fake.release("form", 0, stale);
        }""",
        [stale],
    )
    elements.page.evaluate("new Promise(resolve => requestAnimationFrame(resolve))")
    assert sender.input_value() == "ana"


def test_a_repair_is_taken_and_tested(elements):
    elements.settings(SETTINGS)
    elements.say("send_test", REFUSED, DONE)
    test = elements.account.form()["form"]["buttons"][0]["label"]
    elements.button(test).click()
    item = elements.page.get_by_role("listitem").filter(has_text="Set the port to 465.")
    item.get_by_role("button").click()
    elements.page.get_by_text(DONE["message"]).wait_for()
    assert elements.focus() is not None, "what was pressed is gone, and the keyboard goes on from the page's beginning"
    first, second = (call["json"]["settings"] for call in elements.calls("send_test"))
    assert (first["smtp_port"], second["smtp_port"]) == (587, 465)
    assert elements.events() == [["mailbutton-tested", "LOGIN_REFUSED"], ["mailbutton-tested", "OK"]]


def test_a_proposal_has_a_button_with_a_name(elements):
    reply = elements.settings({"email_address": "ana@gmail.com"})
    elements.page.get_by_text(reply["form"]["proposal"]["message"]).wait_for()
    elements.button("use_proposal").click()
    expect(elements.page.locator("mailbutton-settings [name=smtp_host]")).to_have_value(re.compile("smtp.gmail.com|^$"))
    elements.page.wait_for_function("() => fake.calls.at(-1).json?.smtp_host === 'smtp.gmail.com'")


def test_a_test_can_be_canceled_and_is_asked_to_once(elements):
    elements.settings(SETTINGS)
    elements.hold("send_test")
    elements.say("reply_cancel", CANCELING)
    elements.button(elements.account.form()["form"]["buttons"][0]["label"]).click()
    elements.wait_for("send_test")
    # Before the program has even said what the job is called.
    elements.button("cancel").click()
    elements.hold("reply_wait")
    elements.release("send_test", pending())
    elements.wait_for("reply_wait")
    assert [call["json"] for call in elements.calls("reply_cancel")] == [{"job": "7"}]
    canceled = {"status": -9, "status_name": "CANCELED", "reason": "canceled", "message": "The test was canceled."}
    elements.release("reply_wait", canceled)
    elements.page.get_by_text(canceled["message"]).wait_for()
    assert elements.events() == [["mailbutton-tested", "CANCELED"]]


def test_a_password_is_shown_on_demand_and_gone_when_saved(elements):
    elements.settings(SETTINGS)
    password = elements.page.locator("mailbutton-settings [name=password]")
    for key, completion in (("username", "username"), ("password", "current-password")):
        expect(elements.page.locator(f"mailbutton-settings [name={key}]")).to_have_attribute("autocomplete", completion)
    password.fill("apples and pears")
    expect(password).to_have_attribute("type", "password")
    elements.button("show_password").click()
    expect(password).to_have_attribute("type", "text")
    elements.button("hide_password").click()
    expect(password).to_have_attribute("type", "password")
    elements.say("settings_set", {"status": 0, "status_name": "OK", "reason": "saved", "message": ""})
    elements.button(elements.account.form()["form"]["buttons"][1]["label"]).click()
    elements.page.get_by_text(elements.words["saved"], exact=True).wait_for()
    assert elements.calls("settings_set")[0]["json"]["password"] == "apples and pears"
    expect(password).to_have_value("")
    assert elements.events() == [["mailbutton-saved", "OK"]]


def test_what_saving_refuses_is_said_where_it_is(elements):
    elements.settings(SETTINGS)
    errors = [{"key": "username", "code": "x", "message": "This name will not do."}]
    elements.say("settings_set", {"status": -2, "status_name": "BAD_SETTINGS", "reason": "x", "message": "Two things.", "errors": errors})
    elements.button(elements.account.form()["form"]["buttons"][1]["label"]).click()
    username = elements.page.locator("mailbutton-settings [name=username]")
    expect(username).to_have_attribute("aria-invalid", "true")
    expect(username).to_have_accessible_description(re.compile("This name will not do."))
    assert elements.events() == []


def test_another_language_keeps_what_was_typed(elements):
    elements.settings()
    elements.page.locator("mailbutton-settings [name=smtp_host]").fill("smtp.one.example")
    elements.page.wait_for_function("() => fake.calls.at(-1).json.smtp_host === 'smtp.one.example'")
    elements.say("words", elements.account.words(locale="ro"))
    elements.say("form", elements.account.form({"smtp_host": "smtp.one.example"}, locale="ro"))
    elements.page.evaluate("document.querySelector('mailbutton-settings').setAttribute('locale', 'ro')")
    elements.page.wait_for_function("() => fake.calls.some(({ name, json }) => name === 'form' && json.locale === 'ro')")
    assert elements.calls("form")[-1]["json"]["smtp_host"] == "smtp.one.example"
    expect(elements.page.locator("mailbutton-settings [lang=ro] [name=smtp_host]")).to_have_value("smtp.one.example")


def test_letters_typed_in_one_go_are_one_question(elements):
    elements.settings()
    asked = len(elements.calls("form"))
    elements.page.locator("mailbutton-settings [name=smtp_host]").press_sequentially("smtp.example.com")
    elements.page.wait_for_function("() => fake.calls.at(-1).json.smtp_host === 'smtp.example.com'")
    assert len(elements.calls("form")) - asked <= 4


def test_a_program_that_does_not_answer_is_asked_again(elements):
    elements.say("form", None)
    elements.show("mailbutton-settings")
    elements.page.get_by_role("alert").get_by_text(elements.words["no_answer"]).wait_for()
    elements.fit()
    elements.form()
    elements.button("try_again").click()
    expect(elements.page.locator("mailbutton-settings [name=smtp_host]")).to_be_visible()


def test_a_program_that_does_not_even_give_its_words_is_asked_again(elements):
    words = elements.account.words()
    elements.say("words", None)
    elements.show("mailbutton-settings")
    elements.page.get_by_role("button").click()
    expect(elements.page.get_by_role("alert")).to_be_visible()
    elements.say("words", words)
    elements.page.get_by_role("button").click()
    expect(elements.page.locator("mailbutton-settings [name=smtp_host]")).to_be_visible()


def with_sign_in(reply, account=None):
    buttons = [{"key": key, "label": label, "enabled": True, "why_not": None} for key, label in (("sign_in", "Sign in"), ("sign_out", "Sign out"))]
    reply["form"]["sign_in"] = {"signed_in": account is not None, "account": account, "buttons": buttons}
    return reply


def test_who_signs_in_is_sent_to_the_provider_and_awaited(elements):
    elements.say("form", with_sign_in(elements.account.form(SETTINGS)))
    elements.show("mailbutton-settings", signIn={"flow": "device"})
    page = elements.page
    code = {"code": "ABCD-EFGH", "url": "https://example.com/device", "sign_in": "s1"}
    elements.say("sign_in", {"status": 0, "status_name": "OK", "reason": "sign_in_begun", "message": "", **code})
    elements.say("sign_in_finish", pending())
    elements.hold("reply_wait")
    elements.button("Sign in").click()
    link = page.get_by_role("link", name=elements.words["sign_in_open"])
    expect(link).to_have_attribute("href", code["url"])
    expect(link).to_have_attribute("rel", re.compile("noopener"))
    page.get_by_text(code["code"], exact=True).wait_for()
    elements.wait_for("reply_wait")
    elements.fit()
    (begun,) = elements.calls("sign_in")
    assert (begun["json"]["flow"], begun["json"]["settings"]["smtp_host"]) == ("device", "smtp.example.com")
    assert [call["json"]["sign_in"] for call in elements.calls("sign_in_finish")] == ["s1"]
    elements.say("form", with_sign_in(elements.account.form(SETTINGS), "ana@example.com"))
    elements.release("reply_wait", {"status": 0, "status_name": "OK", "reason": "signed_in", "message": "", "account": "ana@example.com"})
    page.get_by_text(elements.words["signed_in_as"].replace("{account}", "ana@example.com")).wait_for()
    elements.fit()
    assert elements.events() == [["mailbutton-saved", "OK"]]
    elements.say("sign_out", {"status": 0, "status_name": "OK", "reason": "signed_out", "message": "", "revoked": False})
    elements.say("form", with_sign_in(elements.account.form(SETTINGS)))
    elements.button("Sign out").click()
    expect(elements.button("Sign in")).to_be_visible()


def test_a_sign_in_that_is_given_up_is_canceled(elements):
    elements.say("form", with_sign_in(elements.account.form(SETTINGS)))
    elements.show("mailbutton-settings")
    begun = {"sign_in": "s1", "url": "javascript:document.title=5"}
    elements.say("sign_in", {"status": 0, "status_name": "OK", "reason": "sign_in_begun", "message": "", **begun})
    elements.say("sign_in_finish", pending())
    elements.say("reply_cancel", CANCELING)
    elements.hold("reply_wait")
    elements.button("Sign in").click()
    elements.wait_for("reply_wait")
    # No page of a provider's.
    expect(elements.page.locator("mailbutton-settings a")).to_have_count(0)
    elements.button("cancel").click()
    canceled = {"status": -9, "status_name": "CANCELED", "reason": "canceled", "message": "The sign-in was canceled."}
    elements.release("reply_wait", canceled)
    elements.page.get_by_text(canceled["message"]).wait_for()
    assert [call["json"] for call in elements.calls("reply_cancel")] == [{"job": "7"}]
    assert elements.events() == []


def test_by_keyboard_alone_a_test_that_cannot_be_made_leads_to_what_is_missing(elements):
    reply = elements.settings()
    first = next(field for field in reply["form"]["fields"] if field["required"] and field["visible"] and not field["has_value"])
    person = Keyboard(elements.page)
    person.press(elements.button(reply["form"]["buttons"][0]["label"]))
    expect(elements.page.locator(f"mailbutton-settings [name={first['key']}]")).to_be_focused()
    assert elements.calls("send_test") == []


# Another version of the library


def another_version(reply):
    reply = copy.deepcopy(reply)
    form = reply["form"]
    form["fields"].insert(2, {"key": "stamp", "type": "constellation", "label": "Stamp", "visible": True, "value": {"a": [1, None]}})
    form["fields"].insert(3, {"key": "bare", "type": "text"})
    form["fields"].append(None)
    form["buttons"].append({"key": "teleport", "label": "Teleport", "enabled": True, "why_not": None})
    form["news"] = {"deep": [1, 2, 3]}
    return reply


def test_a_form_of_another_version_says_so_and_does_what_it_can(elements):
    elements.say("form", another_version(elements.account.form(SETTINGS)))
    elements.show("mailbutton-settings")
    elements.page.get_by_text(elements.words["other_version"]).wait_for()
    expect(elements.page.locator("mailbutton-settings [name=smtp_host]")).to_have_value("smtp.example.com")
    expect(elements.page.get_by_role("button", name="Teleport")).to_have_count(0)
    elements.fit()
    elements.say("send_test", {"status": 99, "status_name": "NEW", "reason": "new", "message": "Something new.", "advice": [{"code": "new", "text": "Do it."}]})
    elements.button(elements.account.form()["form"]["buttons"][0]["label"]).click()
    elements.page.get_by_text("Something new.").wait_for()
    elements.page.get_by_text("Do it.").wait_for()


@pytest.mark.parametrize("lost", ["buttons", "sign_in", "proposal", "provider", "direction"])
def test_what_a_form_no_longer_has_is_done_without(elements, lost):
    reply = elements.account.form(SETTINGS)
    del reply["form"][lost]
    elements.say("form", reply)
    elements.show("mailbutton-settings")
    expect(elements.page.locator("mailbutton-settings [name=smtp_host]")).to_have_value("smtp.example.com")
    expect(elements.page.get_by_text(elements.words["no_answer"])).to_have_count(0)


def test_a_reply_without_a_form_is_told(elements):
    elements.say("form", {"status": -1, "status_name": "BAD_CALL", "reason": "x", "message": "This function is not to be had."})
    elements.show("mailbutton-settings")
    elements.page.get_by_text("This function is not to be had.").wait_for()


# Words of others


def hostile(value, key=""):
    """Every text that is for people, with markup in it."""
    if isinstance(value, dict):
        return {key: hostile(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [hostile(each, key) for each in value]
    names = ("key", "type", "status_name", "status", "code", "outcome", "direction", "locale", "job", "value", "link", "role", "step")
    return f"{value}{HOSTILE}" if isinstance(value, str) and key not in names else value


def nothing_ran(elements):
    assert elements.page.title() == "The elements"
    foreign = elements.page.evaluate(
        """[...document.querySelectorAll("mailbutton-settings, mailbutton-compose")]
          .flatMap(element => [...element.shadowRoot.querySelectorAll("img, script, [onerror], [style], a[href^='javascript:' i]")])
          .map(element => element.outerHTML)"""
    )
    assert foreign == []


def test_markup_in_the_settings_is_text(elements):
    elements.say("words", hostile(elements.account.words()))
    elements.say("form", hostile(elements.account.form({**SETTINGS, "smtp_host": "smtp.gmail.com:1", "smtp_port": 25})))
    elements.show("mailbutton-settings")
    elements.page.locator("mailbutton-settings form").wait_for()
    assert HOSTILE in elements.page.locator("mailbutton-settings label").first.text_content()
    reply = hostile(REFUSED)
    reply["advice"][0]["link"] = "javascript:document.title=3"
    elements.say("form", hostile(elements.account.form(SETTINGS)))
    elements.page.locator("mailbutton-settings [name=smtp_port]").fill("587")
    elements.say("send_test", hostile(pending()))
    elements.say("reply_wait", hostile(pending(("connect", "Connecting" + HOSTILE, 100))), reply)
    test = elements.page.locator("mailbutton-settings [data-key=test]")
    expect(test).not_to_have_attribute("aria-disabled", "true")
    test.click()
    elements.page.get_by_text(REFUSED["server"]["text"] + HOSTILE).wait_for()
    elements.page.get_by_text(REFUSED["message"] + HOSTILE).wait_for()
    nothing_ran(elements)


def test_markup_in_an_email_is_text(elements):
    elements.account.settings_set(SETTINGS)
    document = {"title": HOSTILE, "subject": HOSTILE, "body": HOSTILE, "file_name": HOSTILE, "recipient": {"addresses": [HOSTILE]}}
    elements.say("button", hostile(elements.account.button(document)))
    elements.show("mailbutton-compose", document=document)
    elements.page.get_by_role("button").click()
    # A text area's value and an input's are what was given, but for the line breaks that an input cannot have.
    expect(elements.page.locator("mailbutton-compose #subject")).to_have_value(re.compile(re.escape(HOSTILE)))
    warning = {"key": "to[0]", "code": "x", "message": HOSTILE, "proposal": HOSTILE}
    elements.say("check_document", CHECKED | {"warnings": [warning]})
    elements.button("send").click()
    elements.page.get_by_role("listitem").get_by_text(HOSTILE).wait_for()
    elements.say("send_document", hostile(PARTLY))
    elements.button("send_anyway").click()
    elements.page.get_by_text("No such user" + HOSTILE).wait_for()
    nothing_ran(elements)


# The email


@pytest.mark.parametrize(("width", "locale"), [(1280, "en"), (320, "de"), (1280, "ar")])
def test_each_state_of_an_email_is_fit_for_all(open_page, width, locale):
    elements = open_page(width)
    page = elements.page
    elements.words = elements.account.words(locale=locale)["words"]
    elements.say("words", elements.account.words(locale=locale))
    elements.email(locale=locale)
    page.get_by_role("button").first.wait_for()
    elements.fit()
    page.get_by_role("button").first.click()
    page.get_by_role("dialog").wait_for()
    elements.fit()
    warning = {"key": "to[0]", "code": "x", "message": "Is ion@gmail.com meant?", "proposal": "ion@gmail.com"}
    elements.say("check_document", CHECKED | {"warnings": [warning]})
    elements.button("send").click()
    page.get_by_text(warning["message"]).wait_for()
    elements.fit()
    elements.button("apply").click()
    expect(page.locator("mailbutton-compose #to")).to_have_value("ion@gmail.com")
    elements.say("send_document", pending())
    elements.hold("reply_wait")
    elements.button("send_anyway").click()
    elements.wait_for("reply_wait")
    elements.release("reply_wait", pending(("content", "Sending", 400)))
    expect(page.get_by_role("progressbar")).to_have_attribute("value", re.compile("400|0"))
    page.get_by_text("Sending", exact=True).first.wait_for()
    elements.fit()
    elements.wait_for("reply_wait")
    elements.release("reply_wait", PARTLY)
    page.get_by_text(PARTLY["message"]).wait_for()
    expect(page.get_by_role("row").filter(has_text="gone@example.com")).to_contain_text(elements.words["outcome_refused"])
    elements.fit()
    assert elements.events() == [["mailbutton-sent", "OK"]]
    elements.button("close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    # Back where the person came from.
    expect(page.get_by_role("button").first).to_be_focused()


def test_pressed_twice_it_is_sent_once(elements):
    elements.compose()
    elements.hold("check_document")
    elements.hold("send_document")
    elements.button("send").click()
    elements.wait_for("check_document")
    elements.button("send").dispatch_event("click")
    elements.page.locator("mailbutton-compose #subject").press("Enter")
    while elements.page.evaluate("fake.waiting('check_document')"):
        elements.release("check_document", CHECKED)
    elements.let_go("check_document")
    elements.wait_for("send_document")
    elements.page.evaluate("new Promise(resolve => setTimeout(resolve))")
    assert len(elements.calls("send_document")) == 1
    elements.release("send_document", DONE)
    elements.page.get_by_text(DONE["message"]).wait_for()


def test_a_connection_that_is_lost_while_sending_does_not_send_again(elements):
    elements.compose()
    elements.say("send_document", pending())
    elements.say("reply_wait", None, DONE)
    elements.button("send").click()
    again = elements.button("try_again")
    done = elements.page.get_by_text(DONE["message"])
    again.or_(done).wait_for()
    # It may have been sent: nobody can say that nothing was changed.
    expect(elements.page.get_by_text(elements.words["no_answer"], exact=True)).to_have_count(0)
    if again.is_visible():
        again.click()
    done.wait_for()
    assert len(elements.calls("send_document")) == 1


def test_what_the_program_forgot_may_have_been_sent(elements):
    """It was begun anew while the email was on its way."""
    forgotten = {"status": -1, "status_name": "BAD_CALL", "reason": "unknown_job", "message": "There is no such job.", "errors": []}
    elements.compose()
    elements.say("send_document", pending())
    elements.say("reply_wait", forgotten)
    elements.button("send").click()
    elements.page.get_by_text(elements.words["end_unknown"], exact=True).wait_for()
    expect(elements.button("send")).to_have_count(0)
    assert elements.events() == [["mailbutton-failed", "UNCERTAIN"]]
    assert len(elements.calls("send_document")) == 1
    elements.fit()


def test_an_email_that_is_asked_for_again_has_the_same_name(elements):
    elements.compose()
    elements.say("send_document", None, REFUSED, DONE)
    elements.button("send").click()
    elements.button("try_again").click()
    elements.page.get_by_text(REFUSED["message"]).wait_for()
    elements.button("send").click()
    elements.page.get_by_text(DONE["message"]).wait_for()
    lost, again, mended = (call["json"]["idempotency_key"] for call in elements.calls("send_document"))
    assert lost == again != mended


def test_a_dialog_that_is_moved_in_its_page_keeps_what_was_written(elements):
    page = elements.page
    elements.compose()
    page.locator("mailbutton-compose #subject").fill("My own words")
    page.evaluate("document.body.append(document.body.appendChild(document.createElement('main')).appendChild(document.querySelector('mailbutton-compose')))")
    page.evaluate("new Promise(resolve => setTimeout(resolve))")
    expect(page.locator("mailbutton-compose #subject")).to_have_value("My own words")
    assert page.evaluate("document.querySelector('mailbutton-compose').shadowRoot.querySelector('dialog').matches(':modal')")
    elements.say("send_document", DONE)
    elements.button("send").click()
    elements.page.get_by_text(DONE["message"]).wait_for()
    page.evaluate("document.querySelector('mailbutton-compose').remove()")
    page.evaluate("new Promise(resolve => setTimeout(resolve))")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_an_email_that_may_have_been_sent_is_not_sent_again(elements):
    elements.compose()
    elements.say("send_document", UNCERTAIN)
    elements.button("send").click()
    elements.page.get_by_text(UNCERTAIN["message"]).first.wait_for()
    expect(elements.button("send")).to_have_count(0)
    expect(elements.page.get_by_role("row").filter(has_text="ion@example.com")).to_contain_text(elements.words["outcome_uncertain"])
    assert elements.events() == [["mailbutton-failed", "UNCERTAIN"]]
    elements.fit()


def test_what_is_wrong_with_an_email_is_said_where_it_is_and_nothing_is_lost(elements):
    elements.compose()
    subject = elements.page.locator("mailbutton-compose #subject")
    subject.fill("My own words")
    errors = [{"key": "to[0]", "code": "x", "message": "This is no address."}]
    elements.say("check_document", {"status": -11, "status_name": "BAD_EMAIL", "reason": "x", "message": "This is no address.", "errors": errors})
    elements.button("send").click()
    to = elements.page.locator("mailbutton-compose #to")
    expect(to).to_have_attribute("aria-invalid", "true")
    expect(to).to_have_accessible_description(re.compile("This is no address."))
    expect(to).to_be_focused()
    elements.fit()
    elements.say("check_document", CHECKED)
    elements.say("send_document", DONE)
    to.fill("ion@example.com")
    expect(to).not_to_have_attribute("aria-invalid", "true")
    elements.button("send").click()
    elements.page.get_by_text(DONE["message"]).wait_for()
    (sent,) = elements.calls("send_document")
    assert (sent["json"]["subject"], sent["json"]["to"], sent["json"]["partial"]) == ("My own words", "ion@example.com", True)


def test_what_failed_can_be_mended_and_sent(elements):
    elements.compose()
    elements.say("send_document", REFUSED, DONE)
    elements.button("send").click()
    elements.page.get_by_text(REFUSED["message"]).wait_for()
    elements.fit()
    elements.button("send").click()
    elements.page.get_by_text(DONE["message"]).wait_for()
    assert elements.events() == [["mailbutton-failed", "LOGIN_REFUSED"], ["mailbutton-sent", "OK"]]


def test_esc_does_not_throw_away_what_was_written(elements):
    elements.compose()
    dialog = elements.page.get_by_role("dialog")
    elements.page.locator("mailbutton-compose #body").fill("A long letter")
    for _ in range(3):
        elements.page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    elements.page.get_by_text(elements.words["discard_question"], exact=True).wait_for()
    elements.fit()
    elements.button("keep_editing").click()
    expect(elements.page.locator("mailbutton-compose #body")).to_have_value("A long letter")
    elements.page.keyboard.press("Escape")
    elements.button("discard").click()
    expect(dialog).to_have_count(0)


def test_a_preview_that_does_not_come_is_told_and_can_be_asked_for_again(elements):
    elements.compose()
    elements.say("check_document", None)
    elements.button("preview").click()
    elements.page.get_by_text(elements.words["no_answer"]).wait_for()
    expect(elements.page.locator("mailbutton-compose #body")).to_be_visible()
    elements.say("check_document", {"status": -11, "status_name": "BAD_EMAIL", "preview_html": "<p>Hello <b>Ana</b></p>"})
    elements.button("try_again").click()
    elements.page.frame_locator("mailbutton-compose iframe.preview").get_by_text("Hello Ana").wait_for()
    expect(elements.page.get_by_text(elements.words["no_answer"])).to_have_count(0)


def test_esc_closes_an_email_that_nobody_touched(elements):
    reply = elements.email()
    button = elements.page.get_by_role("button", name=reply["button"]["label"], exact=True)
    button.focus()
    elements.page.keyboard.press("Enter")
    elements.page.get_by_role("dialog").wait_for()
    elements.page.keyboard.press("Escape")
    expect(elements.page.get_by_role("dialog")).to_have_count(0)
    expect(button).to_be_focused()


@pytest.mark.parametrize("warnings", [[], [{"key": "subject", "code": "x", "message": "Is this meant?", "proposal": None}]])
def test_an_email_under_way_is_not_hidden_by_esc(elements, warnings):
    elements.compose()
    elements.say("check_document", CHECKED | {"warnings": warnings})
    elements.say("send_document", pending())
    elements.hold("reply_wait")
    elements.button("send").click()
    if warnings:
        elements.button("send_anyway").click()
    elements.wait_for("reply_wait")
    # What was pressed is gone, and the keyboard goes on from inside the dialog.
    assert elements.focus() is not None
    for _ in range(3):
        elements.page.keyboard.press("Escape")
    expect(elements.page.get_by_role("dialog")).to_be_visible()
    elements.release("reply_wait", DONE)
    elements.page.get_by_text(DONE["message"]).wait_for()


def test_attachments_come_and_go(elements):
    elements.compose()
    name = "<b>terms</b>.txt"
    elements.page.locator("mailbutton-compose input[type=file]").set_input_files(
        [{"name": name, "mimeType": "text/plain", "buffer": b"hello"}, {"name": "b.bin", "mimeType": "", "buffer": b"\0\1"}]
    )
    elements.page.get_by_text(re.compile(re.escape(name))).first.wait_for()
    elements.fit()
    remove = elements.words["remove_attachment"].replace("{file}", "b.bin")
    elements.page.get_by_role("button", name=remove, exact=True).click()
    elements.say("send_document", DONE)
    elements.button("send").click()
    elements.page.get_by_text(DONE["message"]).wait_for()
    assert elements.calls("send_document")[0]["json"]["attachments"] == [{"file_name": name, "base64": "aGVsbG8=", "type": "text/plain"}]


def test_the_preview_is_the_library_s_own_and_can_do_nothing(elements):
    email = elements.compose()
    page = elements.page
    page.locator("mailbutton-compose #body").fill("Hello **Ion**\n\n" + HOSTILE)
    typed = page.locator("mailbutton-compose #body").input_value()
    preview = elements.account.check_document({**email, "body": typed, "preview": True}, b"%PDF-1.4\n")["preview_html"]
    elements.say("check_document", CHECKED | {"preview_html": preview + "<script>parent.document.title=4</script>"})
    elements.button("preview").click()
    frame = page.frame_locator("mailbutton-compose iframe.preview")
    expect(frame.locator("strong")).to_have_text("Ion")
    assert page.locator("mailbutton-compose iframe.preview").get_attribute("sandbox") == ""
    assert elements.calls("check_document")[-1]["json"]["body"] == typed
    elements.button("write").click()
    expect(page.locator("mailbutton-compose #body")).to_have_value(typed)
    nothing_ran(elements)
    assert "sandboxed" in elements.complaints.pop()


def test_a_document_of_the_page_s_own_is_sent_as_bytes(elements):
    elements.email()
    elements.page.evaluate("document.querySelector('mailbutton-compose').pdf = new Uint8Array([37, 80, 68, 70, 45])")
    elements.page.get_by_role("button").click()
    elements.say("send_document", DONE)
    elements.button("send").click()
    elements.page.get_by_text(DONE["message"]).wait_for()
    assert elements.calls("send_document")[0]["bytes"] == 5


def test_what_was_written_outlives_what_the_page_sets_anew(elements):
    elements.compose()
    elements.page.locator("mailbutton-compose #body").fill("A long letter")
    asked = len(elements.calls("button"))
    elements.page.evaluate("document.querySelector('mailbutton-compose').document = {reference: '2026/001'}")
    elements.page.wait_for_function("asked => fake.calls.filter(call => call.name === 'button').length > asked", arg=asked)
    elements.page.evaluate("new Promise(resolve => setTimeout(resolve))")
    expect(elements.page.locator("mailbutton-compose #body")).to_have_value("A long letter")


def test_a_recipient_of_an_outcome_that_is_not_known_is_shown(elements):
    elements.compose()
    recipients = [{"address": "ion@example.com", "role": "to", "outcome": "pigeon", "server": None}, {"address": "b@example.com", "outcome": "accepted"}]
    elements.say("send_document", DONE | {"recipients": recipients})
    elements.button("send").click()
    expect(elements.page.get_by_role("row").filter(has_text="ion@example.com")).to_contain_text("pigeon")


def test_there_is_no_button_where_email_is_not_set_up(elements):
    elements.say("button", elements.account.button({"reference": "1"}))
    elements.show("mailbutton-compose", document={"reference": "1"})
    elements.page.wait_for_function("() => fake.calls.some(call => call.name === 'button')")
    elements.page.evaluate("new Promise(resolve => setTimeout(resolve))")
    expect(elements.page.get_by_role("button")).to_have_count(0)


def test_a_button_that_cannot_be_used_says_why(elements):
    reply = elements.email()
    reply["button"] |= {"enabled": False, "why_not": {"code": "x", "message": "The settings cannot be read."}}
    elements.say("button", reply)
    elements.page.evaluate("document.querySelector('mailbutton-compose').document = {reference: '2'}")
    button = elements.page.get_by_role("button")
    expect(button).to_have_accessible_description("The settings cannot be read.")
    button.click(force=True)
    expect(elements.page.get_by_role("dialog")).to_have_count(0)
    elements.fit()


# How the page speaks to the program


def test_a_program_behind_http(elements):
    elements.page.evaluate("import('./mailbutton.js').then(module => { window.module = module; })")
    asked = []

    def answer(route):
        request = route.request
        asked.append((request.url.removeprefix(PAGE), request.method, request.headers, request.post_data_buffer))
        status = 500 if "broken" in request.url else 200
        route.fulfill(status=status, content_type="application/json", body='{"status": 0}')

    elements.page.route(f"{PAGE}api/**", answer)
    host = "module.fetchHost('/api/', {headers: {'X-CSRF-Token': 't'}})"
    assert elements.page.evaluate(f"{host}.call('form', {{a: 'ă'}})") == {"status": 0}
    assert elements.page.evaluate(f"{host}.call('sign_out', null)") == {"status": 0}
    sending = f"{host}.call('send_document', {{b: 1}}, new Uint8Array([37, 80, 68, 70, 45]))"
    assert elements.page.evaluate(sending) == {"status": 0}
    form, nothing, sent = asked
    assert (form[0], form[1], form[2]["content-type"], form[2]["x-csrf-token"]) == ("api/form", "POST", "application/json", "t")
    assert json.loads(form[3]) == {"a": "ă"}
    assert json.loads(nothing[3]) is None
    assert sent[2]["content-type"].startswith("multipart/form-data; boundary=")
    assert sent[2]["x-csrf-token"] == "t"
    assert elements.page.evaluate("module.fetchHost('/api/broken').call('form', {}).then(() => 'reply', () => 'none')") == "none"
    assert "500" in elements.complaints.pop()


def test_a_program_behind_a_message_channel(elements):
    elements.page.evaluate("import('./mailbutton.js').then(module => { window.module = module; })")
    answers = elements.page.evaluate(
        """async () => {
          const { port1, port2 } = new MessageChannel();
          const asked = [];
          port2.onmessage = ({ data }) => {
            asked.push(data);
            // The second is answered before the first, and the third not at all well.
            if (asked.length === 3) {
              port2.postMessage({ id: asked[1].id, reply: { status: 2 } });
              port2.postMessage({ id: 999, reply: { status: 9 } });
              port2.postMessage({ id: asked[0].id, reply: { status: 1 } });
              port2.postMessage({ id: asked[2].id, error: "gone" });
            }
          };
          const host = module.messageHost(port1);
          const bytes = new Blob([new Uint8Array([1, 2, 3])]);
          const replies = await Promise.allSettled([host.call("form", { a: 1 }), host.call("words", null), host.call("send_document", {}, bytes)]);
          return [replies.map(({ status, value }) => value?.status ?? status), asked.map((each) => [each.function, each.json, each.bytes?.length ?? null])];
        }"""
    )
    assert answers == [[1, 2, "rejected"], [["form", {"a": 1}, None], ["words", None, None], ["send_document", {}, 3]]]


def test_loaded_twice_it_is_there_once(elements):
    elements.settings()
    elements.page.evaluate("import('./mailbutton.js?again')")
    expect(elements.page.locator("mailbutton-settings [name=smtp_host]")).to_be_visible()
