"""What all of these tests share: the library, servers, accounts, and a look at every reply for secrets."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = Path(os.environ.get("MAILBUTTON_LIBRARY", ROOT / "target/release/libmailbutton.so")).resolve()
os.environ["MAILBUTTON_LIBRARY"] = str(LIBRARY)
sys.path[:0] = [str(ROOT / "bindings/python"), str(ROOT / "tests")]

import mailbutton  # noqa: E402
from mailbutton import _account  # noqa: E402
from servers import SERVERS, make_certificates  # noqa: E402
from servers.reporting import pytest_runtest_makereport  # noqa: E402, F401
from support import SilentServer, leaks, smtp_settings  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def no_secret_in_any_reply():
    """Every reply of the whole session is looked through at its end."""
    read, replies = _account._read, []

    def remember(pointer):
        reply = read(pointer)
        replies.append(reply)
        return reply

    _account._read = remember
    yield replies
    _account._read = read
    found = [leak for reply in replies for leak in leaks(reply)]
    assert not found, f"secrets in {len(found)} places of replies: {found[:5]}"


@pytest.fixture(scope="session")
def certificates():
    # Not in pytest's folder, which is closed to the accounts that the servers run as.
    with tempfile.TemporaryDirectory(prefix="mailbutton-certificates-") as folder:
        os.chmod(folder, 0o755)
        yield make_certificates(folder)


@pytest.fixture(scope="session")
def servers(certificates):
    """Starts each server once, when the first test asks for it."""
    running = {}

    def get(name):
        if name not in running:
            server = start(name, certificates=certificates)
            running[name] = server.__enter__()
        running[name].clear()
        return running[name]

    yield get
    for server in running.values():
        server.__exit__(None, None, None)


def start(name, **options):
    missing = SERVERS[name].missing()
    if missing:
        pytest.skip(f"{name} cannot run here, missing: {', '.join(missing)}")
    return SERVERS[name](**options)


@pytest.fixture
def start_server():
    """A server with options of the test's own."""
    return start


@pytest.fixture
def server(servers):
    return servers("aiosmtpd")


@pytest.fixture
def account(server):
    """An account with good settings for `server`, kept in memory."""
    with mailbutton.open(ca_file=server.ca_file, program_name="Ledger") as account:
        account.settings_set(smtp_settings(server))
        yield account


@pytest.fixture
def silent():
    """A server that takes connections and never says a word."""
    with SilentServer() as server:
        yield server
