"""Exim, installed or unpacked by tests/install, with spool and mailboxes of its own."""

import os
import pwd
from base64 import b64encode
from pathlib import Path
from types import SimpleNamespace

from .base import ADDRESS, DOMAIN, LOCAL_PARTS, UNPACKED, MaildirServer, give

INSTALLED = Path("/usr/sbin/exim4")
EXTRACTED = UNPACKED / "exim4"
# The account whose name is compiled into Debian's Exim.
ACCOUNT = "Debian-exim"

CONFIG = """\
primary_hostname = {name}
exim_path = {exim}
keep_environment = LD_LIBRARY_PATH : LD_PRELOAD : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
spool_directory = {folder}/spool
log_file_path = {folder}/log/%s
pid_file_path = {folder}/exim.pid
deliver_drop_privilege = true
message_size_limit = {max_size}

local_interfaces = {address}
daemon_startup_retries = 0
daemon_smtp_ports = {port_starttls} : {port_tls}
tls_on_connect_ports = {port_tls}
tls_advertise_hosts = {tls_for}
tls_certificate = {certificate}
tls_privatekey = {key}
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
host_lookup =
# There is no queue runner: all that comes on one connection is delivered at once.
smtp_accept_queue_per_connection = 0
rfc1413_hosts =
acl_smtp_mail = acl_mail
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = acl_data

begin acl
acl_mail:
{deny_sender}  deny message = 530 5.7.0 Authentication required
       !authenticated = *
  accept
acl_rcpt:
{deny_recipient}  deny message = relay not permitted
       !domains = {domain}
  deny message = unknown user
       !local_parts = {local_parts}
  accept
acl_data:
  accept

begin authenticators
{authenticators}
begin routers
local:
  driver = accept
  domains = {domain}
  local_parts = {local_parts}
  transport = maildir

begin transports
maildir:
  driver = appendfile
  maildir_format
  directory = {folder}/mail/$local_part_data
  return_path_add
"""

DENY_SENDER = """\
  deny message = Sender address $sender_address does not belong to $authenticated_id
       senders = {user}
"""
DENY_RECIPIENT = """\
  deny message = 552 5.2.2 Mailbox is full
       local_parts = {full}
"""

AUTHENTICATORS = {
    "PLAIN": """\
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${{if and{{ {{eq{{$auth2}}{{{user}}}}} \\
    {{eq{{${{base64:$auth3}}}}{{{password}}}}} }}}}
  server_set_id = $auth2
""",
    "LOGIN": """\
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if and{{ {{eq{{$auth1}}{{{user}}}}} \\
    {{eq{{${{base64:$auth2}}}}{{{password}}}}} }}}}
  server_set_id = $auth1
""",
    "CRAM-MD5": """\
cram_md5:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${{if eq{{$auth1}}{{{user}}}{{${{base64d:{password}}}}}fail}}
  server_set_id = $auth1
""",
}


class Exim(MaildirServer):
    """Real Exim: `mechanisms` once TLS is on, CHUNKING and PIPELINING as it comes."""

    kind = "exim"
    # Debian's is built without GNU SASL, which would do SCRAM.
    all_mechanisms = ("PLAIN", "LOGIN", "CRAM-MD5")

    def __init__(self, mechanisms=("PLAIN", "LOGIN"), **options):
        super().__init__(**options)
        self.mechanisms = mechanisms

    @classmethod
    def missing(cls):
        there = INSTALLED.exists() or (EXTRACTED / "usr/sbin/exim4").exists()
        return [] if there else ["exim4-daemon-light"]

    @property
    def program(self):
        return INSTALLED if INSTALLED.exists() else EXTRACTED / "usr/sbin/exim4"

    def _command(self):
        account = _account()
        for name in ("spool", "mail", "log"):
            (self.folder / name).mkdir(exist_ok=True)
            give(self.folder / name, account)
        config = self.folder / "exim.conf"
        config.write_text(self._config())
        return [self.program, "-bdf", "-C", config]

    def _config(self):
        # Exim would expand a password written as it is.
        login = {"user": self.user, "password": b64encode(self.password.encode()).decode()}
        mechanisms = () if self.wrong == "no_login" else self.mechanisms
        full = self.recipients[1].partition("@")[0]
        return CONFIG.format(
            authenticators="".join(AUTHENTICATORS[name].format(**login) for name in mechanisms),
            tls_for="" if self.wrong == "no_tls" else "*",
            deny_sender=DENY_SENDER.format(user=self.user) if self.wrong == "other_sender" else "",
            deny_recipient=DENY_RECIPIENT.format(full=full) if self.wrong == "full_mailbox" else "",
            name=self.name,
            exim=self.program,
            folder=self.folder,
            max_size=self.max_size,
            address=ADDRESS,
            port_starttls=self.port_starttls,
            port_tls=self.port_tls,
            certificate=self.identity.certificate,
            key=self.identity.key,
            domain=DOMAIN,
            local_parts=" : ".join(LOCAL_PARTS),
        )

    def _environment(self):
        """What the unpacked Exim needs: its libraries, and an account it insists on."""
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        folders = {str(path.parent) for path in EXTRACTED.glob("usr/lib/**/*.so*")}
        if self.program != INSTALLED:
            environment["LD_LIBRARY_PATH"] = ":".join(sorted(folders))
        if not _has_account():
            environment |= self._pretend_account()
        return environment

    def _pretend_account(self):
        """An account for Exim's eyes only: the machine's list of users stays as it is."""
        account = _account()
        passwd, group = self.folder / "passwd", self.folder / "group"
        passwd.write_text(
            Path("/etc/passwd").read_text()
            + f"{ACCOUNT}:x:{account.pw_uid}:{account.pw_gid}::{self.folder}:/bin/false\n"
        )
        group.write_text(Path("/etc/group").read_text() + f"{ACCOUNT}:x:{account.pw_gid}:\n")
        (wrapper,) = EXTRACTED.glob("usr/lib/**/libnss_wrapper.so")
        return {
            "LD_PRELOAD": str(wrapper),
            "NSS_WRAPPER_PASSWD": str(passwd),
            "NSS_WRAPPER_GROUP": str(group),
        }


def _has_account():
    try:
        pwd.getpwnam(ACCOUNT)
    except KeyError:
        return False
    return True


def _account():
    """Who Exim runs as: its own account, else nobody; without root, whoever runs this."""
    if os.geteuid() != 0:
        return SimpleNamespace(pw_uid=os.geteuid(), pw_gid=os.getegid())
    return pwd.getpwnam(ACCOUNT if _has_account() else "nobody")
