"""Real mail servers on loopback for the tests.

Each server is a context manager: it starts as ordinary processes on free ports of
127.0.0.1 with its configuration in a temporary folder, and leaves nothing behind.

    with Postfix() as server:
        send(server.host, server.port_starttls, server.user, server.password)
        (delivered,) = server.wait_for_messages(1)
"""

from .aiosmtpd_server import Aiosmtpd
from .base import (
    DOMAIN,
    PASSWORD,
    RECIPIENTS,
    UNKNOWN_RECIPIENT,
    USER,
    Delivered,
    Server,
    ServerFailed,
)
from .certificates import Certificates, make_certificates
from .dovecot import Dovecot
from .exim import Exim
from .postfix import Postfix

SERVERS = {
    "aiosmtpd": Aiosmtpd,
    "dovecot": Dovecot,
    "exim": Exim,
    "postfix": Postfix,
}

__all__ = [
    "Aiosmtpd",
    "Certificates",
    "DOMAIN",
    "Delivered",
    "Dovecot",
    "Exim",
    "PASSWORD",
    "Postfix",
    "RECIPIENTS",
    "SERVERS",
    "Server",
    "ServerFailed",
    "UNKNOWN_RECIPIENT",
    "USER",
    "make_certificates",
]
