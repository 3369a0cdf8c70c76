"""The README as a person follows it, the configuration, and TLS."""

import os
import re
import shutil
import signal
import subprocess
import sys

import mailbutton
import pytest
import trustme
from mailbutton_relay import config, tokens
from relay_support import LONG, PDF, ROOT, TOKEN

HERE = ROOT / "examples/relay"
TOKEN_LINES = f'[[tokens]]\nname = "ana"\nsha256 = "{tokens.digest(TOKEN)}"\n'


def commands():
    blocks = re.findall(r"^```sh\n(.*?)^```$", (HERE / "README.md").read_text(), re.M | re.S)
    return [line for block in blocks for line in block.splitlines()]


def test_every_command_of_the_readme(mail, tmp_path):
    folder = tmp_path / "examples/relay"
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("__pycache__", "venv"))
    bindings = ["bindings/python", "LICENSE", "LICENSE-MIT", "LICENSE-APACHE"]
    for each in bindings:
        source = ROOT / each
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / each)
    (folder / "invoice.pdf").write_bytes(PDF)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    server, port, replies = None, "", []
    try:
        for command in commands():
            if " serve " in command:
                server = subprocess.Popen(command.split(), cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                port = server.stdout.readline().split()[-1]
                continue
            command = command.replace("8025", port) if port else command
            done = subprocess.run(["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            replies.append(done.stdout)
            if command.endswith(" token"):
                environment["TOKEN"] = done.stdout.splitlines()[0].split()[-1]
                fill_in(folder / "relay.toml", done.stdout.splitlines()[1], mail.port)
    finally:
        if server:
            server.send_signal(signal.SIGTERM)
            log = server.communicate(timeout=LONG)[1]
    assert replies[-3:] == ['{"status": "ok"}', "Sent.", "Sent."]
    assert mail.documents(1) == [("invoice.pdf", PDF)]
    assert environment["TOKEN"] not in log and "ion@" not in log


def fill_in(path, digest, mail_port):
    """What the README leaves to the person, and a port that is free."""
    text = re.sub(r"^sha256 = .*", digest, path.read_text(), flags=re.M)
    text = re.sub(r"^\[smtp\]\n(?:\w.*\n)*", f'[smtp]\nsmtp_host = "127.0.0.1"\nsmtp_port = {mail_port}\nsmtp_security = "none"\nemail_address = "billing@example.com"\n', text, flags=re.M)
    path.write_text(text.replace("port = 8025", "port = 0"))


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ('host = "0.0.0.0"', "in clear"),
        ('host = "localhost"', "IP address"),
        ('certificate = "a.pem"', "both or none"),
        ("prot = 1", "prot: there is no such setting"),
        ('port = "1"', "port: must be of type int"),
        ("limits = {parts = 0}", "limits.parts: must be at least 1"),
        ("limits = 3", "limits: must be a table"),
        ("x = ", "relay.toml"),
    ],
)
def test_a_configuration_that_is_wrong(tmp_path, lines, complaint):
    path = tmp_path / "relay.toml"
    path.write_text(f"{lines}\nsmtp = {{}}\n{TOKEN_LINES}")
    with pytest.raises(config.Wrong, match=re.escape(complaint)):
        config.load(path)


def test_a_token_that_is_wrong(tmp_path):
    path = tmp_path / "relay.toml"
    for tokens_given, complaint in (("", "at least one"), (TOKEN_LINES * 2, "same name"), ('[[tokens]]\nname = "a"\nsha256 = "x"', "64 digits"), ('[[tokens]]\nname = "a"', "sha256")):
        path.write_text(f"smtp = {{}}\n{tokens_given}")
        with pytest.raises(config.Wrong, match=complaint):
            config.load(path)


def test_settings_that_are_wrong_are_found_before_it_listens(tmp_path):
    path = tmp_path / "relay.toml"
    path.write_text(f'smtp = {{smtp_host = "mail.example.test:587"}}\n{TOKEN_LINES}')
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}/bindings/python:{HERE}"}
    for command in ("check", "serve"):
        done = subprocess.run([sys.executable, "-m", "mailbutton_relay", command, path], env=environment, capture_output=True, text=True, timeout=LONG)
        assert done.returncode == 1 and "smtp.smtp_host: " in done.stderr


def test_tls(make_relay, mail, tmp_path):
    authority = trustme.CA()
    identity = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    identity.private_key_pem.write_to_path(tmp_path / "key.pem")
    identity.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    relay = make_relay(certificate=str(tmp_path / "certificate.pem"), key=str(tmp_path / "key.pem"))
    with mailbutton.open(ca_file=tmp_path / "ca.pem") as account:
        settings = {"protocol": "http", "http_server": f"https://127.0.0.1:{relay.port}/", "http_token": TOKEN}
        account.settings_set({**settings, "sender_name": "Ana", "reply_to": "ana@example.test"})
        account.send_document({"to": "ion@example.test", "subject": "x", "body": "x"}, PDF)
    assert mail.documents() == [("document.pdf", PDF)]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
def test_the_unit_is_understood(tmp_path):
    unit = (HERE / "mailbutton-relay.service").read_text().replace("/opt/mailbutton-relay/venv/bin/python", "/bin/true")
    (tmp_path / "relay.service").write_text(unit)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / "relay.service"], capture_output=True, text=True, timeout=LONG)
    assert "relay.service:" not in done.stderr, done.stderr
