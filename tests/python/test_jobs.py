"""Waiting: progress, cancelling, Ctrl-C, asyncio, the end of the interpreter."""

import asyncio
import os
import signal
import subprocess
import threading

import mailbutton
import pytest
from mailbutton import Status
from support import LONG, PDF, HttpServer, email, make_pdf, program, run

STEPS = ["name", "connect", "greeting", "tls", "login", "sender", "recipient", "content", "verdict"]


class Stop(Exception):
    pass


@pytest.fixture
def stuck(silent):
    """An account whose sends end only when they are cancelled."""
    with mailbutton.open() as account:
        account.settings_set(silent.settings())
        yield account


def test_progress_tells_every_step_on_the_callers_thread(account):
    told, threads = [], set()

    def on_progress(progress):
        told.append(progress)
        threads.add(threading.current_thread())

    account.send_document(email(), make_pdf(2_000_000), on_progress=on_progress)
    assert threads == {threading.current_thread()}
    assert list(dict.fromkeys(progress.step for progress in told)) == STEPS
    uploaded = [progress.permille for progress in told if progress.step == "content"]
    assert uploaded == sorted(uploaded) and uploaded[-1] == 1000
    assert all(progress.text for progress in told)


def test_progress_is_told_in_parts_when_waits_are_short(account):
    told = []
    with account.start_document(email(), PDF) as job:
        while job.wait(0.002, told.append) is Status.PENDING:
            pass
        job.wait(0, told.append)
    assert list(dict.fromkeys(progress.step for progress in told)) == STEPS


def first_step(job):
    """Waits for the first progress, and no longer."""
    told = []
    while not told:
        job.wait(0.05, told.append)
    return told[0].step


def test_four_emails_are_on_their_way_at_a_time_and_a_test_does_not_queue(stuck, silent):
    running = [stuck.start_document(email(), PDF) for _ in range(4)]
    connections = [silent.wait_for_connection() for _ in running]
    waiting = stuck.start_document(email(total_ms=100), PDF)
    assert first_step(waiting) == "turn"
    with pytest.raises(mailbutton.Unreachable) as caught:
        waiting.result()
    assert caught.value.reason == "out_of_time"
    assert [advice["code"] for advice in caught.value.advice] == ["fewer_at_once"]
    with stuck.start_document(email(), PDF) as next_one, stuck.start_test() as test:
        assert first_step(next_one) == "turn"
        assert first_step(test) == "name"
        connections.append(silent.wait_for_connection())
        # One that goes makes room for the one that waits.
        running[0].cancel()
        connections.append(silent.wait_for_connection())
    for job in running:
        job.close()


def test_a_look_does_not_wait(stuck, silent):
    with stuck.start_document(email(), PDF) as job:
        silent.wait_for_connection()
        assert (job.status, job.done, repr(job)) == (Status.PENDING, False, "<mailbutton.Job PENDING>")
        assert job.wait(0) is job.wait(0, print) is job.wait(-1) is Status.PENDING
        with pytest.raises(TimeoutError):
            job.result(timeout=0.01)
        assert job.status is Status.PENDING


def test_an_exception_in_on_progress_cancels_and_is_raised(stuck, silent):
    def on_progress(_progress):
        raise Stop

    with pytest.raises(Stop):
        stuck.send_document(email(), PDF, on_progress=on_progress)
    with stuck.start_document(email(), PDF) as job:
        with pytest.raises(Stop):
            job.wait(on_progress=on_progress)
        with pytest.raises(mailbutton.Canceled):
            job.result(LONG)


def test_false_from_on_progress_cancels(stuck):
    with pytest.raises(mailbutton.Canceled) as caught:
        stuck.send_document(email(), PDF, on_progress=lambda _progress: False)
    assert caught.value.reply["recipients"][0]["outcome"] == "not_sent"


def test_another_thread_cancels(stuck, silent):
    with stuck.start_document(email(), PDF) as job:
        connection = silent.wait_for_connection()
        canceler = threading.Thread(target=job.cancel)
        canceler.start()
        with pytest.raises(mailbutton.Canceled):
            job.result(LONG)
        canceler.join()
        silent.wait_for_hang_up(connection)


def test_cancelling_after_the_end_changes_nothing(account):
    with account.start_document(email(), PDF) as job:
        job.wait()
        job.cancel()
        assert job.result()["reason"] == "accepted"


def test_cancelling_after_the_upload_is_uncertain():
    with HttpServer() as server, mailbutton.open() as account:
        server.answer = server.SILENCE
        account.settings_set(server.settings())
        with pytest.raises(mailbutton.Uncertain) as caught, account.start_document(email(), PDF) as job:
            job.result(LONG / 3, lambda progress: progress.step != "verdict")
    assert caught.value.reply["recipients"][0]["outcome"] == "uncertain"


@pytest.mark.parametrize("_again", range(5))
def test_many_threads_wait_for_one_job(account, _again):
    with account.start_document(email(), make_pdf(500_000)) as job:
        told, ended = [], []
        waits = [lambda: ended.append(job.wait()), lambda: ended.append(job.wait(on_progress=told.append))] * 4
        waiters = [threading.Thread(target=wait) for wait in waits]
        for waiter in waiters:
            waiter.start()
        for waiter in waiters:
            waiter.join(LONG)
    assert ended == [Status.OK] * 8


def test_a_signal_during_progress_is_not_lost(stuck):
    """A KeyboardInterrupt in a C callback would be swallowed by ctypes."""
    for _ in range(20):
        with pytest.raises(KeyboardInterrupt):
            stuck.send_document(email(), PDF, on_progress=lambda _: os.kill(os.getpid(), signal.SIGINT))


CTRL_C = """
import sys, mailbutton
from support import PDF, email
account = mailbutton.open()
account.settings_set({"smtp_host": "127.0.0.1", "smtp_port": int(sys.argv[1]), "smtp_security": "starttls",
                      "email_address": "ana@example.test"})
on_progress = print if sys.argv[2] == "progress" else None
try:
    account.send_document(email(), PDF, on_progress=on_progress)
except KeyboardInterrupt:
    print("interrupted")
    sys.stdin.readline()
"""


@pytest.mark.parametrize("how", ["progress", "plain"])
def test_ctrl_c_cancels(silent, how):
    with program(CTRL_C, silent.port, how, stdin=subprocess.PIPE) as process:
        connection = silent.wait_for_connection()
        process.send_signal(signal.SIGINT)
        # The program still lives: it is the cancelling that hangs up.
        silent.wait_for_hang_up(connection)
        output, complaints = process.communicate("go on\n", timeout=LONG)
    assert (process.returncode, complaints) == (0, "")
    assert output.endswith("interrupted\n")


EXIT = """
import sys, threading, mailbutton
from support import PDF, email
account = mailbutton.open()
account.settings_set({"smtp_host": "127.0.0.1", "smtp_port": int(sys.argv[1]), "smtp_security": "starttls",
                      "email_address": "ana@example.test"})
job = account.start_document(email(), PDF)
begun = threading.Event()
if sys.argv[2] == "progress":
    threading.Thread(target=job.wait, args=(None, lambda _: begun.set()), daemon=True).start()
    begun.wait()
elif sys.argv[2] == "wait":
    threading.Thread(target=job.wait, daemon=True).start()
"""


@pytest.mark.parametrize("how", ["idle", "wait", *["progress"] * 5])
def test_the_interpreter_ends_while_a_send_is_running(silent, how):
    assert run(EXIT, silent.port, how) == ""


LATE = """
import atexit

# Registered before the binding's own, and so run after it.
@atexit.register
def late():
    job.cancel()
    print(job.wait(30, print).name)

import mailbutton, sys
from support import PDF, email
account = mailbutton.open()
account.settings_set({"smtp_host": "127.0.0.1", "smtp_port": int(sys.argv[1]), "smtp_security": "starttls",
                      "email_address": "ana@example.test"})
job = account.start_document(email(), PDF)
"""


def test_a_wait_works_as_late_as_at_exit(silent):
    assert run(LATE, silent.port).endswith("CANCELED\n")


def test_asyncio_awaits_a_job(account, server):
    async def send():
        jobs = [account.start_document(email(subject=str(number)), PDF) for number in range(3)]
        return await asyncio.gather(*jobs)

    replies = asyncio.run(send())
    assert [reply["reason"] for reply in replies] == ["accepted"] * 3
    server.wait_for_messages(3)


def test_asyncio_raises_what_a_job_raises(account):
    async def send():
        await account.start_document(email(to="unknown@example.test"), PDF)

    with pytest.raises(mailbutton.Refused):
        asyncio.run(send())


def test_cancelling_an_asyncio_task_cancels_the_send(stuck, silent):
    async def send():
        job = stuck.start_document(email(), PDF)

        async def wait():
            return await job

        task = asyncio.create_task(wait())
        connection = await asyncio.to_thread(silent.wait_for_connection)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(silent.wait_for_hang_up, connection)
        with pytest.raises(mailbutton.Canceled):
            await job

    asyncio.run(send())


def test_a_deadline_of_asyncio_cancels_the_send(stuck, silent):
    async def send():
        job = stuck.start_document(email(), PDF)
        connection = await asyncio.to_thread(silent.wait_for_connection)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(job, timeout=0.05)
        return connection

    silent.wait_for_hang_up(asyncio.run(send()))


def test_asyncio_to_thread(account):
    reply = asyncio.run(asyncio.to_thread(account.send_document, email(), PDF))
    assert reply["reason"] == "accepted"
