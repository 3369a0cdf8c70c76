"""The wheel: built, installed into a fresh environment, and used from there; and the types."""

import importlib.util
import subprocess
import sys
import zipfile

import pytest
from support import LONG, PDF, ROOT, environment

PACKAGE = ROOT / "bindings/python"


def needs(module):
    missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"cannot run here, missing: {module} (a Python package)")


def command(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=2 * LONG, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")

USE = """
import sys, mailbutton
port, ca_file, password, pdf = sys.argv[1:]
assert mailbutton.__file__.startswith(sys.prefix), mailbutton.__file__
with mailbutton.open(ca_file=ca_file) as account:
    account.settings_set({"smtp_host": "localhost", "smtp_port": int(port), "username": "ana@example.test",
                          "password": password})
    print(account.send_document({"to": "bogdan@example.test"}, open(pdf, "rb").read())["reason"], end="")
"""


@needs("hatchling")
@pytest.mark.filterwarnings("ignore")
def test_a_wheel_carries_the_library(tmp_path, server):
    wheels = ("wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", tmp_path)
    command(*PIP, *wheels, PACKAGE, env=environment())
    (wheel,) = tmp_path.glob("*.whl")
    assert "-py3-none-" in wheel.name and "-any" not in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {"mailbutton/__init__.py", "mailbutton/py.typed"} <= set(names)
    assert [name for name in names if "libmailbutton" in name]

    fresh = tmp_path / "fresh"
    command(sys.executable, "-m", "venv", "--without-pip", fresh)
    command(*PIP, "--python", fresh / "bin/python", "install", "--no-index", "--no-deps", wheel)
    (tmp_path / "invoice.pdf").write_bytes(PDF)
    arguments = (server.port_starttls, server.ca_file, server.password, tmp_path / "invoice.pdf")
    # Without MAILBUTTON_LIBRARY and PYTHONPATH: only what was installed is there.
    said = command(fresh / "bin/python", "-c", USE, *arguments, cwd=tmp_path, env={"PATH": "/usr/bin:/bin"})
    assert said == "accepted"


@needs("mypy")
def test_the_types_hold():
    strict = ("--strict", "--no-incremental", "--cache-dir=/dev/null", "--python-version=3.10")
    command(sys.executable, "-m", "mypy", *strict, PACKAGE / "mailbutton")
