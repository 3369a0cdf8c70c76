"""Where things lie."""

import contextlib
import fcntl
import os
import sys
import tempfile
from pathlib import Path

BENCHES = Path(__file__).resolve().parent.parent
ROOT = BENCHES.parent
CLIENTS = BENCHES / "clients"
# Everything that is built, installed or made for a run.
OUT = ROOT / "target/benches"
LIBRARY = Path(os.environ.get("MAILBUTTON_LIBRARY", ROOT / "target/release/libmailbutton.so")).resolve()
RESULTS = BENCHES / "RESULTS.md"
GROWTH = BENCHES / "growth.svg"


@contextlib.contextmanager
def appearing(path):
    """A file to be made that appears whole at its place, as another run may be using the one before."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        yield made
        made.replace(path)


@contextlib.contextmanager
def alone():
    """Waits for another run to end: two at a time would measure each other."""
    with (OUT / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another run to end", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
