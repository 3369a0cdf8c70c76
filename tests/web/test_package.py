"""The npm package: dist is what its sources make, small and without markup; its examples are compiled; its words are the library's."""

import gzip
import re
import shutil
import subprocess

import pytest
from conftest import ROOT

WEB = ROOT / "bindings/web"
TOOLS = ROOT / "target/web/node_modules"
MOST_BYTES = 30_000


def test_the_module_is_small_and_writes_no_markup():
    script = (WEB / "dist/mailbutton.js").read_bytes()
    assert len(gzip.compress(script, 9)) <= MOST_BYTES
    written = script.decode()
    for risky in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "srcdoc"):
        assert risky not in written
    assert not re.search(r"""\bimport\s*[("']""", written), "it stands alone"


@pytest.fixture
def package(tmp_path):
    """A copy to be built; a function that runs one of its scripts."""
    if not TOOLS.is_dir() or shutil.which("npm") is None:
        pytest.skip("cannot run here, missing: npm, and what bindings/web is built with (tests/install)")
    for name in ("package.json", "package-lock.json", "tsconfig.json"):
        shutil.copy(WEB / name, tmp_path)
    shutil.copytree(WEB / "src", tmp_path / "src")
    (tmp_path / "node_modules").symlink_to(TOOLS)

    def run(script):
        ended = subprocess.run(["npm", "run", script], cwd=tmp_path, text=True, capture_output=True, timeout=120)
        assert ended.returncode == 0, ended.stdout + ended.stderr

    return tmp_path, run


def test_the_module_is_what_its_source_makes(package):
    folder, run = package
    run("check")
    run("build")
    for name in ("mailbutton.js", "mailbutton.d.ts"):
        assert (folder / "dist" / name).read_bytes() == (WEB / "dist" / name).read_bytes(), f"build {name} again"


def test_its_examples_can_be_compiled(package):
    folder, run = package
    examples = re.findall(r"```ts\n(.*?)```", (WEB / "README.md").read_text(), re.DOTALL)
    assert len(examples) == 2
    for at, example in enumerate(examples):
        (folder / f"src/example-{at}.ts").write_text(example.replace("@mailbutton/web", "./index.js"))
    run("check")


def test_the_words_that_it_shows_are_the_librarys(program):
    words = program.account.words(locale="en")["words"]
    sources = "".join(path.read_text() for path in (WEB / "src").glob("*.ts"))
    shown = set(re.findall(r'\b(?:word|words|filled)\("(\w+)"', sources))
    assert len(shown) > 30 and shown <= set(words)
