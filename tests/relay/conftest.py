"""A relay in a process of its own, in front of an SMTP server of the tests' own."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = Path(os.environ.get("MAILBUTTON_LIBRARY", ROOT / "target/release/libmailbutton.so")).resolve()
os.environ["MAILBUTTON_LIBRARY"] = str(LIBRARY)
sys.path[:0] = [str(ROOT / "bindings/python"), str(ROOT / "tests"), str(ROOT / "examples/relay")]

from relay_support import MailServer, Relay  # noqa: E402


@pytest.fixture
def mail():
    with MailServer() as server:
        yield server


@pytest.fixture
def make_relay(mail, tmp_path):
    running = []

    def make(**changes):
        relay = Relay(tmp_path, mail, **changes)
        running.append(relay)
        return relay.start()

    yield make
    for relay in running:
        relay.stop()


@pytest.fixture
def relay(make_relay):
    return make_relay()
