"""The whole of the demo: the program, its account, and the internet around it."""

import shutil
import tempfile
import threading
from pathlib import Path

import mailbutton
from books import Books
from internet import PROVIDERS, build
from server import App, Server


class Program:
    """Runs from `with` to the end of the block, and leaves nothing."""

    def __init__(self, books=None, port=0):
        self._folder = Path(tempfile.mkdtemp(prefix="mailbutton-demo-web-"))
        self.internet, self.inbox, trusted = build(self._folder)
        self.account = mailbutton.open(
            self._folder / "email-settings",
            program_name="Demo Books",
            ca_file=trusted,
            proxy=self.internet.address,
            providers=PROVIDERS,
        )
        self.books = books or Books()
        app = App(self.account, mailbutton.Bridge(self.account), self.books, self.inbox)
        self.server = Server(app, port)

    @property
    def address(self):
        return self.server.address

    def __enter__(self):
        for server in (self.internet, self.server):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        for server in (self.server, self.internet):
            server.shutdown()
            server.server_close()
        self.account.close()
        shutil.rmtree(self._folder, ignore_errors=True)
