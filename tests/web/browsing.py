"""Chromium, axe, and pictures of what is on the screen."""

import os
import shutil
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
# Where pictures are kept, if at all: MAILBUTTON_SCREENS=docs/screens makes those of the documentation.
SCREENS = os.environ.get("MAILBUTTON_SCREENS")
SCHEMES = ("light", "dark")


def needs_chromium():
    if CHROMIUM is None:
        pytest.skip("cannot run here, missing: chromium", allow_module_level=True)
    return pytest.importorskip("playwright.sync_api", reason="cannot run here, missing: playwright (a Python package)")


AXE = """
async () => {
  const options = { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] };
  const found = await axe.run(document, options);
  return found.violations.map(each => each.id + ": " + each.nodes.map(node => node.target.flat().join(" ") + " "
    + node.any.concat(node.all, node.none).map(check => check.message).join("; ")).join(" | "));
}
"""


def axe_finds(page):
    """What axe finds wrong with a page, each rule with its places; in the colours that it is shown in."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    return page.evaluate(AXE)


def check(page, shown="light"):
    """Nothing for axe to find, light or dark, and nothing that runs out of the page; then it is as it is shown."""
    for scheme in sorted(SCHEMES, key=lambda scheme: scheme == shown):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = axe_finds(page)
        assert not found, f"{page.url}, {scheme}: {found}"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{page.url} is wider than the screen"


def picture(page, name):
    """Keeps a picture, if that is wanted: with a palette, as pictures of a screen are small in it."""
    if SCREENS:
        from PIL import Image

        folder = ROOT / SCREENS
        folder.mkdir(parents=True, exist_ok=True)
        with Image.open(BytesIO(page.screenshot())) as screen:
            screen.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(folder / f"{name}.png", optimize=True)
