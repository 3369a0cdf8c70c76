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
from browsing import CHROMIUM, FLAGS, needs_chromium  # noqa: E402
from program import Program  # noqa: E402


@pytest.fixture
def program():
    with Program(Books(date(2026, 11, 25))) as program:
        yield program


@pytest.fixture(scope="session")
def chromium():
    with needs_chromium().sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(program, chromium):
    """A function that opens the program in a window of its own; what the browser complains of fails the test."""
    contexts, complaints = [], []

    def open_window(language="en", width=1280, height=900, **options):
        context = chromium.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce", **options)
        contexts.append(context)
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(program.address)
        page.goto(f"{page.url}?lang={language}")
        return page

    yield open_window
    for context in contexts:
        context.close()
    assert not complaints
