"""Emails as they arrived, read with the standard library."""

import email
import email.policy


def parse(raw):
    return email.message_from_bytes(raw, policy=email.policy.default)


def subject_of(message):
    return str(message["Subject"] or "")


def address_list(header):
    """As people read it: names where there are some."""
    return ", ".join(str(address) for address in header.addresses) if header else ""


def headers(message):
    return "\n".join(f"{name}: {value}" for name, value in message.items())


def body(message, kind):
    part = message.get_body((kind,))
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except (LookupError, ValueError):
        # An encoding that nobody knows, or another one than it says.
        return (part.get_payload(decode=True) or b"").decode("utf-8", "replace")


def plain_text(message):
    return body(message, "plain").strip()


def has_html(message):
    return message.get_body(("html",)) is not None


def attachments(message):
    """Each part that is a file, with its bytes."""
    return [(part, part.get_payload(decode=True) or b"") for part in message.iter_attachments()]
