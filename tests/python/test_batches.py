"""Many emails at once: on few connections, each with its own outcome, and none lost, doubled or mixed up."""

import hashlib
import itertools
import threading
import time
from collections import Counter

import mailbutton
import pytest
from mailbutton import Status
from support import LONG, PDF, email, make_pdf, parsed, smtp_settings

REAL = ["dovecot", "exim", "postfix"]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def documents(count, size):
    """Each another one; random bytes once, as they are slow to make."""
    body = make_pdf(size)
    return [body + b"%% document %d\n" % number for number in range(count)]


def attached(message):
    (part,) = message.iter_attachments()
    return part.get_content()


def send_all(account, pdfs, **changes):
    jobs = [account.start_document(email(subject=f"Invoice {at}", **changes), pdf) for at, pdf in enumerate(pdfs)]
    return [job.result(10 * LONG) for job in jobs]


def opened(server, **options):
    return mailbutton.open(ca_file=server.ca_file, program_name="Ledger", **options)


@pytest.mark.parametrize("kind", REAL)
@pytest.mark.parametrize("port", ["port_tls", "port_starttls"])
def test_a_thousand_emails_arrive_once_each_byte_for_byte(servers, kind, port):
    server = servers(kind)
    pdfs = documents(1000, 100_000)
    with opened(server) as account:
        account.settings_set(smtp_settings(server, port))
        replies = send_all(account, pdfs)
    assert Counter(reply["reason"] for reply in replies) == {"accepted": 1000}
    messages = [parsed(delivered) for delivered in server.wait_for_messages(1000, timeout=4 * LONG)]
    assert len(messages) == 1000
    assert {message["Message-ID"] for message in messages} == {reply["message_id"] for reply in replies}
    came = {message["Subject"]: sha256(attached(message)) for message in messages}
    assert came == {f"Invoice {at}": sha256(pdf) for at, pdf in enumerate(pdfs)}
    # All but the first of each connection went out on one that was there already.
    reused = [reply for reply in replies if any(step["found"].get("reused") for step in reply["steps"])]
    assert len(reused) >= 1000 - 4 - 1000 // 100


@pytest.mark.parametrize("kind", REAL)
@pytest.mark.parametrize("recipients", [["bogdan@example.test"], ["bogdan@example.test", "carmen@example.test"]])
def test_chunks_arrive_byte_for_byte(servers, kind, recipients):
    server = servers(kind)
    pdfs = [PDF, *documents(3, 200_000), *documents(2, 3_000_000)]
    with opened(server, chunking=["LOCALHOST"]) as account:
        account.settings_set(smtp_settings(server))
        report = account.send_test(transcript=True)
        assert "BDAT " in report["transcript"] and "DATA\n" not in report["transcript"].replace("BDAT", "")
        server.wait_for_messages(1)
        server.clear()
        send_all(account, pdfs, to=recipients)
    copies = 1 if kind == "dovecot" else len(recipients)
    messages = [parsed(delivered) for delivered in server.wait_for_messages(len(pdfs) * copies, timeout=2 * LONG)]
    came = Counter((message["Subject"], sha256(attached(message))) for message in messages)
    assert came == {(f"Invoice {at}", sha256(pdf)): copies for at, pdf in enumerate(pdfs)}


def test_one_refused_email_of_a_batch_is_the_only_one(servers):
    server = servers("postfix")
    with opened(server, connections=2) as account:
        account.settings_set(smtp_settings(server))
        people = itertools.cycle(["bogdan@example.test", "unknown@example.test", "carmen@example.test"])
        jobs = [account.start_document(email(to=next(people), subject=str(at)), PDF) for at in range(60)]
        for at, job in enumerate(jobs):
            if at % 3 == 1:
                with pytest.raises(mailbutton.Refused) as caught:
                    job.result(LONG)
                assert caught.value.reason == "recipient_refused"
            else:
                assert job.result(LONG)["reason"] == "accepted"
    came = sorted(int(parsed(delivered)["Subject"]) for delivered in server.wait_for_messages(40))
    assert came == [at for at in range(60) if at % 3 != 1]


def test_cancelling_some_disturbs_no_other(servers):
    server = servers("postfix")
    with opened(server, connections=3) as account:
        account.settings_set(smtp_settings(server))
        pdfs = documents(150, 60_000)
        jobs = [account.start_document(email(subject=str(at)), pdf) for at, pdf in enumerate(pdfs)]
        canceler = threading.Thread(target=lambda: [jobs[at].cancel() for at in range(0, 150, 5)])
        canceler.start()
        ended = {}
        for at, job in enumerate(jobs):
            try:
                ended[at] = job.result(LONG)["reason"]
            except (mailbutton.Canceled, mailbutton.Uncertain) as error:
                assert at % 5 == 0, "nobody cancelled this one"
                ended[at] = error.reason
        canceler.join()
    accepted = {at for at, reason in ended.items() if reason == "accepted"}
    uncertain = {at for at, reason in ended.items() if reason == "no_verdict"}
    assert len(accepted) >= 120
    # Some of the uncertain ones may come, and before the others.
    came, deadline = Counter(), time.monotonic() + LONG
    while not accepted <= set(came):
        assert time.monotonic() < deadline, accepted - set(came)
        came = Counter(int(parsed(delivered)["Subject"]) for delivered in server.messages())
        time.sleep(0.02)
    assert set(came.values()) == {1}
    assert set(came) <= accepted | uncertain


def test_closing_the_account_lets_what_was_begun_come_to_its_end(servers):
    server = servers("postfix")
    account = opened(server, connections=2)
    account.settings_set(smtp_settings(server))
    jobs = [account.start_document(email(subject=str(at)), PDF) for at in range(40)]
    account.close()
    assert [job.result(LONG)["reason"] for job in jobs] == ["accepted"] * 40
    assert len(server.wait_for_messages(40)) == 40


def test_emails_of_one_connection_keep_their_order(servers):
    server = servers("exim")
    with opened(server, connections=1) as account:
        account.settings_set(smtp_settings(server))
        jobs = [account.start_document(email(subject=str(at)), PDF) for at in range(30)]
        ended = []
        for at, job in enumerate(jobs):
            job.wait(LONG)
            # Whoever came earlier has ended already.
            ended.append(all(before.status is Status.OK for before in jobs[: at + 1]))
    assert ended == [True] * 30
    order = [int(parsed(delivered)["Subject"]) for delivered in server.wait_for_messages(30)]
    assert sorted(order) == list(range(30))


def test_a_transcript_is_what_a_person_can_paste(servers):
    server = servers("postfix")
    with opened(server) as account:
        lines = account.send_test(smtp_settings(server), transcript=True)["transcript"].splitlines()
        assert "transcript" not in account.send_test(smtp_settings(server))
    said = [line[10:] for line in lines]
    assert said[0].startswith("* connected to 127.0.0.1:")
    assert any(line.startswith("* encrypted: TLS 1.") for line in said)
    assert "C: STARTTLS" in said and "C: DATA" in said and "S: 354" in " ".join(said)
    assert any(line.startswith("C: AUTH ") and line.endswith("[login]") for line in said)
    assert any(line.startswith("C: MAIL FROM:<ana@example.test>") for line in said)
    assert any(line.endswith("bytes of content") for line in said)
    times = [float(line[:9]) for line in lines]
    assert times == sorted(times)
