"""Sessions played by hand, so that the sink's counts can be checked against what is known to have happened."""

import base64
import hashlib
import socket

RTT = 20
DOCUMENT = b"%PDF-1.7\n" + bytes(range(256)) * 8
DIGEST = hashlib.sha256(DOCUMENT).hexdigest()

ENVELOPE = b"MAIL FROM:<a@example.com>\r\n", b"RCPT TO:<b@example.com>\r\n", b"DATA\r\n"
BINARY_ENVELOPE = b"MAIL FROM:<a@example.com> BODY=BINARYMIME\r\nRCPT TO:<b@example.com>\r\n"
# Connecting, the greeting, EHLO.
OPENING = 3


def _content(encoding, body):
    return (
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: application/pdf\r\n'
        b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body + b"\r\n--b--\r\n"
    )


CONTENT = _content(b"base64", base64.b64encode(DOCUMENT)) + b".\r\n"
BINARY = _content(b"binary", DOCUMENT)
CHUNK = b"BDAT %d LAST\r\n" % len(BINARY) + BINARY

# Flights: what is written, piece by piece, before the replies to it are read, and how many these are; then how many
# emails arrive, and how many round trips all of it took.
SCRIPTS = {
    "one command at a time": ([([piece], 1) for piece in [*ENVELOPE, CONTENT]], 1, OPENING + 4),
    "pipelined": ([([b"".join(ENVELOPE)], 3), ([CONTENT], 1)], 1, OPENING + 2),
    "pipelined, in pieces": ([(ENVELOPE, 3), ([CONTENT[:99], CONTENT[99:-1], CONTENT[-1:]], 1)], 1, OPENING + 2),
    "the next email behind the dot": (
        [([b"".join(ENVELOPE)], 3), ([CONTENT + b"".join(ENVELOPE)], 4), ([CONTENT], 1)], 2, OPENING + 3,
    ),
    "envelope and chunk together": ([([BINARY_ENVELOPE + CHUNK], 3)] * 2, 2, OPENING + 2),
    "what comes after the verdict": ([([BINARY_ENVELOPE + CHUNK], 3), ([b"NOOP\r\n"], 1)], 1, OPENING + 1),
}


def _replies(stream, count):
    for _ in range(count):
        while True:
            line = stream.readline()
            if line[:1] not in (b"2", b"3"):
                raise RuntimeError(f"the sink says {line!r}")
            if line[3:4] == b" ":
                break


def play(name, sink):
    """What is wrong with the sink's counts, or None."""
    flights, emails, trips = SCRIPTS[name]
    sink.settle()
    sink.behave(RTT, chunking=True)
    sink.reset()
    with socket.create_connection((sink.host, sink.ports["starttls"])) as connection, connection.makefile("rb") as stream:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(30)
        _replies(stream, 1)
        for pieces, replies in [([b"EHLO x\r\n"], 1), *flights]:
            for piece in pieces:
                connection.sendall(piece)
            _replies(stream, replies)
        counts = sink.counts()
    expected = {"emails": emails, "trips": trips, "documents": {DIGEST: emails}, "most_open": 1}
    wrong = {name: counts[name] for name, value in expected.items() if counts[name] != value}
    return f"{wrong} instead of {expected}" if wrong else None
