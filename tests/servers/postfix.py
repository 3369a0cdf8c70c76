"""Postfix, with queue, configuration, accounts and mailboxes of its own."""

import os
import pwd
import subprocess
import time
from pathlib import Path

from .base import ADDRESS, DOMAIN, LOCAL_PARTS, MaildirServer, ServerFailed, give

DAEMONS = Path("/usr/lib/postfix/sbin")
QUEUES = (
    *("active", "bounce", "corrupt", "defer", "deferred", "flush"),
    *("hold", "incoming", "private", "saved", "trace"),
)

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log/postfix
maillog_file_prefixes = {folder}

myhostname = {name}
mydestination =
mynetworks = 127.0.0.1/32
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
smtpd_banner = $myhostname ESMTP
in_flow_delay = 0
smtpd_error_sleep_time = 0

# Nothing leaves this machine, not even a question about a name.
disable_dns_lookups = yes
smtpd_peername_lookup = no
default_transport = error:5.7.1 no outbound mail
relay_transport = error:5.7.1 no outbound mail

virtual_mailbox_domains = {domain}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = inline:{{ {mailboxes} }}
virtual_mailbox_limit = 0
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
message_size_limit = {max_size}

smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_loglevel = 1

smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
cyrus_sasl_config_path = {folder}/config/sasl
smtpd_sasl_local_domain = {domain}
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
"""

# What is added to main.cf; the last word of a parameter counts.
WRONG = {
    "no_login": "smtpd_sasl_auth_enable = no\n",
    "other_sender": """\
smtpd_sender_login_maps = inline:{{ {{ {user} = office@{domain} }} }}
smtpd_sender_restrictions = reject_sender_login_mismatch
""",
    # The words are those of Dovecot, which many a Postfix asks about it.
    "full_mailbox": """\
smtpd_recipient_restrictions =
    check_recipient_access inline:{{ {{ {full} = 552 5.2.2 <{full}> Quota exceeded (mailbox for user is full) }} }},
    permit_sasl_authenticated, reject
""",
}

MASTER_CF = """\
{address}:{port_starttls} inet n - n - - smtpd{options_starttls}
{address}:{port_tls} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

SASL_CONF = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {folder}/config/sasl/users.db
mech_list: {mechanisms}
"""


class Postfix(MaildirServer):
    """Real Postfix; `mechanisms` are those of Cyrus SASL it offers once TLS is on."""

    kind = "postfix"
    # Postfix gives Cyrus SASL no channel to bind to.
    all_mechanisms = ("SCRAM-SHA-256", "PLAIN", "LOGIN", "CRAM-MD5")

    def __init__(self, mechanisms=("PLAIN", "LOGIN", "SCRAM-SHA-256"), **options):
        super().__init__(**options)
        self.mechanisms = mechanisms

    @classmethod
    def missing(cls):
        needed = {
            "postfix": (DAEMONS / "master").exists(),
            "sasl2-bin": Path("/usr/sbin/saslpasswd2").exists(),
            "libsasl2-modules": any(Path("/usr/lib").glob("**/sasl2/libplain.so")),
            "root": os.geteuid() == 0,
        }
        return [name for name, there in needed.items() if not there]

    def _command(self):
        config = self.folder / "config"
        config.mkdir()
        self._make_folders()
        self._add_user()
        _write_aged(config / "main.cf", self._main_cf())
        _write_aged(config / "master.cf", self._master_cf())
        # Not `postfix start`: it wants the machine's own directories in order as well.
        return [DAEMONS / "master", "-s", "-c", config]

    def _environment(self):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MAIL_CONFIG": f"{self.folder}/config"}

    def _main_cf(self):
        nobody = pwd.getpwnam("nobody")
        main_cf = MAIN_CF.format(
            folder=self.folder,
            name=self.name,
            domain=DOMAIN,
            mailboxes=", ".join(f"{{{name}@{DOMAIN} = {name}/}}" for name in LOCAL_PARTS),
            uid=nobody.pw_uid,
            gid=nobody.pw_gid,
            max_size=self.max_size,
            certificate=self.identity.certificate,
            key=self.identity.key,
        )
        wrong = WRONG.get(self.wrong, "")
        return main_cf + wrong.format(user=self.user, domain=DOMAIN, full=self.recipients[1])

    def _master_cf(self):
        return MASTER_CF.format(
            address=ADDRESS,
            port_starttls=self.port_starttls,
            port_tls=self.port_tls,
            options_starttls=" -o smtpd_tls_security_level=none" if self.wrong == "no_tls" else "",
        )

    def _make_folders(self):
        """The queue with the owners and modes that Postfix insists on."""
        postfix = pwd.getpwnam("postfix")
        queue = self.folder / "queue"
        queue.mkdir()
        (queue / "pid").mkdir()
        for name in QUEUES:
            (queue / name).mkdir(mode=0o700)
            give(queue / name, postfix)
        for name, mode in (("maildrop", 0o1730), ("public", 0o2710)):
            (queue / name).mkdir()
            give(queue / name, postfix)
            (queue / name).chmod(mode)
        (self.folder / "data").mkdir(mode=0o700)
        give(self.folder / "data", postfix)
        self.mail.mkdir()
        give(self.mail, pwd.getpwnam("nobody"))

    def _add_user(self):
        """Postfix asks Cyrus SASL, which keeps the passwords in a database of ours.

        Debian's Postfix looks for it below its configuration, whatever main.cf says.
        """
        folder = self.folder / "config" / "sasl"
        folder.mkdir()
        (folder / "smtpd.conf").write_text(
            SASL_CONF.format(folder=self.folder, mechanisms=" ".join(self.mechanisms))
        )
        name, _, realm = self.user.partition("@")
        database = folder / "users.db"
        added = subprocess.run(
            ["/usr/sbin/saslpasswd2", "-p", "-c", "-f", database, "-u", realm, name],
            input=self.password.encode(),
            capture_output=True,
        )
        if added.returncode != 0:
            raise ServerFailed(f"saslpasswd2: {added.stderr.decode(errors='replace')}")
        database.chmod(0o644)


def _write_aged(path, text):
    """Postfix waits until a configuration file is seconds old: it may still be changing."""
    path.write_text(text)
    a_minute_ago = time.time() - 60
    os.utime(path, (a_minute_ago, a_minute_ago))
