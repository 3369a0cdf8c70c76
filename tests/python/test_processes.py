"""Many threads, many processes, and processes that die."""

import os
import subprocess
import threading

import mailbutton
from servers import PASSWORD
from support import OTHER_PASSWORD, PDF, email, parsed, program, run, smtp_settings

SAVE = """
import os, random, signal, sys, time, mailbutton

def settings(name, password):
    return {"smtp_host": "localhost", "smtp_port": 587, "username": "ana@example.test", "password": password,
            "sender_name": name * 200}

A, B = settings("A", "first-password"), settings("B", "second-password")
store = sys.argv[1]
"""

# One process forks all the writers: starting Python 200 times would take minutes.
KILL = SAVE + """
def write(ready):
    with mailbutton.open(store) as account:
        account.settings_set(A)
        os.write(ready, b"!")
        while True:
            account.settings_set(B)
            account.settings_set(A)

seen = set()
for attempt in range(200):
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        write(tell)
    os.read(ready, 1)
    time.sleep(random.random() / 100)  # The moment of the kill is to be random.
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(ready), os.close(tell)
    with mailbutton.open(store) as account:
        found = account.settings_get()
        assert found["configured"] and found["has_secret"]["password"], found
        seen.add(found["settings"]["sender_name"])
        assert account.form()["configured"]
assert seen == {A["sender_name"], B["sender_name"]}, seen
with mailbutton.open(store) as account:
    account.settings_set(A)
print(*sorted(os.listdir(os.path.dirname(store))))
"""


def test_a_killed_writer_leaves_the_old_or_the_new(tmp_path):
    assert run(KILL, tmp_path / "s").split() == ["s", "s.key", "s.lock"]


TAKE_TURNS = SAVE + """
mine = {"A": A, "B": B}[sys.argv[2]]
with mailbutton.open(store) as account:
    print("ready")
    sys.stdin.readline()
    for _ in range(60):
        account.settings_set(mine)
        found = account.settings_get()
        assert found["settings"]["sender_name"] in (A["sender_name"], B["sender_name"])
"""


def test_two_processes_save_at_once(tmp_path):
    store = tmp_path / "s"
    with (
        program(TAKE_TURNS, store, "A", stdin=subprocess.PIPE) as first,
        program(TAKE_TURNS, store, "B", stdin=subprocess.PIPE) as second,
    ):
        for process in (first, second):
            assert process.stdout.readline() == "ready\n"
        for process in (first, second):
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in (first, second):
            _output, complaints = process.communicate(timeout=30)
            assert (process.returncode, complaints) == (0, "")
    with mailbutton.open(store) as account:
        assert set(account.settings_get()["settings"]["sender_name"]) in ({"A"}, {"B"})
    assert sorted(os.listdir(tmp_path)) == ["s", "s.key", "s.lock"]


def test_64_threads_share_an_account(account, server, tmp_path):
    with mailbutton.open(tmp_path / "s", ca_file=server.ca_file) as shared:
        shared.settings_set(smtp_settings(server))
        problems = in_threads(64, lambda number: use_everything(shared, server, number))
    assert problems == []
    subjects = [parsed(message)["Subject"] for message in server.wait_for_messages(64)]
    assert sorted(subjects) == sorted(str(number) for number in range(64))


def use_everything(account, server, number):
    account.form({"smtp_port": number})
    account.settings_set(smtp_settings(server))
    assert account.send_document(email(subject=str(number)), PDF)["reason"] == "accepted"
    assert account.settings_get()["has_secret"]["password"] is True
    assert account.button({"reference": str(number)})["button"]["enabled"] is True


def in_threads(count, work):
    problems = []

    def guarded(number):
        try:
            work(number)
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return problems


FORK = """
import os, sys, mailbutton
from support import PDF, email, SilentServer
port, ca_file, password = sys.argv[1:]
settings = {"smtp_host": "localhost", "smtp_port": int(port), "username": "ana@example.test", "password": password}
silent = SilentServer()
with mailbutton.open(ca_file=ca_file) as account, mailbutton.open() as stuck:
    account.settings_set(settings)
    account.send_document(email(subject="before"), PDF)
    stuck.settings_set(silent.settings())
    job = stuck.start_document(email(), PDF)
    silent.wait_for_connection()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            job.result(30, print)
        except mailbutton.BadCall as error:
            assert error.reason == "forked", error.reply
            account.send_document(email(subject="child"), PDF)
            job.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert job.status is mailbutton.Status.PENDING
    account.send_document(email(subject="parent"), PDF)
    job.cancel()
    assert job.wait(30) is mailbutton.Status.CANCELED
    job.close()
"""


def test_a_child_after_fork_sends_by_itself(server):
    run(FORK, server.port_starttls, server.ca_file, server.password)
    subjects = [parsed(message)["Subject"] for message in server.wait_for_messages(3)]
    assert subjects == ["before", "child", "parent"]


def test_the_settings_file_holds_no_secret(tmp_path, server):
    with mailbutton.open(tmp_path / "s") as account:
        account.settings_set(smtp_settings(server))
        account.settings_set(smtp_settings(server, password=OTHER_PASSWORD))
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o077 == 0
        assert not [secret for secret in (PASSWORD, OTHER_PASSWORD) if secret.encode() in path.read_bytes()]
