"""Certificates for the servers: one that clients must accept, and three they must refuse."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAMES = ("localhost", "127.0.0.1")


@dataclass(frozen=True)
class Identity:
    """A certificate (with its chain) and its key, as PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Certificates:
    """`ca_file` vouches for all but `self_signed`; only `good` is to be trusted."""

    ca_file: Path
    good: Identity
    expired: Identity
    wrong_name: Identity
    self_signed: Identity


def make_certificates(folder):
    """Write a CA and the four kinds of leaf below `folder`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    ca = trustme.CA()
    ca_file = folder / "ca.pem"
    ca.cert_pem.write_to_path(str(ca_file))
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    return Certificates(
        ca_file=ca_file,
        good=_write(folder, "good", ca.issue_cert(*NAMES)),
        expired=_write(
            folder,
            "expired",
            ca.issue_cert(
                *NAMES, not_before=yesterday - timedelta(days=30), not_after=yesterday
            ),
        ),
        wrong_name=_write(folder, "wrong-name", ca.issue_cert("mail.example.org")),
        self_signed=_write_self_signed(folder),
    )


def _identity(folder, name, certificate, key):
    identity = Identity(folder / f"{name}.pem", folder / f"{name}.key")
    identity.certificate.write_bytes(certificate)
    identity.key.write_bytes(key)
    return identity


def _write(folder, name, leaf):
    chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
    return _identity(folder, name, chain, leaf.private_key_pem.bytes())


def _write_self_signed(folder):
    """trustme has no leaf without a CA, so this one is made by hand."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName(NAMES[0]), x509.IPAddress(ip_address(NAMES[1]))]
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return _identity(folder, "self-signed", certificate.public_bytes(pem), private)
