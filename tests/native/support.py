"""A server that does as it is told, and settings that are there before the window opens."""

import socket
import threading
from contextlib import suppress

import mailbutton
from desktop import PATIENCE
from servers import USER


def save(folder, ca_file=None, **settings):
    """What a person would have filled in the last time."""
    folder.mkdir(exist_ok=True)
    options = {"ca_file": str(ca_file)} if ca_file else {}
    with mailbutton.open(str(folder / "email-settings"), **options) as account:
        account.settings_set({"username": USER, **settings})


def settings_for(server):
    return {"smtp_host": server.host, "smtp_port": server.port_starttls, "password": server.password}


class Told:
    """Speaks SMTP without encryption, each command answered as `answers` says; None is silence from there on.

    After DATA it takes the content until `enough` bytes of it have come, and then not a byte more.
    """

    host, user = "127.0.0.1", USER
    ORDINARY = {
        "EHLO": "250-told\r\n250 AUTH PLAIN", "AUTH": "235 2.7.0 Welcome", "MAIL": "250 OK", "RCPT": "250 OK",
        "DATA": "354 Go on", "QUIT": "221 Bye", "RSET": "250 OK",
    }  # fmt: skip

    def __init__(self, enough=None, **answers):
        self.answers, self.enough = {**self.ORDINARY, **answers}, enough
        self.left = threading.Event()

    def settings(self, **changes):
        return {"smtp_host": self.host, "smtp_port": self.port_starttls, "smtp_security": "none", "password": "secret", **changes}

    def __enter__(self):
        self._listener = socket.create_server((self.host, 0))
        self.port_starttls = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_):
        # Ends accept, which closing alone does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE)

    def _serve(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.settimeout(PATIENCE)
            # Around the stream, too: what could not be written is tried once more when it is closed.
            with suppress(OSError), client, client.makefile("rwb") as stream:
                self._talk(client, stream)
            self.left.set()

    def _talk(self, client, stream):
        self._say(stream, "220 told ESMTP")
        while line := stream.readline():
            verb = line[:4].decode("latin-1").upper()
            answer = self.answers.get(verb, "500 What?")
            if answer is None:
                return self._wait_until_it_leaves(client)
            self._say(stream, answer)
            if verb == "DATA":
                taken = 0
                while taken < self.enough:
                    taken += len(stream.readline())
                return self._wait_until_it_leaves(client)

    def _say(self, stream, answer):
        stream.write(answer.encode() + b"\r\n")
        stream.flush()

    def _wait_until_it_leaves(self, client):
        """Not by reading, which would take what is to stay where it is."""
        while not self.gone(client):
            if self.left.wait(0.02):
                return

    @staticmethod
    def gone(client):
        with open("/proc/net/tcp") as table:
            port = f":{client.getpeername()[1]:04X}"
            return not any(row.split()[1].endswith(port) and row.split()[3] == "01" for row in table.readlines()[1:])
