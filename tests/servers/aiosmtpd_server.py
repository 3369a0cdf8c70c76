"""aiosmtpd in threads of this process: the server that needs nothing installed."""

import asyncio
import socket
import ssl
import time
import weakref

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from .base import ADDRESS, POLL, Delivered, Server, free_port

GRACE = 2


async def _hang_ups():
    """A client's QUIT may still be under way, and Python complains of connections that are cut off."""
    connections = asyncio.get_running_loop()._transports
    deadline = time.monotonic() + GRACE
    while any(each._sock for each in connections.values()) and time.monotonic() < deadline:
        await asyncio.sleep(POLL)


class _Controller(Controller):
    def __init__(self, handler, login_needs_starttls, **options):
        self.login_needs_starttls = login_needs_starttls
        self.sessions = weakref.WeakSet()
        super().__init__(handler, **options)

    def factory(self):
        """The constructor's own option for this warns at every connection."""
        smtp = super().factory()
        smtp._auth_require_tls = self.login_needs_starttls
        self.sessions.add(smtp)
        return smtp

    def stop(self, no_assert=None):
        """A client may keep its connection open; aiosmtpd would leave it to the garbage collector."""
        if self.loop.is_running():
            asyncio.run_coroutine_threadsafe(self._hang_up(), self.loop).result()
        super().stop(no_assert=no_assert)

    async def _hang_up(self):
        for smtp in list(self.sessions):
            if smtp.transport is not None:
                smtp.transport.abort()
        # A transport over TLS closes its socket some turns of the loop later.
        for _ in range(5):
            await asyncio.sleep(0)


class Aiosmtpd(Server):
    """Records envelopes and the exact bytes of each message.

    `port_starttls` requires STARTTLS, `port_tls` is TLS from the start, `port_plain` has
    none. `login_required=False` lets anybody send; logging in then stays possible with
    TLS, but is not offered on the plain port.
    """

    kind = "aiosmtpd"
    all_mechanisms = ("PLAIN", "LOGIN")
    wrongs = ("other_sender", "full_mailbox")

    def __init__(
        self, login_required=True, smtputf8=True, mechanisms=("PLAIN", "LOGIN"), **options
    ):
        super().__init__(**options)
        self.login_required = login_required
        self.smtputf8 = smtputf8
        self.mechanisms = mechanisms
        self.controllers = []
        self.delivered = []

    def _choose_ports(self):
        super()._choose_ports()
        self.port_plain = free_port()

    def _start(self):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.identity.certificate, self.identity.key)
        self._listen(self.port_starttls, tls_context=context, require_starttls=True)
        # aiosmtpd does not count TLS from the start as TLS when it allows to log in.
        self._listen(self.port_tls, ssl_context=context, login_needs_starttls=False)
        self._listen(self.port_plain, login_needs_starttls=not self.login_required)

    def _listen(self, port, login_needs_starttls=True, **options):
        # Asked beforehand, as a Controller takes seconds to say that its port is taken.
        socket.create_server((ADDRESS, port)).close()
        controller = _Controller(
            self,
            login_needs_starttls,
            hostname=ADDRESS,
            port=port,
            server_hostname=self.name,
            data_size_limit=self.max_size,
            enable_SMTPUTF8=self.smtputf8,
            auth_required=self.login_required,
            auth_exclude_mechanism={"PLAIN", "LOGIN"} - set(self.mechanisms),
            authenticator=self._authenticate,
            **options,
        )
        controller.start()
        self.controllers.append(controller)

    def _stop(self):
        while self.controllers:
            controller = self.controllers.pop()
            asyncio.run_coroutine_threadsafe(_hang_ups(), controller.loop).result()
            controller.stop(no_assert=True)

    def _note(self, line):
        with open(self.log_folder / "aiosmtpd", "a", encoding="utf-8") as log:
            print(line, file=log)

    def _authenticate(self, server, session, envelope, mechanism, data):
        right = LoginPassword(self.user.encode(), self.password.encode())
        self._note(f"AUTH {mechanism}: {'right' if data == right else 'wrong'}")
        return AuthResult(success=data == right, handled=data == right)

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        self._note(f"EHLO {hostname}")
        session.host_name = hostname
        return responses

    async def handle_MAIL(self, server, session, envelope, address, options):
        self._note(f"MAIL {address} {' '.join(options)}")
        if self.wrong == "other_sender" and address == self.user:
            return f"553 5.7.1 <{address}>: Sender address rejected: not owned by the user"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        known = address.lower() in self.recipients
        self._note(f"RCPT {address} {' '.join(options)}: {'known' if known else 'unknown'}")
        if not known:
            return "550 5.1.1 No such user here"
        if self.wrong == "full_mailbox" and address.lower() == self.recipients[1]:
            return "552 5.2.2 Mailbox is full"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        raw = envelope.original_content
        self._note(f"DATA {len(raw)} bytes")
        self.delivered.append(
            Delivered(list(envelope.rcpt_tos), raw, envelope.mail_from, envelope.mail_options)
        )
        return "250 OK"

    def messages(self):
        return list(self.delivered)

    def clear(self):
        self.delivered.clear()
