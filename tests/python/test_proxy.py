"""Documents through real proxies: tinyproxy (CONNECT) and microsocks (SOCKS 5)."""

import shutil
import socket
import tempfile
import time
from pathlib import Path

import mailbutton
import pytest
from servers import processes
from servers.base import free_port
from support import LONG, PROXY_PASSWORD, email, make_pdf, parsed, smtp_settings

USER = "ledger"
WRONG_PASSWORD = "n0t-the-0ne"
PDF = make_pdf(300_000)


class RealProxy:
    """A proxy on a free port, which wants a login."""

    scheme = None
    program = None

    def command(self):
        raise NotImplementedError

    def address(self, password=PROXY_PASSWORD):
        return f"{self.scheme}://{USER}:{password}@127.0.0.1:{self.port}"

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix=f"mailbutton-{self.program}-"))
        self.port = free_port()
        self._process = processes.launch(self.command(), self.folder, self.folder / "output")
        deadline = time.monotonic() + LONG
        while not self._listens():
            assert self._process.poll() is None and time.monotonic() < deadline, self.log()
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        processes.stop(self._process, self.folder)
        shutil.rmtree(self.folder)

    def _listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except OSError:
            return False
        return True

    def log(self):
        return (self.folder / "output").read_text(errors="replace")


class Tinyproxy(RealProxy):
    scheme = "http"
    program = "tinyproxy"

    def command(self):
        configuration = self.folder / "tinyproxy.conf"
        configuration.write_text(
            f"Port {self.port}\nListen 127.0.0.1\nAllow 127.0.0.1\nBasicAuth {USER} {PROXY_PASSWORD}\n"
            "Timeout 60\nMaxClients 20\nLogLevel Connect\n"
        )
        return ["tinyproxy", "-d", "-c", configuration]


class Microsocks(RealProxy):
    scheme = "socks5"
    program = "microsocks"

    def command(self):
        return ["microsocks", "-i", "127.0.0.1", "-p", self.port, "-u", USER, "-P", PROXY_PASSWORD]


@pytest.fixture(params=[Tinyproxy, Microsocks], ids=lambda kind: kind.program, scope="module")
def proxy(request):
    if not shutil.which(request.param.program):
        pytest.skip(f"{request.param.program} is not installed")
    with request.param() as proxy:
        yield proxy


def open_through(address, server):
    return mailbutton.open(ca_file=server.ca_file, program_name="Ledger", proxy=address)


def refusal(account):
    with pytest.raises(mailbutton.Unreachable) as caught:
        account.send_document(email(), PDF)
    assert caught.value.reply["step"] == "proxy"
    return caught.value


@pytest.mark.parametrize("kind", ["aiosmtpd", "postfix"])
@pytest.mark.parametrize("port", ["port_starttls", "port_tls"])
def test_a_document_arrives_through_a_proxy(proxy, servers, kind, port):
    server = servers(kind)
    with open_through(proxy.address(), server) as account:
        account.settings_set(smtp_settings(server, port))
        reply = account.send_document(email(), PDF)
    steps = {step["step"]: step["found"] for step in reply["steps"]}
    assert steps["proxy"] == {"proxy": f"127.0.0.1:{proxy.port}"}
    assert steps["connect"]["address"] == f"127.0.0.1:{proxy.port}"
    assert steps["tls"]["certificate"]["names"][0] == "localhost"
    (message,) = map(parsed, server.wait_for_messages(1))
    (document,) = message.iter_attachments()
    assert document.get_content() == PDF
    assert proxy.program != "tinyproxy" or "localhost" in proxy.log()


def test_a_kept_connection_still_says_whose_address_it_has(proxy, servers):
    server = servers("postfix")
    with open_through(proxy.address(), server) as account:
        account.settings_set(smtp_settings(server))
        account.send_document(email(), PDF)
        reply = account.send_document(email(), PDF)
    address = f"127.0.0.1:{proxy.port}"
    (connect,) = [step["found"] for step in reply["steps"] if step["step"] == "connect"]
    assert connect == {"address": address, "proxy": address, "reused": True}
    assert "proxy" not in [step["step"] for step in reply["steps"]]
    assert len(server.wait_for_messages(2)) == 2


def test_a_wrong_login_is_explained(proxy, server):
    with open_through(proxy.address(WRONG_PASSWORD), server) as account:
        account.settings_set(smtp_settings(server))
        error = refusal(account)
    assert error.reason == "proxy_login_refused"
    assert error.advice[0]["code"] == "check_proxy_login"
    assert WRONG_PASSWORD not in str(error.reply) and USER not in error.reply["message"]
    assert server.messages() == []


def test_a_server_that_the_proxy_cannot_reach_is_explained(proxy, server):
    with open_through(proxy.address(), server) as account:
        account.settings_set(smtp_settings(server, smtp_port=free_port()))
        error = refusal(account)
    assert error.reason == "proxy_failed"
    assert "ask_proxy" in [advice["code"] for advice in error.advice]
