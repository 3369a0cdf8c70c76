"""A desktop of its own: an X server that shows nothing, a bus, and what assistive technology has to look at windows with.

The windows are used as a person uses them, with keys and the mouse, and read as a screen reader reads them.
"""

import os
import shutil
import struct
import subprocess
import time
import zlib
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from jeepney import DBusAddress, Properties, new_method_call
from jeepney.io.blocking import open_dbus_connection

WIDTH, HEIGHT = 1200, 800
# A window that does not come to what is waited for has failed. It is slow: address sanitizer is in it.
PATIENCE = 20
POLL = 0.02

FOCUSED, ENABLED, CHECKED, SHOWING = 12, 8, 4, 25


def missing():
    needed = {"Xvfb": "xvfb", "xdotool": "xdotool", "dbus-daemon": "dbus-daemon", "cmake": "cmake", "g++": "g++"}
    packages = [package for program, package in needed.items() if not shutil.which(program)]
    if not Path("/usr/share/dbus-1/services/org.a11y.Bus.service").exists():
        packages.append("at-spi2-core")
    if not list(Path("/usr/lib").glob("*/cmake/Qt6Widgets")):
        packages.append("qt6-base-dev")
    return packages


def until(what, found, describe=lambda: ""):
    """The first answer of `found` that counts as true."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := found()):
        assert time.monotonic() < deadline, f"waited in vain: {what}\n{describe()}"
        time.sleep(POLL)
    return answer


class Desktop:
    def __init__(self, folder):
        self.folder = Path(folder)

    def __enter__(self):
        self._stack = ExitStack()
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _start(self):
        for name in ("screen", "runtime", "config"):
            (self.folder / name).mkdir(mode=0o700)
        readable, writable = os.pipe()
        size = f"{WIDTH}x{HEIGHT}x24"
        self._launch(
            ["Xvfb", "-displayfd", str(writable), "-screen", "0", size, "-fbdir", self.folder / "screen"]
            + ["-nolisten", "tcp", "-nocursor", "-noreset"],
            pass_fds=[writable],
        )
        os.close(writable)
        with os.fdopen(readable) as told:
            display = told.readline().strip()
        assert display, "Xvfb did not start"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "LC_", "QT_", "DBUS_"))},
            "DISPLAY": f":{display}",
            "XDG_RUNTIME_DIR": str(self.folder / "runtime"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "LANG": "C.UTF-8",
            "QT_LINUX_ACCESSIBILITY_ALWAYS_ON": "1",
            "NO_AT_BRIDGE": "0",
        }
        bus = self._launch(["dbus-daemon", "--session", "--nofork", "--print-address"], stdout=subprocess.PIPE, text=True)
        address = bus.stdout.readline().strip()
        self._stack.callback(bus.stdout.close)
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = address
        self._open(address)

    def _launch(self, command, **options):
        options.setdefault("stdout", subprocess.DEVNULL)
        environment = getattr(self, "environment", None)
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment, **options)
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)
        return process

    def _open(self, address):
        with open_dbus_connection(address) as session:
            launcher = DBusAddress("/org/a11y/bus", "org.a11y.Bus", "org.a11y.Bus")
            (bus,) = session.send_and_get_reply(new_method_call(launcher, "GetAddress")).body
            status = launcher.with_interface("org.a11y.Status")
            session.send_and_get_reply(Properties(status).set("IsEnabled", "b", True))
        self.connection = open_dbus_connection(bus)
        self._stack.callback(self.connection.close)

    def press(self, *keys):
        """Keys by their X names: Tab, Return, ctrl+q."""
        self._do("key", *keys)

    def type(self, text):
        self._do("type", "--delay", "1", "--", text)

    def click(self, x, y):
        self._do("mousemove", str(x), str(y), "click", "1")

    def _do(self, *arguments):
        subprocess.run(["xdotool", *arguments], env=self.environment, check=True, timeout=PATIENCE)

    def windows(self):
        """The window of each program, as assistive technology sees it."""
        root = Node(self, "org.a11y.atspi.Registry", "/org/a11y/atspi/accessible/root")
        return [window for program in root.children() for window in program.children()]

    def settle(self):
        """Until the screen has stayed the same for a moment, or something on it turns for ever."""
        before, deadline = None, time.monotonic() + 2
        while (now := (self.folder / "screen" / "Xvfb_screen0").read_bytes()) != before and time.monotonic() < deadline:
            before = now
            time.sleep(0.1)

    def screenshot(self, path):
        """Writes what the screen shows as a PNG of at most 256 colours, which for a window is nearly all it has."""
        pixels = (self.folder / "screen" / "Xvfb_screen0").read_bytes()
        head = struct.unpack(">25I", pixels[:100])
        start, stride = head[0] + head[19] * 12, head[12]
        rows = [struct.unpack(f"<{WIDTH}I", pixels[start + y * stride :][: WIDTH * 4]) for y in range(HEIGHT)]
        counted = Counter(colour for row in rows for colour in row)
        palette = [colour for colour, _ in counted.most_common(256)]
        index = {colour: min(range(len(palette)), key=lambda at: distance(palette[at], colour)) for colour in counted}
        body = b"".join(b"\0" + bytes(index[colour] for colour in row) for row in rows)
        path.write_bytes(
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 3, 0, 0, 0))
            + chunk(b"PLTE", b"".join((colour & 0xFFFFFF).to_bytes(3, "big") for colour in palette))
            + chunk(b"IDAT", zlib.compress(body, 9))
            + chunk(b"IEND", b"")
        )


def distance(one, other):
    return sum(((one >> shift & 255) - (other >> shift & 255)) ** 2 for shift in (0, 8, 16))


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


class Gone(Exception):
    """What was looked at is not there any more."""


class Node:
    """Something in a window, by the protocol of AT-SPI."""

    def __init__(self, desktop, name, path):
        self.desktop, self.bus_name, self.path = desktop, name, path

    def _call(self, interface, method, signature=None, arguments=()):
        there = DBusAddress(self.path, self.bus_name, f"org.a11y.atspi.{interface}")
        reply = self.desktop.connection.send_and_get_reply(new_method_call(there, method, signature, arguments), timeout=PATIENCE)
        if reply.header.message_type.name == "error":
            raise Gone(reply.body)
        return reply.body

    def _property(self, interface, name):
        there = DBusAddress(self.path, self.bus_name, f"org.a11y.atspi.{interface}")
        reply = self.desktop.connection.send_and_get_reply(Properties(there).get(name), timeout=PATIENCE)
        if reply.header.message_type.name == "error":
            raise Gone(reply.body)
        return reply.body[0][1]

    @property
    def name(self):
        """Without the places where a long word may be broken."""
        return self._property("Accessible", "Name").replace("\u200b", "")

    @property
    def role(self):
        return self._call("Accessible", "GetRoleName")[0]

    def children(self):
        return [Node(self.desktop, *child) for child in self._call("Accessible", "GetChildren")[0]]

    def has(self, state):
        low, high = self._call("Accessible", "GetState")[0]
        return bool((low | high << 32) >> state & 1)

    def text(self):
        return self._call("Text", "GetText", "ii", (0, -1))[0]

    def value(self):
        return self._property("Value", "CurrentValue")

    def place(self):
        return self._call("Component", "GetExtents", "u", (0,))[0]

    def walk(self):
        """What can be seen, from the outside in."""
        for child in self.children():
            if child.has(SHOWING):
                yield child
                yield from child.walk()

    def grab_focus(self):
        self._call("Component", "GrabFocus")
