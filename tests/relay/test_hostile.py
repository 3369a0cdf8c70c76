"""The relay against those who mean it no good, or do not know better."""

import os
import random
import re
import socket
import threading

import pytest
from relay_support import PDF, TOKEN, Answer, multipart, request

CLEAR = {400, 401, 408, 411, 413, 415, 422}


def test_an_upload_that_is_too_large_costs_no_memory(make_relay, mail):
    relay = make_relay(limits={"request_bytes": 150_000_000, "file_bytes": 100_000_000})
    relay.send()
    before = relay.peak_memory()
    assert relay.send(document=PDF + bytes(120_000_000)).status == 413
    assert relay.send(document=PDF + os.urandom(60_000_000)).status == 200
    grown = relay.peak_memory() - before
    print(f"VmHWM {relay.peak_memory() / 1e6:.0f} MB, {grown / 1e6:.0f} MB more than after a small email")
    assert grown < 30_000_000
    assert len(mail.received) == 2
    assert list((relay.folder / "state").glob("email-*")) == []


def test_what_is_too_large_by_its_own_word_is_not_read(make_relay, mail):
    relay = make_relay(limits={"request_bytes": 10_000})
    head, _, _ = request(b"", "multipart/form-data; boundary=b").partition(b"\r\n\r\n")
    answer = Answer(relay.raw(head.replace(b"Length: 0", b"Length: 10001") + b"\r\n\r\n", finish=False))
    assert (answer.status, mail.received) == (413, [])


def test_parts_and_texts_have_limits(make_relay, mail):
    relay = make_relay(limits={"parts": 8, "text_bytes": 1000})
    assert relay.send(**{f"x{number}": "" for number in range(9)}).status == 413
    assert relay.send(body="x" * 1001).status == 413
    assert mail.received == []


@pytest.mark.parametrize("sent", [b"", b"POST / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_a_client_that_never_ends_its_headers_is_hung_up_on(make_relay, sent):
    relay = make_relay(limits={"header_seconds": 1})
    assert relay.raw(sent, finish=False) == b""
    assert relay.send().status == 200


def test_a_client_that_stops_in_its_body_gets_408(make_relay, mail):
    relay = make_relay(limits={"upload_seconds": 1})
    body, kind = multipart()
    assert Answer(relay.raw(request(body, kind)[:-20], finish=False)).status == 408
    assert mail.received == []


def test_a_request_that_ends_early_is_no_email(relay, mail):
    """Also where only bytes behind the last boundary are missing: the sender cancelled it."""
    body, kind = multipart()
    behind = body + b"a\r\n" * 50_000
    for whole, missing in ((body, 1), (body, len(PDF)), (body + b"\r\n", 1), (behind, 1), (behind, 10_000)):
        relay.raw(request(whole, kind)[:-missing])
    assert relay.post(behind, kind).status == 400
    assert relay.send(document=None).status == 422
    assert mail.received == []


def test_there_is_a_cap_on_what_is_under_way(make_relay, mail):
    relay = make_relay(limits={"requests_at_once": 1})
    mail.gate.clear()
    first = threading.Thread(target=relay.send)
    first.start()
    assert mail.reached.wait(30)
    answer = relay.send()
    health = Answer(relay.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", finish=False))
    mail.gate.set()
    first.join()
    assert answer.status == 503 and answer.headers["retry-after"]
    assert (health.status, health.text) == (503, '{"status": "unavailable"}')


@pytest.mark.parametrize(
    ("kind", "status"),
    [("text/plain", 415), ("", 415), ("multipart/form-data", 400), ("multipart/mixed; boundary=b", 415)],
)
def test_another_type_of_body_is_refused(relay, mail, kind, status):
    assert relay.post(multipart()[0], kind).status == status
    assert mail.received == []


def test_no_other_way_to_say_the_length(relay, mail):
    body, kind = multipart()
    whole = request(body, kind)
    chunked = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", whole[: -len(body)])
    chunked += b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    assert Answer(relay.raw(chunked, finish=False)).status == 411
    both = whole.replace(b"Content-Length", b"Transfer-Encoding: chunked\r\nContent-Length", 1)
    assert Answer(relay.raw(both, finish=False)).status == 400
    assert relay.post(body, kind, Content_Encoding="gzip").status == 415
    assert mail.received == []


def test_other_methods_and_paths(relay):
    for line, status in ((b"GET / ", 405), (b"PUT / ", 405), (b"POST /x ", 404), (b"GET /healthz/ ", 404)):
        assert Answer(relay.raw(line + b"HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", finish=False)).status == status


def mutated(chance, data):
    data = bytearray(data)
    for _ in range(chance.randint(1, 2)):
        at, size = chance.randrange(len(data)), chance.randint(1, 40)
        kind = chance.randrange(4)
        if kind == 0:
            data[at] = chance.randrange(256)
        elif kind == 1:
            del data[at : at + size]
        elif kind == 2:
            data[at:at] = data[at : at + size]
        else:
            data[at:at] = chance.choice([b"\r\n", b"\r\n\r\n", b"--", b"\0", b'"', b";", b"\xff", b"Bcc: evil@example.test\r\n"])
    return bytes(data)


def test_any_bytes_get_a_clear_answer(relay, mail):
    """What is sent of a mutated body has the same recipients, or ones that stand in the body as they are."""
    chance, counts = random.Random(20261), {}
    for _ in range(400):
        body, kind = multipart(b"%PDF-1.7\nx\n%%EOF\n")
        body = mutated(chance, body)
        before = len(mail.received)
        answer = relay.post(body, kind)
        counts[answer.status] = counts.get(answer.status, 0) + 1
        if answer.status == 200:
            ((recipients, raw),) = mail.received[before:]
            assert all(each.encode() in body for each in recipients)
            assert not re.search(rb"(?im)^bcc:", raw.partition(b"\r\n\r\n")[0])
        else:
            assert answer.status in CLEAR and len(mail.received) == before, answer.text
            assert answer.text and answer.headers["content-type"].startswith("text/plain")
    print(f"answers: {counts}")
    assert counts[200] and counts[400] and counts[422]
    assert relay.send().status == 200 and "bug" not in relay.logged()
    assert TOKEN not in relay.logged()


def test_any_bytes_as_a_request_leave_it_alive(make_relay, mail):
    relay = make_relay(limits={"header_seconds": 1, "upload_seconds": 1})
    chance = random.Random(20262)
    body, kind = multipart(b"%PDF-1.7\n")
    for _ in range(100):
        whole = request(body, kind)
        head = whole[: -len(body)]
        relay.raw(mutated(chance, head) + body)
    with socket.create_connection(("127.0.0.1", relay.port)):
        assert relay.send().status == 200
    assert "bug" not in relay.logged()
