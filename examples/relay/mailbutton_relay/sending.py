"""From an email to the SMTP server, through mailbutton. Blocks: runs on a thread of its own."""

from html.parser import HTMLParser

import mailbutton

from .refusal import Refusal

UNKNOWN = "It is not known what became of this email: it may or may not have been sent."
HIDDEN = {"style", "script", "title", "head"}
BLOCKS = {"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre"}


class Text(HTMLParser):
    """The words of a page, for those who read no HTML."""

    def __init__(self):
        super().__init__()
        self.pieces, self.hidden = [], 0

    def handle_starttag(self, tag, attrs):
        self.hidden += tag in HIDDEN
        if tag in BLOCKS:
            self.pieces.append("\n")

    def handle_endtag(self, tag):
        self.hidden -= tag in HIDDEN and self.hidden > 0
        if tag in BLOCKS:
            self.pieces.append("\n")

    def handle_data(self, data):
        if not self.hidden:
            self.pieces.append(" ".join(data.split()) if data.strip() else " ")


def text_of(html):
    parser = Text()
    parser.feed(html)
    parser.close()
    lines = [" ".join(line.split()) for line in "".join(parser.pieces).split("\n")]
    return "\n\n".join(line for line in lines if line) or " "


def settings(config, email):
    made = {**config.smtp, "sender_name": email.sender}
    if email.reply_to:
        made |= {"different_reply_to": True, "reply_to": ", ".join(email.reply_to)}
    return made


def send(config, email, key=None):
    """Returns when the SMTP server has accepted the email for everybody, and raises a Refusal where it has not."""
    try:
        with mailbutton.open(program_name="mailbutton relay", ca_file=config.ca_file or None) as account:
            account.settings_set(settings(config, email))
            if email.is_test:
                account.send_test(to=email.to[0])
            else:
                account.send_document(_document(email, key), email.files[0].path)
    except mailbutton.Error as error:
        raise refusal(error) from None


def _document(email, key):
    made = {"to": email.to, "cc": email.cc, "bcc": email.bcc, "subject": email.subject}
    made |= {"body_html": email.body, "body_text": text_of(email.body), "partial": False}
    made["document"] = {"file_name": email.files[0].name}
    made["attachments"] = [
        {"path": str(file.path), "file_name": file.name, **({"type": file.kind} if file.kind else {})}
        for file in email.files[1:]
    ]
    return made | ({"idempotency_key": key} if key else {})


def refusal(error):
    """502 says to a client that the email may have been sent. So what surely was not sent is told otherwise."""
    if isinstance(error, (mailbutton.Uncertain, mailbutton.Internal)):
        return Refusal(504, UNKNOWN)
    if isinstance(error, (mailbutton.TryLater, mailbutton.Unreachable)):
        return Refusal(503, "The mail server cannot take the email right now. Nothing was sent.", 60)
    if isinstance(error, mailbutton.Refused):
        if error.reason == "too_large":
            return Refusal(413, "The email is too large for the mail server. Nothing was sent.")
        # Its sentence names the server, the recipient and what was wrong, and never a secret.
        return Refusal(422, error.message)
    # The settings were found good at the start: what is wrong now came with the email, such as its sender's name.
    if isinstance(error, (mailbutton.BadEmail, mailbutton.BadSettings)) and error.errors:
        return Refusal(422, error.errors[0]["message"])
    if isinstance(error, mailbutton.BadCall):
        return Refusal(422, "The email has something that no email can have, for example an unknown type of a file.")
    return Refusal(500, "This relay is not set up to send at the moment. Nothing was sent.")
