"""Puts the library into the wheel: the one that MAILBUTTON_LIBRARY names, or one that cargo builds now."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SUFFIXES = {"darwin": ".dylib", "win32": ".dll"}


class CarryLibrary(BuildHookInterface):
    def initialize(self, version, build_data):
        # An editable install is for work on the binding, and takes the library from MAILBUTTON_LIBRARY.
        if version == "editable":
            return
        given = os.environ.get("MAILBUTTON_LIBRARY")
        library = Path(given).resolve() if given else build(Path(self.root).parents[1])
        if not library.is_file():
            sys.exit(f"mailbutton: MAILBUTTON_LIBRARY names no file: {library}")
        name = ("" if sys.platform == "win32" else "lib") + "mailbutton" + suffix()
        build_data["force_include"][str(library)] = f"mailbutton/{name}"
        build_data["pure_python"] = False
        # The library is loaded with ctypes: any Python 3 will do, on this platform.
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"


def suffix():
    return SUFFIXES.get(sys.platform, ".so")


def build(root):
    if not (root / "Cargo.toml").is_file():
        sys.exit(
            "mailbutton: the library's source is not here, as in an sdist:"
            " set MAILBUTTON_LIBRARY to a built library"
        )
    command = ["cargo", "build", "--release", "--lib", "--message-format=json-render-diagnostics"]
    built = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, check=True)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    files = [name for message in messages if is_ours(message) for name in message["filenames"]]
    return next(Path(name) for name in files if name.endswith(suffix()))


def is_ours(message):
    return message["reason"] == "compiler-artifact" and message["target"]["name"] == "mailbutton"
