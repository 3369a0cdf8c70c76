"""Every program and command in the documentation does what it is there for.

A block of C is compiled with all warnings, and run if it has a `main`; a block of Python is run. What their first line
says after `run:` are the exit statuses that are right, for example `/* run: 0 1 */`; without it, 0 is. In a block of sh,
each `make` has a target in the Makefile, each other command is run. A block below `<!-- not run: why -->` is left out.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from library import PATH, ROOT
from markdown import PAGES, blocks

SNIPPETS = blocks("c", "python", "sh")
WHOLE = ["-std=c99", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'include'}"]


def only(language):
    return [block for block in SNIPPETS if block.language == language]


def skip_if_marked(block):
    if block.mark.startswith("not run:"):
        pytest.skip(f"{block}: {block.mark}")


def environment(folder):
    number = re.search(r"ABI_VERSION (\d+)", (ROOT / "include" / "mailbutton.h").read_text())[1]
    for name in ("libmailbutton.so", f"libmailbutton.so.{number}"):
        if not (folder / name).exists():
            (folder / name).symlink_to(PATH)
    python = os.pathsep.join(filter(None, [str(ROOT / "bindings" / "python"), os.environ.get("PYTHONPATH")]))
    return {
        **os.environ,
        "LD_LIBRARY_PATH": str(folder),
        "MAILBUTTON_LIBRARY": str(PATH),
        "PYTHONPATH": python,
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def run(block, command, folder):
    allowed = re.match(r"\W*run: ([\d ]+)", block.body)
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=60)
    assert done.returncode in ([int(number) for number in allowed[1].split()] if allowed else [0]), done.stdout + done.stderr


@pytest.mark.parametrize("block", only("c"), ids=str)
def test_c(block, tmp_path):
    skip_if_marked(block)
    (tmp_path / "snippet.c").write_text(block.body)
    environment(tmp_path)
    is_whole = re.search(r"\bmain\s*\(", block.body)
    output = ["-o", "snippet", "-L.", "-lmailbutton"] if is_whole else ["-c"]
    command = [os.environ.get("CC", "cc"), *WHOLE, "snippet.c", *output]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if is_whole:
        run(block, ["./snippet"], tmp_path)


@pytest.mark.parametrize("block", only("python"), ids=str)
def test_python(block, tmp_path):
    skip_if_marked(block)
    (tmp_path / "snippet.py").write_text(block.body)
    run(block, [sys.executable, "snippet.py"], tmp_path)


@pytest.mark.parametrize("block", only("sh"), ids=str)
def test_sh(block, tmp_path):
    skip_if_marked(block)
    makefile = ROOT / "Makefile"
    targets = re.findall(r"^([\w-]+):", makefile.read_text(), re.M) if makefile.exists() else []
    for line in block.body.splitlines():
        command = shlex.split(line, comments=True)
        if not command:
            continue
        if command[0] == "make":
            wanted = [word for word in command[1:] if "=" not in word]
            assert set(wanted) <= set(targets), f"the Makefile has no {wanted}"
        else:
            assert shutil.which(command[0]) or (ROOT / command[0]).exists(), f"there is no {command[0]}"
            run(block, ["sh", "-euc", line], ROOT if (ROOT / command[0]).exists() else tmp_path)


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)", page.read_text()):
            path = page.parent / target if target else page
            assert path.exists(), f"{page.name} links to {target}"
            if anchor and path.suffix == ".md":
                headings = re.findall(r"^#+ (.*)$", path.read_text(), re.M)
                slugs = [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]
                assert anchor[1:] in slugs, f"{page.name} links to {target}{anchor}"


def test_the_pages_are_finished():
    for page in PAGES:
        assert "@@" not in page.read_text(), f"{page.name} has a place that was to be filled in"
