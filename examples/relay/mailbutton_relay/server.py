"""The HTTP side: one request a connection, one log line a request."""

import asyncio
import json
import logging
import sqlite3
import ssl
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiohttp import web

from . import intake, sending, tokens
from .journal import Journal
from .limits import Rates
from .refusal import Refusal

log = logging.getLogger("mailbutton_relay")


class Relay:
    def __init__(self, config):
        self.config = config
        self.state = Path(config.state)
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.journal = Journal(self.state / "journal.sqlite")
        self.rates = Rates()
        self.under_way = {}
        self.busy = 0
        self.begun = set()
        self.threads = ThreadPoolExecutor(config.limits.requests_at_once)

    def application(self):
        app = web.Application(middlewares=[self._answer])
        app.router.add_get("/healthz", self._health)
        app.router.add_post("/", self._send)
        return app

    @web.middleware
    async def _answer(self, request, handler):
        self.begun.add(request.protocol)
        began, request["token"] = time.monotonic(), "-"
        try:
            response = await handler(request)
        except Refusal as refusal:
            response = _said(refusal)
        except web.HTTPException as error:
            response = _said(Refusal(error.status, f"{error.reason}."), error.headers.get("Allow"))
        except Exception as error:
            # Its text may have anything in it, so only its kind is told.
            log.error("a bug: %s", type(error).__name__)
            response = _said(Refusal(500, "The relay has a problem of its own."))
        response.force_close()
        # Paths and headers are the client's and may hold anything: they are not logged.
        log.info(
            "%s %s token=%s bytes=%s ms=%d",
            request.method if request.method in ("GET", "POST") else "other", response.status,
            request["token"], request.content_length or 0, 1000 * (time.monotonic() - began),
        )
        return response

    async def _health(self, request):
        free = self.busy < self.config.limits.requests_at_once
        try:
            self.journal.find("", "")
        except Exception:
            free = False
        body = json.dumps({"status": "ok" if free else "unavailable"})
        return web.Response(text=body, status=200 if free else 503, content_type="application/json")

    async def _send(self, request):
        token = tokens.recognise(self.config, request.headers.get("Authorization"))
        request["token"] = token.name
        key = _key(request)
        if self.busy >= self.config.limits.requests_at_once:
            raise Refusal(503, "The relay is busy. Nothing was sent.", 5)
        self.busy += 1
        try:
            with tempfile.TemporaryDirectory(dir=self.state, prefix="email-") as folder:
                return await self._read_and_send(request, token, key, Path(folder))
        finally:
            self.busy -= 1

    async def _read_and_send(self, request, token, key, folder):
        limits = self.config.limits
        try:
            async with asyncio.timeout(limits.upload_seconds):
                email = await intake.read(request, folder, limits)
        except TimeoutError:
            raise Refusal(408, "The request took too long to arrive. Nothing was sent.") from None
        except (ConnectionError, asyncio.IncompleteReadError):
            raise Refusal(400, "The request ended too early. Nothing was sent.") from None
        tokens.check_sender(token, email)
        status = await self._once(token, key, email)
        if status == 200:
            return web.Response(text="Sent.")
        raise Refusal(504, sending.UNKNOWN)

    async def _once(self, token, key, email):
        if key is None:
            return await self._hand_over(token, None, email)
        while first := self.under_way.get((token.name, key)):
            await asyncio.wait([first])
        known = self.journal.find(token.name, key)
        if known and known[0] != email.digest:
            raise Refusal(422, "Another email was sent with this Idempotency-Key.")
        if known:
            return known[1]
        self.rates.count(token)
        self.journal.begin(token.name, key, email.digest)
        task = asyncio.ensure_future(self._hand_over(token, key, email, counted=True))
        self.under_way[token.name, key] = task
        try:
            status = await task
        except Refusal as refusal:
            if refusal.status == 504:
                self.journal.end(token.name, key, 504)
            else:
                self.journal.forget(token.name, key)
            raise
        finally:
            del self.under_way[token.name, key]
        try:
            self.journal.end(token.name, key, status)
        except sqlite3.Error:
            # It was sent, whatever the disk says. A second request with the key finds it unfinished, and is not sent.
            log.error("the journal cannot be written")
        return status

    async def _hand_over(self, token, key, email, counted=False):
        if not counted:
            self.rates.count(token)
        # Two tokens may use the same key, and are not to get the same Message-ID.
        key = key and tokens.digest(f"{token.name}\0{key}")
        try:
            await asyncio.get_running_loop().run_in_executor(self.threads, sending.send, self.config, email, key)
        except Refusal:
            raise
        except Exception as error:
            # Nobody knows how far it came, so it is not told as unsent.
            log.error("a bug while sending: %s", type(error).__name__)
            raise Refusal(504, sending.UNKNOWN) from None
        return 200

    def close(self):
        self.threads.shutdown()
        self.journal.close()


def _key(request):
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (1 <= len(key) <= 255 and all("!" <= each <= "~" for each in key)):
        raise Refusal(400, "The Idempotency-Key must be 1 to 255 visible ASCII characters.")
    return key


def _said(refusal, allow=None):
    headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else {}
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if allow:
        headers["Allow"] = allow
    return web.Response(status=refusal.status, text=refusal.sentence, headers=headers)


async def start(relay):
    """Listens, and returns the runner and the port."""
    limits = relay.config.limits
    runner = web.AppRunner(
        relay.application(), access_log=None, handle_signals=False, shutdown_timeout=limits.stop_seconds, lingering_time=5
    )
    await runner.setup()
    loop, factory = asyncio.get_running_loop(), runner.server

    def connection():
        protocol = factory()
        # A client that never ends its headers would hold its connection for ever.
        loop.call_later(limits.header_seconds, _hang_up, protocol, relay.begun)
        return protocol

    tls = None
    if relay.config.certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(relay.config.certificate, relay.config.key)
    listener = await loop.create_server(connection, relay.config.host, relay.config.port, ssl=tls)
    return runner, listener, listener.sockets[0].getsockname()[1]


def _hang_up(protocol, begun):
    if protocol in begun:
        # There is one request to a connection, so that nobody asks again.
        begun.discard(protocol)
    elif protocol.transport is not None:
        protocol.transport.abort()
