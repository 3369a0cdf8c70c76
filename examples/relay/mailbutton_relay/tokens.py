"""Who may send, and what."""

import hashlib
import hmac
import re
import secrets

from .refusal import Refusal


def new():
    """A token and what the configuration keeps of it. 256 random bits need no slow hash."""
    token = secrets.token_urlsafe(32)
    return token, digest(token)


def digest(token):
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def recognise(config, header):
    scheme, _, given = (header or "").partition(" ")
    given = digest(given.strip())
    # All of them, whichever fits, so that the time tells nothing.
    found = [token for token in config.tokens if hmac.compare_digest(token.sha256, given)]
    if scheme.lower() != "bearer" or not found:
        raise Refusal(401, "This access token is not known here.")
    return found[0]


def check_sender(token, email):
    if token.from_names and email.sender not in token.from_names:
        raise Refusal(403, "This access token may not send under this sender's name.")
    _check_domains(token.reply_to_domains, email.reply_to, "have replies sent to this domain")
    recipients = [*email.to, *email.cc, *email.bcc]
    _check_domains(token.recipient_domains, recipients, "send to this domain")
    if len(recipients) > token.recipients:
        raise Refusal(403, f"This access token may send an email to at most {token.recipients} recipients.")


def _check_domains(allowed, addresses, what):
    domains = {each.lower() for each in allowed}
    for address in addresses:
        if domains and address.rpartition("@")[2].lower() not in domains:
            raise Refusal(403, f"This access token may not {what}.")


# One address and nothing around it: names, groups and lists would let rules be read one way and sent another.
ADDRESS = re.compile(r"[^\s@<>,;:()\"\\\[\]\x00-\x1f\x7f]+@[^\s@<>,;:()\"\\\[\]\x00-\x1f\x7f]+")


def addresses(text, field):
    found = [each.strip(" ") for each in text.split(",")] if text.strip(" ") else []
    if not all(ADDRESS.fullmatch(each) for each in found):
        raise Refusal(422, f"An address in {field} is not an email address.")
    return found
