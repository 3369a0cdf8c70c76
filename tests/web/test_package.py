"""The npm package: what is in dist is what the sources give, small, and typed."""

import gzip
import json
import os
import re
import shutil
import subprocess

import pytest
from conftest import ROOT

WEB = ROOT / "bindings/web"
TOOLS = ROOT / "target/web/node_modules"


def test_it_is_at_most_30_kb_and_needs_nothing_else():
    script = (WEB / "dist/mailbutton.js").read_bytes()
    assert len(gzip.compress(script, 9)) <= 30_000
    assert json.loads((WEB / "package.json").read_text()).get("dependencies") is None
    # No address of its own, and no way to make markup of a text.
    assert not re.search(rb"https?://(?!example\.com)|innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc|\beval\b", script)


def test_what_is_in_dist_is_made_of_the_sources(tmp_path):
    if not TOOLS.is_dir():
        pytest.skip("the package's tools are not installed (npm)")
    made = tmp_path / "web"
    shutil.copytree(WEB, made, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (made / "node_modules").symlink_to(TOOLS)
    # The examples are compiled with them.
    examples = re.findall(r"```ts\n(.*?)```", (WEB / "README.md").read_text(), re.DOTALL)
    assert len(examples) == 2
    for at, example in enumerate(examples):
        (made / f"src/example-{at}.ts").write_text(example.replace("@mailbutton/web", "./index.js"))
    for script in ("check", "build"):
        subprocess.run(["npm", "run", script], cwd=made, check=True, capture_output=True, env={**os.environ, "NO_UPDATE_NOTIFIER": "1"})
    for name in ("mailbutton.js", "mailbutton.d.ts"):
        assert (made / "dist" / name).read_bytes() == (WEB / "dist" / name).read_bytes(), name


def test_the_words_that_it_shows_are_the_librarys(program):
    words = program.account.words(locale="en")["words"]
    sources = "".join(path.read_text() for path in (WEB / "src").glob("*.ts"))
    shown = set(re.findall(r'\b(?:word|words|filled)\("(\w+)"', sources))
    assert len(shown) > 30 and shown <= set(words)
