"""The TOML configuration. What is unknown or of the wrong kind is an error, so that a typing mistake switches nothing off."""

import ipaddress
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path


class Wrong(Exception):
    """The configuration cannot be used; as a string, why."""


@dataclass(frozen=True)
class Limits:
    request_bytes: int = 30_000_000
    file_bytes: int = 25_000_000
    text_bytes: int = 1_000_000
    parts: int = 30
    header_seconds: int = 10
    upload_seconds: int = 300
    requests_at_once: int = 8
    stop_seconds: int = 660


@dataclass(frozen=True)
class Token:
    name: str
    sha256: str
    from_names: list = field(default_factory=list)
    reply_to_domains: list = field(default_factory=list)
    recipient_domains: list = field(default_factory=list)
    recipients: int = 20
    per_minute: int = 30
    per_day: int = 1000


@dataclass(frozen=True)
class Config:
    smtp: dict
    tokens: list
    limits: Limits = Limits()
    host: str = "127.0.0.1"
    port: int = 8025
    state: str = "relay-state"
    certificate: str = ""
    key: str = ""
    clear_behind_proxy: bool = False
    ca_file: str = ""


def load(path):
    try:
        text = Path(path).read_text(encoding="utf-8")
        given = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Wrong(f"{path}: {error}") from None
    given["limits"] = _made(Limits, given.get("limits", {}), "limits")
    tokens = given.get("tokens", [])
    if not isinstance(tokens, list) or not tokens:
        raise Wrong("tokens: there must be at least one [[tokens]]")
    given["tokens"] = [_made(Token, token, f"tokens[{at}]") for at, token in enumerate(tokens)]
    config = _made(Config, given, "")
    _check(config)
    return config


def _made(kind, given, place):
    if not isinstance(given, dict):
        raise Wrong(f"{place}: must be a table")
    known = {each.name: each.type for each in fields(kind)}
    for name, value in given.items():
        if name not in known:
            raise Wrong(f"{place}.{name}".lstrip(".") + ": there is no such setting")
        if type(value) is not known[name]:
            raise Wrong(f"{place}.{name}".lstrip(".") + f": must be of type {known[name].__name__}")
        if known[name] is int and value < (0 if name == "port" else 1):
            raise Wrong(f"{place}.{name}".lstrip(".") + ": must be at least 1")
        if known[name] is list and not (
            all(isinstance(each, (str, Token)) for each in value)
        ):
            raise Wrong(f"{place}.{name}".lstrip(".") + ": must be a list of texts")
    try:
        return kind(**given)
    except TypeError as error:
        raise Wrong(f"{place or 'configuration'}: {str(error).partition('() ')[2]}") from None


def _check(config):
    if len({token.name for token in config.tokens}) != len(config.tokens):
        raise Wrong("tokens: two have the same name")
    for token in config.tokens:
        if len(token.sha256) != 64 or set(token.sha256) - set("0123456789abcdef"):
            raise Wrong(f"tokens: sha256 of {token.name!r} must be 64 digits as `token` prints them")
    if bool(config.certificate) != bool(config.key):
        raise Wrong("certificate and key: give both or none")
    try:
        loopback = ipaddress.ip_address(config.host).is_loopback
    except ValueError:
        raise Wrong("host: must be an IP address") from None
    if not loopback and not config.certificate and not config.clear_behind_proxy:
        raise Wrong("host: tokens and emails would travel in clear; give certificate and key, or clear_behind_proxy = true")
