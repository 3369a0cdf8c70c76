"""The example's window, as the one who uses it sees it."""

import subprocess

from desktop import CHECKED, ENABLED, FOCUSED, PATIENCE, Gone, until

BUTTONS = ("push button", "radio button", "check box", "list item")


class Window:
    def __init__(self, desktop, command, complaints, environment=()):
        self.desktop, self.complaints = desktop, complaints
        with complaints.open("w") as stderr:
            self.process = subprocess.Popen(
                command, env={**desktop.environment, **dict(environment)}, stdout=subprocess.PIPE, stderr=stderr, text=True
            )

    def __enter__(self):
        self.root = until("a window", self._first)
        return self

    def _first(self):
        assert self.process.poll() is None, f"the program ended with {self.process.returncode}: {self.complaints.read_text()}"
        return next(iter(self.desktop.windows()), None)

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.close()
        finally:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
            self.process.stdout.close()

    def close(self):
        """As a person closes it; the program then ends well, and nothing that watches over it has complained."""
        self.desktop.press("ctrl+q")
        try:
            self.process.wait(PATIENCE)
        finally:
            complaints = self.complaints.read_text()
        assert (self.process.returncode, complaints) == (0, "")

    def nodes(self):
        """All that can be seen: role, name and node. What changes meanwhile is looked at again."""
        while True:
            try:
                return [(node.role, node.name, node) for node in self.root.walk()]
            except Gone:
                continue

    def describe(self):
        return "\n".join(f"{role}: {name}" for role, name, _ in self.nodes())

    def find(self, roles, name):
        roles = (roles,) if isinstance(roles, str) else roles
        return next((node for role, found, node in self.nodes() if role in roles and found == name), None)

    def wait_for(self, roles, name):
        return until(f"{roles} {name!r}", lambda: self.find(roles, name), self.describe)

    def texts(self):
        return [name for role, name, _ in self.nodes() if role == "label" and name]

    def says(self, part):
        return until(f"the text {part!r}", lambda: next((text for text in self.texts() if part in text), None), self.describe)

    def button(self, name):
        found = self.wait_for(BUTTONS, name)
        until(f"{name!r} can be pressed", lambda: found.has(ENABLED), self.describe)
        return found

    def click(self, name):
        x, y, width, height = self.button(name).place()
        self.desktop.click(x + width // 2, y + height // 2)

    def focus(self, roles, name):
        node = self.wait_for(roles, name)
        node.grab_focus()
        until(f"{name!r} has the focus", lambda: node.has(FOCUSED), self.describe)
        return node

    def fill(self, name, text, is_secret=False):
        node = self.focus("text", name)
        self.desktop.press("ctrl+a", "BackSpace")
        self.desktop.type(text)
        # What is in a password's field, nobody is told.
        if not is_secret:
            until(f"{text!r} is in {name!r}", lambda: node.text() == text, node.text)
        self.desktop.press("Tab")

    def choose(self, before, letters):
        """A choice by its first letters, with the keyboard: the next one after the field of this name."""
        self.focus("text", before)
        self.desktop.press("Tab")
        self.desktop.type(letters)

    def tick(self, name):
        box = self.focus("check box", name)
        self.desktop.press("space")
        until(f"{name!r} is ticked", lambda: box.has(CHECKED), self.describe)
