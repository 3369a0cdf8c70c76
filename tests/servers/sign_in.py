"""An OpenID provider that no one here wrote (oidc-provider, from npm), and a person with a browser."""

import html
import json
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path

from .base import ADDRESS, START_TIMEOUT, UNPACKED, USER, ServerFailed, free_port

SOURCE = Path(__file__).resolve().parent / "oidc"
FOLDER = UNPACKED / "oidc"
WEB_SECRET = "secret-of-the-web-client"
SERVICE_SECRET = "secret-of-the-service"
CALLBACK = "https://books.example.test/callback"


class Oidc:
    """The provider, from `with` to the end of the block. `lifetime` is that of its access tokens, in seconds."""

    def __init__(self, lifetime=3600):
        self.lifetime = lifetime
        self.port = free_port()
        self.url = f"http://{ADDRESS}:{self.port}"
        self._process = None

    @staticmethod
    def missing():
        return [] if (FOLDER / "node_modules/oidc-provider").is_dir() else ["oidc-provider (npm)"]

    def __enter__(self):
        # Beside the packages that it uses.
        server = FOLDER / "server.mjs"
        server.write_text((SOURCE / "server.mjs").read_text())
        self._process = subprocess.Popen(
            ["node", server, str(self.port), str(self.lifetime)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        if self._process.stdout.readline().strip() != "ready":
            raise ServerFailed("oidc-provider does not start")
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait(START_TIMEOUT)
        self._process.stdout.close()

    def asked(self):
        """How often each kind of thing was asked for."""
        with urllib.request.urlopen(f"{self.url}/asked") as answer:
            return json.load(answer)

    def provider(self, host, port, scopes=("openid", "offline_access", "send")):
        """A row of the option `providers`: the server is this provider's."""
        return {
            "id": "orchard", "name": "Orchard Mail", "login": ["oauth2"],
            "servers": [{"host": host, "port": port, "security": "starttls"}],
            "oauth": {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/auth",
                "token_endpoint": f"{self.url}/token",
                "device_authorization_endpoint": f"{self.url}/device/auth",
                "revocation_endpoint": f"{self.url}/token/revocation",
                "scopes": list(scopes),
                "parameters": {"prompt": "consent"},
            },
        }

    @property
    def introspection_url(self):
        return f"http://web:{WEB_SECRET}@{ADDRESS}:{self.port}/token/introspection"


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


@dataclass(frozen=True)
class _Answer:
    status: int
    location: str | None
    page: str


class Browser:
    """Clicks through the provider's pages as a person would."""

    def __init__(self):
        self._opener = urllib.request.build_opener(_Stay, urllib.request.HTTPCookieProcessor(CookieJar()))

    def _open(self, url, form=None):
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        try:
            with self._opener.open(url, data, timeout=30) as answer:
                return _Answer(answer.status, answer.headers.get("Location"), answer.read().decode())
        except urllib.error.HTTPError as answer:
            with answer:
                return _Answer(answer.status, answer.headers.get("Location"), answer.read().decode())

    def sign_in(self, url, user=USER, consents=True):
        """To the address to which the provider sends the browser in the end; the listener's page is not opened."""
        origin = url.split("/", 3)[:3]
        answer = self._open(url)
        for _ in range(20):
            if answer.status in (302, 303):
                url = urllib.parse.urljoin(url, answer.location)
                if url.split("/", 3)[:3] != origin:
                    return url
                answer = self._open(url)
                continue
            page = answer.page
            if answer.status != 200 or "<form" not in page:
                return page
            form = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page))
            if 'name="login"' in page:
                form.update(login=user, password="any")
            abort = re.search(r'href="([^"]*abort)"', page)
            if not consents and form.get("prompt") == "consent" and abort:
                url = urllib.parse.urljoin(url, html.unescape(abort.group(1)))
                answer = self._open(url)
                continue
            action = re.search(r'action="([^"]*)"', page)
            url = urllib.parse.urljoin(url, html.unescape(action.group(1))) if action else url
            answer = self._open(url, {name: html.unescape(value) for name, value in form.items()})
        raise AssertionError("the provider's pages come to no end")

    def visit(self, url):
        answer = self._open(url)
        return answer.status, answer.page
