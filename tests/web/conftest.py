"""The demo program in this process, and what its tests share."""

import os
import sys
from datetime import date
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = Path(os.environ.get("MAILBUTTON_LIBRARY", ROOT / "target/release/libmailbutton.so")).resolve()
os.environ["MAILBUTTON_LIBRARY"] = str(LIBRARY)
sys.path[:0] = [str(ROOT / "bindings/python"), str(ROOT / "examples/host-web")]

from books import Books  # noqa: E402
from program import Program  # noqa: E402


@pytest.fixture
def program():
    with Program(Books(date(2026, 11, 25))) as program:
        yield program
