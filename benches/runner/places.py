"""Where things lie."""

import os
from pathlib import Path

BENCHES = Path(__file__).resolve().parent.parent
ROOT = BENCHES.parent
CLIENTS = BENCHES / "clients"
# Everything that is built, installed or made for a run.
OUT = ROOT / "target/benches"
LIBRARY = Path(os.environ.get("MAILBUTTON_LIBRARY", ROOT / "target/release/libmailbutton.so")).resolve()
RESULTS = BENCHES / "RESULTS.md"
GROWTH = BENCHES / "growth.svg"
