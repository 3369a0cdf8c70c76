"""The programs that do the same job, and how each is built or installed."""

import ctypes
import json
import platform
import shutil
import subprocess
import sys
import tomllib

from .jobs import Unavailable
from .places import BENCHES, CLIENTS, LIBRARY, OUT, appearing
from .sink import cargo

BIN = OUT / "bin"
NODEMAILER = "10.6.1"


def _need(program):
    if not shutil.which(program):
        raise Unavailable(f"there is no {program} here")


def _try(what, command, **options):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if result.returncode != 0:
        words = result.stdout.strip().splitlines() or ["no reason given"]
        raise Unavailable(f"{what}: {words[-1]}")


def _cc(name, *flags):
    _need("cc")
    BIN.mkdir(parents=True, exist_ok=True)
    program = BIN / name
    sources = [CLIENTS / f"{name}.c", CLIENTS / "client.c"]
    standard = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra"]
    with appearing(program) as made:
        _try(f"cannot compile {name}.c", ["cc", *standard, *flags, "-o", made, *sources, "-ldl", "-lpthread"])
    return program


def _mailbutton():
    if not LIBRARY.exists():
        raise Unavailable(f"there is no {LIBRARY}; `make build` makes it")
    library = ctypes.CDLL(LIBRARY)
    library.mailbutton_version.restype = ctypes.c_char_p
    return [_cc("mailbutton"), f"library={LIBRARY}"], library.mailbutton_version().decode()


def _curl_headers():
    """Those of the system, or Debian's package unpacked under target."""
    probe = subprocess.run(["cc", "-E", "-"], input="#include <curl/curl.h>", text=True, capture_output=True)
    if probe.returncode == 0:
        return []
    folder = OUT / "curl"
    if not list(folder.glob("usr/include/**/curl.h")):
        _need("apt-get")
        folder.mkdir(parents=True, exist_ok=True)
        _try("cannot get libcurl's headers", ["apt-get", "download", "-qq", "libcurl4-openssl-dev"], cwd=folder)
        for package in folder.glob("*.deb"):
            _try("cannot unpack libcurl's headers", ["dpkg", "-x", package, folder])
    return ["-I", next(folder.glob("usr/include/**/curl.h")).parent.parent]


def _curl():
    _need("cc")
    try:
        library = ctypes.CDLL("libcurl.so.4")
    except OSError as error:
        raise Unavailable(str(error)) from error
    library.curl_version.restype = ctypes.c_char_p
    version = library.curl_version().decode().split()
    return [_cc("curl", *_curl_headers())], " ".join(version[:2]).removeprefix("libcurl/")


def _smtplib():
    return [sys.executable, CLIENTS / "smtplib_client.py"], f"Python {platform.python_version()}"


def _nodemailer():
    _need("node")
    folder = OUT / "npm"
    package = folder / "node_modules/nodemailer/package.json"
    if not package.exists():
        _need("npm")
        folder.mkdir(parents=True, exist_ok=True)
        install = ["npm", "install", "--no-save", "--no-audit", "--no-fund", f"nodemailer@{NODEMAILER}"]
        _try("npm cannot install it", [*install, "--prefix", folder])
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    version = json.loads(package.read_text())["version"]
    return ["node", CLIENTS / "nodemailer.cjs", f"modules={package.parent.parent}"], f"{version}, Node {node}"


def _crate(name):
    try:
        cargo("peers")
    except subprocess.CalledProcessError as error:
        raise Unavailable("cargo cannot build it") from error
    packages = tomllib.loads((BENCHES / "Cargo.lock").read_text())["package"]
    return [OUT / "release" / name], next(package["version"] for package in packages if package["name"] == name)


PEERS = {
    "mailbutton": _mailbutton,
    "libcurl": _curl,
    "smtplib": _smtplib,
    "nodemailer": _nodemailer,
    "lettre": lambda: _crate("lettre"),
    "mail-send": lambda: _crate("mail-send"),
}


def prepare(names):
    """The command and the version of each, and why a peer is not there."""
    ready, missing = {}, {}
    for name in names:
        try:
            ready[name] = PEERS[name]()
        except Unavailable as why:
            missing[name] = str(why)
    return ready, missing
