"""Dovecot's submission service, which checks who sends and relays to another server."""

import json
import os
import pwd
import subprocess
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

from .aiosmtpd_server import Aiosmtpd
from .base import ADDRESS, POLL, ProcessServer, give

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

{tokens}passdb {{
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


TOKENS = """\
passdb {{
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = {folder}/tokens.conf
}}
"""

INTROSPECTION = """\
introspection_url = {url}
introspection_mode = post
active_attribute = active
active_value = true
username_attribute = {attribute}
"""


class Introspection:
    """Answers whose an access token is (RFC 7662). `tokens` gives each its user, and may change at any time."""

    def __init__(self, tokens):
        self.tokens = tokens
        self._server = ThreadingHTTPServer((ADDRESS, 0), partial(_Request, tokens))
        threading.Thread(target=self._server.serve_forever, args=(POLL,), daemon=True).start()
        self.url = f"http://{ADDRESS}:{self._server.server_port}/introspect"

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class _Request(BaseHTTPRequestHandler):
    def __init__(self, tokens, *given):
        self._tokens = tokens
        super().__init__(*given)

    def do_POST(self):
        form = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        user = self._tokens.get(parse_qs(form).get("token", [""])[0])
        answer = json.dumps({"active": True, "username": user} if user else {"active": False}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


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
    token_mechanisms = ("OAUTHBEARER", "XOAUTH2")

    def __init__(
        self,
        relay=None,
        mechanisms=("PLAIN", "LOGIN", "SCRAM-SHA-256"),
        scheme="PLAIN.HEX",
        tokens=None,
        introspection=None,
        **options,
    ):
        """`scheme` is how the password is stored, as `doveadm pw` names it; `tokens` gives access tokens their users,
        and `introspection` is the address of a real provider that knows them."""
        super().__init__(**options)
        self.mechanisms = mechanisms
        self.scheme = scheme
        self.tokens = tokens
        self.introspection = introspection
        self._introspection = None
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
        if self.tokens is not None:
            self._introspection = Introspection(self.tokens)
        super()._start()

    def _stop(self):
        super()._stop()
        if self._introspection is not None:
            self._introspection.close()
            self._introspection = None
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
        own = self._introspection
        url, attribute = (own.url, "username") if own is not None else (self.introspection, "sub")
        if url is not None:
            tokens = self.folder / "tokens.conf"
            tokens.write_text(INTROSPECTION.format(url=url, attribute=attribute))
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
            tokens=TOKENS.format(folder=self.folder) if (self.folder / "tokens.conf").exists() else "",
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
