"""The npm package: its examples are compiled with it, and its words are the library's."""

import re
import shutil
import subprocess

import pytest
from conftest import ROOT

WEB = ROOT / "bindings/web"
TOOLS = ROOT / "target/web/node_modules"


def test_its_examples_can_be_compiled(tmp_path):
    if not TOOLS.is_dir():
        pytest.skip("cannot run here, missing: npm, and what bindings/web is built with (tests/install)")
    for name in ("package.json", "tsconfig.json"):
        shutil.copy(WEB / name, tmp_path)
    shutil.copytree(WEB / "src", tmp_path / "src")
    (tmp_path / "node_modules").symlink_to(TOOLS)
    examples = re.findall(r"```ts\n(.*?)```", (WEB / "README.md").read_text(), re.DOTALL)
    assert len(examples) == 2
    for at, example in enumerate(examples):
        (tmp_path / f"src/example-{at}.ts").write_text(example.replace("@mailbutton/web", "./index.js"))
    run = subprocess.run(["npm", "run", "check"], cwd=tmp_path, text=True, capture_output=True, timeout=120)
    assert run.returncode == 0, run.stdout


def test_the_words_that_it_shows_are_the_librarys(program):
    words = program.account.words(locale="en")["words"]
    sources = "".join(path.read_text() for path in (WEB / "src").glob("*.ts"))
    shown = set(re.findall(r'\b(?:word|words|filled)\("(\w+)"', sources))
    assert len(shown) > 30 and shown <= set(words)
