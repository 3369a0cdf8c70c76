"""Dovecot's submission service, which checks who sends and relays to another server."""

import os
import pwd
import subprocess
from pathlib import Path

from .aiosmtpd_server import Aiosmtpd
from .base import ADDRESS, ProcessServer, give

PROGRAM = Path("/usr/sbin/dovecot")
DOVEADM = Path("/usr/bin/doveadm")
SERVICE = Path("/usr/lib/dovecot/submission")

CONFIG = """\
protocols = submission
listen = {address}
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log/dovecot
hostname = {name}
ssl = {tls}
ssl_cert = <{certificate}
ssl_key = <{key}
auth_mechanisms = {mechanisms}
auth_failure_delay = 0
first_valid_uid = 1
mail_location = maildir:{folder}/mail

passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home
}}

submission_relay_host = {address}
submission_relay_port = {relay_port}
submission_relay_ssl = no
submission_max_mail_size = {max_size}

service submission-login {{
  chroot =
  inet_listener submission {{
    port = {port_starttls}
  }}
  inet_listener submissions {{
    port = {port_tls}
    ssl = yes
  }}
}}
# A client that got a password wrong must not wait the next time.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""


class Dovecot(ProcessServer):
    """Dovecot in front of an `Aiosmtpd` of its own.

    Or of `relay`, any server with a plain port that asks for no login; the messages are those the relay got.
    It is the relay that does not take a sender or a recipient; Dovecot passes its words on.

    It takes a connection from its own machine for secure: it lets clients log in without
    TLS, so it cannot show that a client insists on STARTTLS.
    """

    kind = "dovecot"
    login_without_tls = True
    # Debian 12's 2.3 has no channel binding.
    all_mechanisms = ("SCRAM-SHA-256", "PLAIN", "LOGIN", "CRAM-MD5")

    def __init__(
        self,
        relay=None,
        mechanisms=("PLAIN", "LOGIN", "SCRAM-SHA-256"),
        scheme="PLAIN.HEX",
        **options,
    ):
        """`scheme` is how the password is stored, as `doveadm pw` names it."""
        super().__init__(**options)
        self.mechanisms = mechanisms
        self.scheme = scheme
        self.relay = relay
        self.own_relay = relay is None

    @classmethod
    def missing(cls):
        needed = {
            "dovecot-core (2.3)": PROGRAM.exists() and _version().startswith("2.3."),
            "dovecot-submissiond": SERVICE.exists(),
            "root": os.geteuid() == 0,
        }
        return [name for name, there in needed.items() if not there]

    def _start(self):
        if self.own_relay:
            self.relay = Aiosmtpd(
                login_required=False,
                certificates=self.certificates,
                max_size=self.max_size,
                wrong=self.wrong if self.wrong in ("other_sender", "full_mailbox") else None,
            ).__enter__()
        super()._start()

    def _stop(self):
        super()._stop()
        if self.own_relay and self.relay is not None:
            self.relay.__exit__(None, None, None)
            self.relay = None

    def _command(self):
        nobody = pwd.getpwnam("nobody")
        for name in ("run", "state", "home", "mail"):
            (self.folder / name).mkdir()
        for name in ("home", "mail"):
            give(self.folder / name, nobody)
        (self.folder / "users").write_text(f"{self.user}:{self._stored_password()}\n")
        config = self.folder / "dovecot.conf"
        config.write_text(self._config(nobody))
        return [PROGRAM, "-F", "-c", config]

    def _stored_password(self):
        """Not as it is: the file's own separators may occur in it."""
        command = [DOVEADM, "-c", os.devnull, "pw", "-s", self.scheme, "-p", self.password]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def _config(self, nobody):
        # Without any it does not start. This one is for clients with a certificate of their own.
        mechanisms = ("EXTERNAL",) if self.wrong == "no_login" else self.mechanisms
        return CONFIG.format(
            address=ADDRESS,
            folder=self.folder,
            name=self.name,
            certificate=self.identity.certificate,
            key=self.identity.key,
            mechanisms=" ".join(mechanisms).lower(),
            tls="no" if self.wrong == "no_tls" else "required",
            uid=nobody.pw_uid,
            gid=nobody.pw_gid,
            relay_port=self.relay.port_plain,
            max_size=self.max_size,
            port_starttls=self.port_starttls,
            port_tls=self.port_tls,
        )

    def _ports(self):
        # Without TLS there is none on the other port either.
        return [(port, tls) for port, tls in super()._ports() if not (tls and self.wrong == "no_tls")]

    def messages(self):
        return self.relay.messages()

    def clear(self):
        self.relay.clear()


def _version():
    return subprocess.run(
        [PROGRAM, "--version"], capture_output=True, text=True, check=False
    ).stdout
