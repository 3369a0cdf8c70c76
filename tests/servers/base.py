"""What all servers have in common: life cycle, free ports, readiness, delivered mail."""

import os
import secrets
import shutil
import socket
import ssl
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from . import processes
from .certificates import make_certificates

DOMAIN = "example.test"
LOCAL_PARTS = ("ana", "bogdan", "carmen")
RECIPIENTS = tuple(f"{name}@{DOMAIN}" for name in LOCAL_PARTS)
UNKNOWN_RECIPIENT = f"unknown@{DOMAIN}"
USER = RECIPIENTS[0]
# A space, quotes, a backslash and a letter beyond ASCII: what careless quoting breaks.
PASSWORD = 'p@ss wörd"\\'

ADDRESS = "127.0.0.1"
START_ATTEMPTS = 3
START_TIMEOUT = 15
POLL = 0.02
# Where tests/install unpacks what it must not install.
UNPACKED = Path(__file__).resolve().parents[2] / "target" / "servers"

_running = []


def running():
    """The servers that run now; a failure report shows their logs."""
    return list(_running)


class ServerFailed(Exception):
    """A server did not start, or did not do what a test waited for; carries its log."""


@dataclass(frozen=True)
class Delivered:
    """A message as a server took it.

    `raw` is what the server stored: with CRLF from Aiosmtpd and Dovecot; with LF and the
    server's own trace headers from Postfix and Exim, which deliver into a Maildir.
    `mail_options` are the MAIL FROM parameters, where the server tells them.
    """

    envelope_to: list | None
    raw: bytes
    envelope_from: str | None = None
    mail_options: list | None = None


def free_port():
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return probe.getsockname()[1]


class Server:
    """A mail server of its own, from `with` to the end of the block.

    A subclass prepares its configuration in `self.folder` and starts on ports that were
    free a moment before; when one was taken meanwhile, it is started again on others.
    """

    kind = None
    host = "localhost"
    user = USER
    password = PASSWORD
    recipients = RECIPIENTS
    unknown_recipient = UNKNOWN_RECIPIENT
    port_plain = None
    login_without_tls = False
    # The wrong configurations that it can have.
    wrongs = ("no_login", "no_tls", "other_sender", "full_mailbox")
    # All that it can be told to offer, the ones that a client should prefer first.
    all_mechanisms = ()

    def __init__(self, certificate="good", certificates=None, max_size=10 * 1024 * 1024, wrong=None):
        """`certificate` names a leaf of `Certificates`; `certificates` shares a CA.

        `wrong` is a configuration that administrators get wrong: "no_login" (nobody can log in), "no_tls" (the port
        for STARTTLS does not offer it), "other_sender" (the user may not send from the user's own address),
        "full_mailbox" (that of the second recipient).
        """
        assert wrong is None or wrong in self.wrongs, wrong
        self.wrong = wrong
        self.certificates = certificates
        self.certificate = certificate
        self.max_size = max_size
        self.folder = None
        self.name = None
        self.port_starttls = None
        self.port_tls = None

    @classmethod
    def missing(cls):
        """What keeps the server from running here, as package names; empty if nothing."""
        return []

    @property
    def log_folder(self):
        return self.folder / "log"

    @property
    def ca_file(self):
        return self.certificates.ca_file

    @property
    def identity(self):
        return getattr(self.certificates, self.certificate)

    def __enter__(self):
        for attempt in range(START_ATTEMPTS):
            try:
                self._make_folder()
                self._choose_ports()
                self._start()
                self._wait_until_ready()
            except BaseException as problem:
                log = self._log_or_nothing()
                self.close()
                if not isinstance(problem, (ServerFailed, OSError)):
                    raise
                if attempt == START_ATTEMPTS - 1:
                    raise ServerFailed(f"{self.kind}: {problem}\n{log}") from problem
            else:
                _running.append(self)
                return self

    def __exit__(self, kind, problem, traceback):
        if kind is not None and issubclass(kind, Exception):
            print(f"--- log of {self.kind} ---\n{self._log_or_nothing()}", file=sys.stderr)
        _running.remove(self)
        self.close()

    def close(self):
        try:
            self._stop()
        finally:
            if self.certificates and self.folder in self.ca_file.parents:
                self.certificates = None
            if self.folder:
                shutil.rmtree(self.folder, ignore_errors=True)

    def _make_folder(self):
        """World-readable: servers give up root, then still read keys and configuration."""
        self.folder = Path(tempfile.mkdtemp(prefix=f"mailbutton-{self.kind}-")).resolve()
        self.folder.chmod(0o755)
        self.log_folder.mkdir()
        self.name = f"{self.kind}-{secrets.token_hex(6)}.{DOMAIN}"
        if self.certificates is None:
            self.certificates = make_certificates(self.folder / "certificates")

    def _choose_ports(self):
        self.port_starttls = free_port()
        self.port_tls = free_port()

    def _start(self):
        raise NotImplementedError

    def _stop(self):
        raise NotImplementedError

    def _check_alive(self):
        """Raise `ServerFailed` if waiting any longer is no use."""

    def _ports(self):
        """Each port, and whether it speaks TLS from the start."""
        ports = [(self.port_starttls, False), (self.port_tls, True), (self.port_plain, False)]
        return [(port, tls) for port, tls in ports if port]

    def _wait_until_ready(self):
        deadline = time.monotonic() + START_TIMEOUT
        for port, tls in self._ports():
            while not self._greets(port, tls):
                self._check_alive()
                if time.monotonic() > deadline:
                    raise ServerFailed(f"no greeting from port {port}")
                time.sleep(POLL)

    def _greets(self, port, tls):
        """Whether this very server answers: its greeting has a name nobody else has."""
        try:
            with socket.create_connection((ADDRESS, port), timeout=2) as connection:
                if tls:
                    connection = _unverified().wrap_socket(connection)
                with connection, connection.makefile("rwb") as stream:
                    greeting = stream.readline()
                    stream.write(b"QUIT\r\n")
                    stream.flush()
                    stream.readline()
        except OSError:
            return False
        return greeting.startswith(b"220") and self.name.encode() in greeting

    def messages(self):
        """The `Delivered` so far, oldest first."""
        raise NotImplementedError

    def clear(self):
        """Forget the messages delivered so far, so that one server serves many tests."""
        raise NotImplementedError

    def wait_for_messages(self, count, timeout=30):
        """The messages, as soon as there are `count` of them."""
        deadline = time.monotonic() + timeout
        while True:
            messages = self.messages()
            if len(messages) >= count:
                return messages
            if time.monotonic() > deadline:
                raise ServerFailed(
                    f"{self.kind}: {len(messages)} of {count} messages"
                    f" after {timeout} s\n{self.log()}"
                )
            time.sleep(POLL)

    def log(self):
        """All that the server has logged."""
        files = sorted(self.log_folder.iterdir())
        return "".join(path.read_text(errors="replace") for path in files)

    def _log_or_nothing(self):
        try:
            return self.log()
        except (OSError, TypeError):
            return ""


class ProcessServer(Server):
    """A server that is a program of its own."""

    process = None

    def _command(self):
        """Write the configuration; return the command that runs in the foreground."""
        raise NotImplementedError

    def _environment(self):
        return None

    def _start(self):
        command = self._command()
        output = self.log_folder / "output"
        self.process = processes.launch(command, self.folder, output, self._environment())

    def _stop(self):
        if self.process is not None:
            processes.stop(self.process, self.folder)
            self.process = None

    def _check_alive(self):
        if self.process.poll() is not None:
            raise ServerFailed(f"ended with status {self.process.returncode}")


def give(path, account):
    """Hand a folder to the account a server runs as; only root can, or needs to."""
    if os.geteuid() == 0:
        os.chown(path, account.pw_uid, account.pw_gid)


class MaildirServer(ProcessServer):
    """A server that delivers into one Maildir for each recipient."""

    @property
    def mail(self):
        return self.folder / "mail"

    def _mail_files(self):
        """A file in `new` is complete: Maildir delivery renames it there."""
        found = ((path.stat().st_mtime_ns, path) for path in self.mail.glob("*/new/*"))
        return [path for _time, path in sorted(found)]

    def messages(self):
        return [self._delivered(path) for path in self._mail_files()]

    def _delivered(self, path):
        raw = path.read_bytes()
        sender = None
        first, _, _rest = raw.partition(b"\n")
        if first.lower().startswith(b"return-path:"):
            sender = first.partition(b":")[2].strip().strip(b"<>").decode()
        return Delivered([f"{path.parts[-3]}@{DOMAIN}"], raw, sender)

    def clear(self):
        for path in self._mail_files():
            path.unlink()


def _unverified():
    """For readiness only, which must also work with the certificates to be refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
