"""The example, built as its README says, with all warnings and the sanitizers; and a desktop to use it on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
os.environ.setdefault("MAILBUTTON_LIBRARY", str(ROOT / "target/release/libmailbutton.so"))
sys.path[:0] = [str(ROOT / "bindings/python"), str(ROOT / "tests"), str(HERE)]

import desktop as desktops  # noqa: E402
from servers import Aiosmtpd, make_certificates  # noqa: E402
from servers.reporting import pytest_runtest_makereport  # noqa: E402, F401
from window import Window  # noqa: E402

BUILT = ROOT / "target/native"
SANITIZED = "-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
PASSWORD = "apple tree 7"


def run(*command):
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="session")
def program():
    lacking = desktops.missing()
    if lacking:
        pytest.skip(f"the window cannot run here, missing: {', '.join(lacking)}")
    prefix, build = BUILT / "prefix", BUILT / "build"
    run("make", "install", f"PREFIX={prefix}")
    run("cmake", "-S", "examples/host-qt", "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Debug", f"-DCMAKE_CXX_FLAGS={SANITIZED}")
    run("cmake", "--build", build, "--parallel", "2")
    return build / "host-qt"


@pytest.fixture(scope="session")
def desktop(tmp_path_factory):
    with desktops.Desktop(tmp_path_factory.mktemp("desktop")) as desktop:
        desktop.environment |= {
            "ASAN_OPTIONS": "detect_leaks=1",
        }
        yield desktop


@pytest.fixture
def open_window(program, desktop, tmp_path):
    """Opens a window on a folder of its own, which may be there from an earlier one."""

    def get(*options, folder="company", **more):
        (tmp_path / folder).mkdir(exist_ok=True)
        command = [program, tmp_path / folder, *options]
        return Window(desktop, command, tmp_path / f"{folder}.stderr", **more)

    return get


@pytest.fixture
def open_demo(program, desktop, tmp_path):
    return lambda: Window(desktop, [ROOT / "examples/host-qt/demo", program], tmp_path / "demo.stderr")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def server(certificates):
    with Aiosmtpd(certificates=certificates) as server:
        server.password = PASSWORD
        yield server


@pytest.fixture
def shoot(desktop):
    """Keeps a picture of the screen where MAILBUTTON_SCREENS names a folder for them."""

    def save(name):
        if folder := os.environ.get("MAILBUTTON_SCREENS"):
            desktop.settle()
            desktop.screenshot(Path(folder) / f"native-{name}.png")

    return save
