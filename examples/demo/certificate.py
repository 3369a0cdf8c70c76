"""A self-signed certificate, made with nothing but Python.

The standard library makes no certificates, and `openssl` is not on every machine. A key on the curve P-256 and an
X.509 certificate for it fit on a page. It is for this demo only: the arithmetic takes no care to hide the key.
"""

import base64
import hashlib
import secrets
from datetime import datetime, timedelta, timezone

PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
BASE = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def add(p, q):
    if p is None or q is None:
        return p or q
    if p[0] == q[0] and p[1] != q[1]:
        return None
    if p == q:
        slope = 3 * (p[0] * p[0] - 1) * pow(2 * p[1], -1, PRIME)
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, PRIME)
    x = (slope * slope - p[0] - q[0]) % PRIME
    return x, (slope * (p[0] - x) - p[1]) % PRIME


def times(factor, point):
    total = None
    while factor:
        if factor & 1:
            total = add(total, point)
        point = add(point, point)
        factor >>= 1
    return total


def der(tag, *parts):
    body = b"".join(parts)
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(digits)]) + digits + body


def integer(value):
    return der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def sequence(*parts):
    return der(0x30, *parts)


def bits(body):
    return der(0x03, b"\0", body)


def oid(digits):
    return der(0x06, bytes.fromhex(digits))


EC_KEY, P256 = oid("2a8648ce3d0201"), oid("2a8648ce3d030107")
ECDSA_SHA256 = sequence(oid("2a8648ce3d040302"))
COMMON_NAME, ALT_NAMES = oid("550403"), oid("551d11")


def pem(label, body):
    lines = base64.encodebytes(body).decode().replace("\n", "")
    lines = "\n".join(lines[at : at + 64] for at in range(0, len(lines), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"


def make_certificate(host="localhost", address="127.0.0.1"):
    """The certificate and its key, as one PEM text."""
    key = secrets.randbelow(ORDER - 1) + 1
    public = b"\x04" + b"".join(part.to_bytes(32, "big") for part in times(key, BASE))
    now = datetime.now(timezone.utc)
    dates = [now - timedelta(days=1), now + timedelta(days=30)]
    name = sequence(der(0x31, sequence(COMMON_NAME, der(0x0C, host.encode()))))
    names = sequence(der(0x82, host.encode()), der(0x87, bytes(map(int, address.split(".")))))
    body = sequence(
        der(0xA0, integer(2)),
        integer(secrets.randbits(64)),
        ECDSA_SHA256,
        name,
        sequence(*(der(0x17, date.strftime("%y%m%d%H%M%SZ").encode()) for date in dates)),
        name,
        sequence(sequence(EC_KEY, P256), bits(public)),
        der(0xA3, sequence(sequence(ALT_NAMES, der(0x04, names)))),
    )
    digest = int.from_bytes(hashlib.sha256(body).digest(), "big")
    once = secrets.randbelow(ORDER - 1) + 1
    r = times(once, BASE)[0] % ORDER
    s = pow(once, -1, ORDER) * (digest + r * key) % ORDER
    certificate = sequence(body, ECDSA_SHA256, bits(sequence(integer(r), integer(s))))
    private = sequence(integer(1), der(0x04, key.to_bytes(32, "big")), der(0xA0, P256), der(0xA1, bits(public)))
    return pem("CERTIFICATE", certificate) + pem("EC PRIVATE KEY", private)
