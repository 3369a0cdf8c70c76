"""Each email once, within its token's bounds, and to its end."""

import signal
import sqlite3
import threading

import pytest
from relay_support import LONG, Answer


def later(call, *arguments, **named):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(call(*arguments, **named)))
    thread.start()

    def answer():
        thread.join(LONG)
        return answers[0]

    return answer


def test_duplicates_at_once_send_one_email(relay, mail):
    mail.gate.clear()
    answers = [later(relay.send, key="k") for _ in range(4)]
    assert mail.reached.wait(LONG)
    mail.gate.set()
    assert [answer().status for answer in answers] == [200] * 4
    assert len(mail.received) == 1


def test_what_a_crash_cut_off_is_not_sent_again(relay, mail):
    mail.gate.clear()
    sending = later(lambda: _status_or_none(relay))
    assert mail.reached.wait(LONG)
    relay.stop(signal.SIGKILL)
    mail.gate.set()
    sending()
    before = len(mail.received)
    relay.start()
    assert relay.send(key="k").status == 504
    assert len(mail.received) == before


def _status_or_none(relay):
    try:
        return relay.send(key="k").status
    except (ConnectionError, IndexError):
        return None


def test_a_key_is_forgotten_after_a_day(relay, mail):
    assert relay.send(key="k").status == 200
    with sqlite3.connect(relay.folder / "state/journal.sqlite") as journal:
        journal.execute("UPDATE sent SET at = at - 86401")
    journal.close()
    assert relay.send(key="k", subject="Another").status == 200
    assert len(mail.received) == 2


@pytest.mark.parametrize("key", ["a b", "ș", "x" * 256])
def test_a_key_that_is_none_is_refused(relay, mail, key):
    assert relay.send(key=key).status == 400
    assert mail.received == []


@pytest.mark.parametrize(("limit", "wait"), [({"per_minute": 2}, 60), ({"per_day": 2}, 86400)])
def test_a_token_has_a_rate(make_relay, mail, limit, wait):
    relay = make_relay(token=limit)
    assert [relay.send(key="a").status, relay.send().status] == [200, 200]
    answer = relay.send()
    assert answer.status == 429 and wait - 30 < int(answer.headers["retry-after"]) <= wait + 1
    # What is known already is no new email.
    assert relay.send(key="a").status == 200
    assert len(mail.received) == 2


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ({"from_names": ["Ana"]}, {}),
        ({"reply_to_domains": ["other.test"]}, {}),
        ({"recipient_domains": ["example.test"]}, {"bcc": "x@sub.example.test"}),
        ({"recipients": 2}, {"to": "a@b.test,c@d.test,e@f.test"}),
    ],
)
def test_a_token_has_its_rules(make_relay, mail, rule, change):
    relay = make_relay(token=rule)
    assert relay.send(**change).status == 403
    assert mail.received == []


def test_nobody_at_the_mail_server(relay, mail):
    mail.stop()
    answer = relay.send(key="k")
    assert answer.status == 503 and answer.headers["retry-after"]


def test_a_login_that_does_not_work_is_the_relays_own_trouble(make_relay, mail):
    relay = make_relay(smtp={"username": "relay@example.test", "password": "Secret-pa55-e8b2"})
    answer = relay.send(key="k")
    assert (answer.status, mail.received) == (500, [])
    assert "Secret" not in answer.text + relay.logged()


def test_health(relay):
    answer = Answer(relay.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", finish=False))
    assert (answer.status, answer.text) == (200, '{"status": "ok"}')


def test_sigterm_finishes_what_is_under_way(relay, mail):
    mail.gate.clear()
    answer = later(relay.send, key="k")
    assert mail.reached.wait(LONG)
    relay.process.send_signal(signal.SIGTERM)
    # Nobody new gets in from when the port is closed.
    while True:
        try:
            relay.raw(b"")
        except ConnectionRefusedError:
            break
    mail.gate.set()
    assert answer().status == 200
    assert relay.process.wait(LONG) == 0
    assert len(mail.received) == 1
