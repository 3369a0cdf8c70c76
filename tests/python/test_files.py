"""Documents from their files: a path in place of bytes, files that change meanwhile, and the memory that they take."""

import os
import socket
import threading
from pathlib import Path

import mailbutton
import pytest
from servers import USER
from support import LONG, PDF, email, make_pdf, parsed, run


def test_anything_with_a_path_is_a_document(account, server, tmp_path):
    path = tmp_path / "Factură 7.pdf"
    path.write_bytes(PDF)

    class Named:
        def __fspath__(self):
            return os.fsencode(path)

    account.send_document(email(), path)
    account.send_document(email(), Named())
    account.send_document(email(document={"file_name": "other.pdf"}), path)
    names = [next(parsed(each).iter_attachments()).get_filename() for each in server.wait_for_messages(3)]
    assert names == [path.name, path.name, "other.pdf"]


def test_the_hosts_email_stays_as_it_is(account, tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(PDF)
    given = email(document={"file_name": "b.pdf"})
    account.send_document(given, path)
    assert given == email(document={"file_name": "b.pdf"})


def test_a_relative_path_means_the_folder_of_the_call(tmp_path, monkeypatch):
    (tmp_path / "a.pdf").write_bytes(PDF)
    monkeypatch.chdir(tmp_path)
    with Sink() as sink, mailbutton.open() as account:
        account.settings_set(settings(sink))
        with account.start_document(email(), Path("a.pdf")) as job:
            monkeypatch.chdir("/")
            sink.go.set()
            job.result()
    assert sink.was_whole


def test_a_file_that_is_gone_is_told(account, tmp_path):
    with pytest.raises(mailbutton.BadEmail) as caught:
        account.send_document(email(), tmp_path / "none.pdf")
    assert [(fault["key"], fault["code"]) for fault in caught.value.errors] == [("document.path", "file_missing")]


class Sink:
    """Takes one email of any size, counts its bytes, and holds its first answer back until it is let go."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(LONG)
        self.port = self._listener.getsockname()[1]
        self.go = threading.Event()
        self.received = 0
        self.was_whole = False
        self._thread = threading.Thread(target=self._serve)

    def _serve(self):
        connection, _address = self._listener.accept()
        connection.settimeout(LONG)
        with connection, connection.makefile("rb") as lines:
            assert self.go.wait(LONG)
            connection.sendall(b"220 sink\r\n")
            while line := self._command(lines):
                if line == b"DATA\r\n":
                    connection.sendall(b"354 go\r\n")
                    if not self._content(lines):
                        return
                connection.sendall(b"250 ok\r\n")

    @staticmethod
    def _command(lines):
        try:
            return lines.readline()
        except ConnectionResetError:
            # A client that has its verdict may be gone before it has read the answer to QUIT.
            return b""

    def _content(self, lines):
        end = b""
        while piece := lines.read1(1 << 20):
            self.received += len(piece)
            end = (end + piece)[-5:]
            if end == b"\r\n.\r\n":
                self.was_whole = True
                return True
        return False

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.go.set()
        self._listener.close()
        self._thread.join(LONG)


def settings(sink):
    return {"smtp_host": "127.0.0.1", "smtp_port": sink.port, "smtp_security": "none", "email_address": USER}


@pytest.mark.parametrize(
    "change",
    [
        lambda path: os.truncate(path, 100),
        lambda path: path.write_bytes(path.read_bytes() + b"more"),
        lambda path: (path.with_suffix(".new").write_bytes(path.read_bytes()), path.with_suffix(".new").replace(path)),
        lambda path: path.unlink(),
    ],
    ids=["truncated", "grown", "replaced", "deleted"],
)
def test_a_file_that_changes_before_its_turn_is_not_sent(change, tmp_path):
    path = tmp_path / "invoice.pdf"
    path.write_bytes(make_pdf(100_000))
    with Sink() as sink, mailbutton.open() as account:
        account.settings_set(settings(sink))
        with account.start_document(email(), path) as job:
            change(path)
            sink.go.set()
            with pytest.raises(mailbutton.BadEmail) as caught:
                job.result()
    assert (caught.value.reason, caught.value.reply["step"]) == ("file_changed", "content")
    assert caught.value.errors[0]["key"] == "document.path" and caught.value.advice
    assert sink.received == 0


SEND = """
import sys, mailbutton
from pathlib import Path

def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])

port, path = int(sys.argv[1]), Path(sys.argv[2])
with mailbutton.open() as account:
    account.settings_set({"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none",
                          "email_address": "ana@example.test"})
    before = peak()
    account.send_document({"to": "bogdan@example.test"}, path)
    print(peak() - before)
"""


def test_a_document_of_100_mb_takes_a_few_mb(tmp_path):
    path = tmp_path / "statement.pdf"
    path.write_bytes(PDF)
    os.truncate(path, 100_000_000)
    with Sink() as sink:
        sink.go.set()
        grown_kb = int(run(SEND, sink.port, path))
    assert sink.was_whole and sink.received > 130_000_000
    print(f"peak memory: {grown_kb} kB more")
    assert grown_kb < 10_000
