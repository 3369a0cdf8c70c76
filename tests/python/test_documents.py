"""What people copy: the README's snippets and the examples, run as they are."""

import re
import signal
import subprocess
import sys

import mailbutton
import pytest
from servers import PASSWORD
from support import LONG, PDF, ROOT, SilentServer, environment, parsed, smtp_settings

README = (ROOT / "bindings/python/README.md").read_text()
EXAMPLES = ROOT / "examples/python"


def test_the_readme_does_what_it_says(server, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "invoice.pdf").write_bytes(PDF)
    really_open = mailbutton.open
    monkeypatch.setattr(mailbutton, "open", lambda *given, **more: really_open(*given, ca_file=server.ca_file, **more))
    snippets = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(snippets) == 6
    code = "\n".join(snippets).replace("example.com", "example.test")
    code = code.replace('"smtp.example.test"', '"localhost"').replace("587", str(server.port_starttls))
    code = code.replace('"secret"', repr(PASSWORD))
    exec(compile(code, "README.md", "exec"), {})
    subjects = [parsed(message)["Subject"] for message in server.wait_for_messages(5)]
    assert len(subjects) == 5 and "2026-001" in subjects[1]
    said = capsys.readouterr().out
    assert "[('bogdan@example.test', 'accepted')]" in said and "accepted ['accepted']" in said


def example(name, *arguments, **options):
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment(), text=True, **pipes, **options)


def finish(process, typed=""):
    try:
        output, complaints = process.communicate(typed, timeout=LONG)
    finally:
        process.kill()
    return process.returncode, output, complaints


@pytest.fixture
def pdf(tmp_path):
    path = tmp_path / "invoice.pdf"
    path.write_bytes(PDF)
    return path


def answers(port, password):
    """What a person types: protocol, host, port, security, login, username, password, name, and no to the three boxes."""
    return ["", "localhost", str(port), "", "", "ana@example.test", password, "Ana's Bakery", "", "", ""]


def test_settings_are_asked_tested_and_saved(server, tmp_path, pdf):
    store = tmp_path / "s"
    options = ("--store", store, "--ca-file", server.ca_file)
    code, output, complaints = finish(
        example("settings.py", *options), "\n".join(answers(server.port_starttls, server.password)) + "\n"
    )
    assert (code, complaints) == (0, ""), output
    assert output.endswith("Saved.\n") and server.password not in output
    more = ("--to", "bogdan@example.test", "--reference", "2026/7")
    code, output, complaints = finish(example("send.py", *options, *more, pdf))
    assert (code, complaints) == (0, ""), output
    assert "bogdan@example.test: accepted" in output
    _test, sent = map(parsed, server.wait_for_messages(2))
    assert "2026/7" in sent["Subject"]


def test_settings_take_advice(start_server, tmp_path):
    with start_server("aiosmtpd", certificate="self_signed") as server:
        typed = answers(server.port_starttls, server.password) + ["y"]
        code, output, _complaints = finish(example("settings.py", "--store", tmp_path / "s"), "\n".join(typed) + "\n")
    assert code == 0 and output.endswith("Saved.\n"), output


def test_send_explains(tmp_path, pdf, server):
    options = ("--store", tmp_path / "s", "--ca-file", server.ca_file)
    code, _output, complaints = finish(example("send.py", *options, "--to", "bogdan@example.test", pdf))
    assert code == 1 and complaints.strip()
    with mailbutton.open(tmp_path / "s") as account:
        account.settings_set(smtp_settings(server))
    code, _output, complaints = finish(example("send.py", *options, "--to", "unknown@example.test", pdf))
    assert code == 1 and "\n- " in complaints


def test_send_is_cancelled_by_ctrl_c(tmp_path, pdf):
    with SilentServer() as silent:
        with mailbutton.open(tmp_path / "s") as account:
            account.settings_set(silent.settings())
        process = example("send.py", "--store", tmp_path / "s", "--to", "bogdan@example.test", pdf)
        silent.wait_for_connection()
        # The last that it prints before it waits for the silent one.
        seen = ""
        while "Greeting" not in seen:
            seen += process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        code, _output, complaints = finish(process)
    assert code == 1 and "Traceback" not in complaints and complaints.strip()


def test_the_examples_are_short():
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text().splitlines()) < 80, path
