"""What the program shows."""

import json

from internet import APP_PASSWORD, GMAIL, ORCHARD, OWN, PASSWORD
from letters import address_list, attachments, has_html, headers, plain_text, subject_of
from markup import Markup, h
from words import LANGUAGES

ICONS = {
    "invoices": "M6 2h9l5 5v15H6zM14 2v6h6M9 13h8M9 17h8",
    "sent": "M3 11 21 3l-6 18-4-7zM11 14l10-11",
    "inbox": "M3 13h5l2 3h4l2-3h5M5 5h14l2 8v6H3v-6z",
    "settings": "M3 6h18v12H3zM3 7l9 7 9-7",
    "paid": "M5 12l5 5L19 7",
    "open": "M12 7v5l3 3M12 3a9 9 0 1 0 .01 0",
    "overdue": "M12 8v5M12 16.5v.5M12 3 2 20h20z",
    "OK": "M5 12l5 5L19 7",
    "partly": "M5 12l4 4M13 12l4-4M12 3a9 9 0 1 0 .01 0",
    "UNCERTAIN": "M9 9a3 3 0 1 1 4 3c-1 .5-1 1-1 2M12 17v.5",
    "CANCELED": "M6 6l12 12M18 6 6 18",
    "failed": "M12 8v5M12 16.5v.5M12 3 2 20h20z",
    "clip": "M20 11l-8 8a5 5 0 0 1-7-7l8-8a3.5 3.5 0 0 1 5 5l-8 8a2 2 0 0 1-3-3l7-7",
    "pdf": "M6 2h9l5 5v15H6zM14 2v6h6",
    "back": "M15 5l-7 7 7 7",
}
NAVIGATION = (("/", "invoices"), ("/sent", "sent"), ("/inbox", "inbox"), ("/settings", "settings"))


def icon(name):
    shape = h("path", d=ICONS[name])
    return h("svg", shape, class_=f"icon icon-{name}", viewBox="0 0 24 24", aria_hidden="true", focusable="false")


def page(view, title, *content, here=None, wide=False):
    """The whole of a page around its content."""
    words = view.words
    head = h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", name="color-scheme", content="light dark"),
        view.token and h("meta", name="csrf-token", content=view.token),
        h("title", f"{title} – {words('program')}"),
        h("link", rel="icon", href="/static/icon.svg"),
        h("link", rel="stylesheet", href="/static/style.css"),
        h("link", rel="modulepreload", href="/static/mailbutton.js"),
        h("script", src="/static/app.js", type="module"),
    )
    body = h(
        "body",
        h("a", words("skip"), href="#content", class_="skip"),
        side(view, here) if view.token else None,
        h("main", *content, id="content", tabindex="-1", class_="wide" if wide else None),
    )
    return Markup("<!doctype html>\n") + h("html", head, body, lang=words.language, dir=words.direction)


def side(view, here):
    words = view.words
    links = [
        h("li", h("a", icon(key), h("span", words(key)), href=href, aria_current="page" if key == here else None))
        for href, key in NAVIGATION
    ]
    languages = [
        h("a", each["name"], href=f"?lang={tag}", lang=tag, hreflang=tag, aria_current="true" if tag == words.language else None)
        for tag, each in LANGUAGES.items()
    ]
    return h(
        "header",
        h("a", h("img", src="/static/icon.svg", alt="", width="32", height="32"),
          h("span", h("strong", words("program")), h("small", words("business"))), href="/", class_="brand"),
        h("nav", h("ul", links), aria_label=words("menu")),
        h("div", h("nav", languages, class_="languages", aria_label=words("language")),
          h("p", words("demo"), class_="note"), class_="foot"),
        class_="side",
    )  # fmt: skip


def heading(title, lead=None, *actions):
    return h(
        "div",
        h("div", h("h1", title), lead and h("p", lead, class_="lead")),
        h("div", *actions, class_="actions") if actions else None,
        class_="heading",
    )


def pill(kind, text):
    return h("span", icon(kind), text, class_=f"pill pill-{kind}")


def bdi(text):
    """A text that runs its own way whatever is around it: an address, a name, an amount."""
    return h("bdi", text)


def address(text):
    """Broken at the @, if at all."""
    parts = text.replace("@", "@\n").split("\n")
    return h("bdi", parts[0], [(h("wbr"), part) for part in parts[1:]])


def table(label, heads, rows):
    """Rows of (link, cells); on a phone each row is a card whose cells say what they are."""
    body = [
        h("tr", [
            h("td", cell, data_label=head, class_="amount" if is_amount else None)
            for (head, is_amount), cell in zip(heads, cells)
        ])
        for cells in rows
    ]  # fmt: skip
    top = h("tr", [h("th", head, scope="col", class_="amount" if is_amount else None) for head, is_amount in heads])
    return h("div", h("table", h("caption", label, class_="hidden"), h("thead", top), h("tbody", body)), class_="card")


# Invoices


def totals(view):
    words, books = view.words, view.books
    shown = []
    for state in ("open", "overdue", "paid"):
        invoices = [entry.invoice for entry in books if entry.state(books.today) == state]
        amount = words.money(sum(invoice.total for invoice in invoices), "EUR")
        shown.append(h("div", h("dt", icon(state), words(f"{state}_total")), h("dd", bdi(amount)), class_=f"total {state}"))
    return h("dl", shown, class_="totals")


def emailed(view, entry):
    went = [sent for sent in view.books.sent(entry.number) if sent.status == "OK"]
    if went:
        return view.words("emailed_on", day=view.words.day(went[0].when))
    return h("span", view.words("not_sent_yet"), class_="quiet")


def invoices(view):
    words = view.words
    heads = [(words(key), key == "amount") for key in ("number", "customer", "date", "due", "amount", "state", "email")]
    rows = [
        (
            h("a", bdi(entry.number), href=f"/invoices/{entry.number}"),
            bdi(entry.customer),
            words.day(entry.invoice.date),
            words.day(entry.invoice.due),
            bdi(words.money(entry.invoice.total, entry.invoice.currency)),
            pill(entry.state(view.books.today), words(entry.state(view.books.today))),
            emailed(view, entry),
        )
        for entry in view.books
    ]
    content = heading(words("invoices")), set_up(view), totals(view), table(words("invoices"), heads, rows)
    return page(view, words("invoices"), *content, here="invoices")


def set_up(view):
    """What to do first, until it is done."""
    if view.is_set_up:
        return None
    words = view.words
    link = h("a", words("set_up"), href="/settings", class_="button")
    return h("div", icon("settings"), h("p", words("not_set_up")), link, class_="hint")


def facts(*rows):
    return h("dl", [h("div", h("dt", name), h("dd", value)) for name, value in rows], class_="facts")


def invoice(view, entry):
    words, state = view.words, entry.state(view.books.today)
    title = words("invoice", number=entry.number)
    pdf = f"/invoices/{entry.number}.pdf"
    compose = h(
        "mailbutton-compose",
        locale=words.language,
        data_base=f"/invoices/{entry.number}/mailbutton",
        data_document=json.dumps(entry.document),
        data_pdf=pdf,
    )
    opens = h("a", icon("pdf"), words("open_pdf"), href=pdf, class_="button plain", target="_blank", rel="noopener")
    details = h(
        "section",
        h("h2", words("details")),
        facts(
            (words("customer"), bdi(entry.customer)),
            (words("address"), address(entry.addresses)),
            (words("date"), words.day(entry.invoice.date)),
            (words("due"), words.day(entry.invoice.due)),
            (words("total"), h("strong", bdi(words.money(entry.invoice.total, entry.invoice.currency)))),
        ),
        class_="card padded",
    )
    history = h("section", h("h2", words("history")), past(view, entry), class_="card padded", id="history")
    shown = h("iframe", src=f"{pdf}#toolbar=0&navpanes=0&view=FitH", title=words("pdf_of", number=entry.number))
    paper = h("div", shown, class_="paper")
    return page(
        view,
        title,
        heading(h("span", title, " ", pill(state, words(state))), None, opens, compose),
        set_up(view),
        h("div", paper, h("div", details, history, class_="beside"), class_="columns"),
        here="invoices",
        wide=True,
    )


# What was sent


def outcome(view, sent):
    kind = sent.status if sent.status in ("OK", "UNCERTAIN", "CANCELED") else "failed"
    if sent.reason == "accepted_partly":
        kind = "partly"
    return pill(kind, view.words(f"outcome_{kind}"))


def recipients(view, sent):
    return h("ul", [
        h("li", address(to), " ", h("span", view.words(result), class_=f"quiet is-{result}"))
        for to, _role, result in sent.recipients
    ], class_="recipients")  # fmt: skip


def past(view, entry):
    """The emails with one invoice."""
    found = view.books.sent(entry.number)
    if not found:
        return h("p", view.words("no_history"), class_="quiet")
    return h("ol", [
        h("li", h("p", h("time", view.words.moment(sent.when)), " ", outcome(view, sent)), recipients(view, sent))
        for sent in found
    ], class_="past")  # fmt: skip


def sent(view):
    words = view.words
    heads = [(words(key), False) for key in ("when", "document", "to", "outcome")]
    rows = [
        (
            words.moment(each.when),
            h("a", words("invoice", number=each.invoice), href=f"/invoices/{each.invoice}"),
            recipients(view, each),
            outcome(view, each),
        )
        for each in view.books.sent()
    ]
    shown = table(words("sent"), heads, rows) if rows else empty("sent", words("nothing_sent"))
    return page(view, words("sent"), heading(words("sent"), words("sent_lead")), set_up(view), shown, here="sent")


def empty(kind, text):
    return h("div", icon(kind), h("p", text), class_="card empty")


# Settings


def settings(view):
    words = view.words

    def account(user, text, *passwords):
        rows = [("address", address(user)), *((name, bdi(secret)) for name, secret in passwords)]
        rows = [(words(name), h("code", value)) for name, value in rows]
        return h("li", facts(*rows), h("p", text))

    ideas = h(
        "aside",
        h("h2", words("try_title"), id="try"),
        h("p", words("try_lead")),
        h("ul",
          account(GMAIL, words("try_gmail"), ("password", PASSWORD), ("app_password", APP_PASSWORD)),
          account(ORCHARD, words("try_orchard"), ("password", PASSWORD)),
          account(OWN, words("try_own"), ("password", PASSWORD))),
        h("p", words("try_port")),
        h("p", words("try_recipient")),
        class_="card padded ideas", aria_labelledby="try",
    )  # fmt: skip
    form = h(
        "section",
        h("h2", words("account")),
        h("mailbutton-settings", locale=words.language, data_base="/mailbutton"),
        class_="card padded",
    )
    content = heading(words("settings"), words("settings_lead")), h("div", form, ideas, class_="columns form-first")
    return page(view, words("settings"), *content, here="settings", wide=True)


# The inbox


def inbox(view):
    words = view.words
    refresh = h("a", words("refresh"), href="/inbox", class_="button plain")
    letters = [
        h("li", h(
            "a",
            h("span", bdi(address_list(received.message["From"])), class_="who"),
            h("span", bdi(subject_of(received.message) or words("no_subject")), class_="what"),
            h("span", h("span", words("to"), " ", bdi(", ".join(received.recipients))), class_="whom"),
            h("span", icon("clip") if attachments(received.message) else None, words.moment(received.when.astimezone()), class_="when"),
            href=f"/inbox/{received.number}",
        ))
        for received in view.inbox
    ]  # fmt: skip
    shown = h("ul", letters, class_="card letters") if letters else empty("inbox", words("no_mail"))
    return page(view, words("inbox"), heading(words("inbox"), words("inbox_lead"), refresh), shown, here="inbox")


def letter(view, received):
    words, message = view.words, received.message
    title = subject_of(message) or words("no_subject")
    names = [("from", "From"), ("to", "To"), ("cc", "Cc")]
    top = [(words(key), address(address_list(message[name]))) for key, name in names if message[name]]
    top += [
        (words("envelope"), address(", ".join(received.recipients))),
        (words("when"), words.moment(received.when.astimezone())),
    ]
    files = [
        h("li", h(
            "a", icon("clip"), bdi(part.get_filename() or "?"),
            h("small", words("bytes", size=max(1, len(content) // 1024))),
            href=f"/inbox/{received.number}/files/{at}", target="_blank", rel="noopener", class_="file",
        ))
        for at, (part, content) in enumerate(attachments(message))
    ]  # fmt: skip
    text = h("pre", plain_text(message), class_="text")
    body = (
        h("iframe", src=f"/inbox/{received.number}/html", sandbox=True, title=words("message"), class_="letter")
        if has_html(message)
        else text
    )
    more = [
        has_html(message) and h("details", h("summary", words("as_text")), text),
        h("details", h("summary", words("headers")), h("pre", headers(message), class_="text")),
    ]
    return page(
        view,
        title,
        h("a", icon("back"), words("back_inbox"), href="/inbox", class_="back"),
        heading(bdi(title)),
        h("section", facts(*top), h("ul", files, class_="files") if files else None, body, [m for m in more if m],
          class_="card padded"),
        here="inbox",
    )  # fmt: skip


# What is not there


def gone(view):
    words = view.words
    link = h("a", words("home"), href="/", class_="button")
    return page(view, words("gone"), heading(words("gone"), words("gone_lead"), link))


def locked(view):
    return page(view, view.words("locked"), heading(view.words("locked"), view.words("locked_lead")))
