"""One job, given to one client: what is asked for, what came of it, and whether what arrived is what was sent."""

import hashlib
import json
import os
import random
import subprocess
import threading
from dataclasses import dataclass, field

from . import cores
from .places import OUT, appearing

# A client that has not ended by then hangs.
HANG_SECONDS = 600


class Unavailable(Exception):
    """This peer has no such thing; the table says why."""


class Failed(Exception):
    """It went wrong, or something else arrived than was sent."""


@dataclass(frozen=True)
class Job:
    """What a client is asked to do. `mode` is single, batch or cold; `size` is the document's, in bytes."""

    mode: str = "single"
    size: int = 10_000
    count: int = 10
    connections: int = 1
    recipients: int = 1
    rtt_ms: int = 0
    security: str = "tls"
    source: str = "memory"
    chunking: bool = False
    pipelining: bool = True
    one_core: bool = False


@dataclass
class Run:
    """What the client says of its costs, and what the sink has counted meanwhile."""

    job: Job
    counts: dict
    seconds: float = 0
    cpu_seconds: float = 0
    memory_mb: float = 0
    cold_ms: float = 0
    note: str = ""

    @property
    def rate(self):
        return self.job.count / self.seconds

    @property
    def cpu_per_gb(self):
        return self.cpu_seconds / (self.job.count * self.job.size / 1e9)

    @property
    def trips(self):
        return self.counts["trips"] / self.job.count

    @property
    def wire(self):
        return self.counts["wire_bytes"] / (self.job.count * self.job.size)


@dataclass
class Documents:
    """Documents of each size, with their SHA-256."""

    known: dict = field(default_factory=dict)

    def of(self, size):
        if size not in self.known:
            # Random bytes, as a PDF's compressed streams are; the seed makes them the same each time.
            bytes_ = b"%PDF-1.7\n" + random.Random(size).randbytes(size - 9)
            path = OUT / f"document-{size}.pdf"
            with appearing(path) as made:
                made.write_bytes(bytes_)
            self.known[size] = path, hashlib.sha256(bytes_).hexdigest()
        return self.known[size]


DOCUMENTS = Documents()


def _arguments(job, sink, path):
    given = {
        "host": sink.host, "port": sink.ports[job.security], "ca_file": sink.ca_file,
        "user": sink.user, "password": sink.password, "security": job.security, "mode": job.mode,
        "connections": job.connections, "count": job.count, "recipients": job.recipients,
        "document": path, "source": job.source, "chunking": "on" if job.chunking else "off",
    }
    return [f"{name}={value}" for name, value in given.items()]


def _report(command, when_ready):
    """The last line of a client that does its job; `when_ready` is called when it is warm."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    ) as client:
        hang = threading.Timer(HANG_SECONDS, client.kill)
        hang.start()
        try:
            line = client.stdout.readline()
            if line == "ready\n":
                when_ready()
                client.stdin.write("go\n")
                client.stdin.flush()
                line = client.stdout.readline()
            errors = client.communicate()[1]
        finally:
            hang.cancel()
    if client.returncode != 0 or not line:
        raise Failed(f"exit code {client.returncode}: {errors.strip()[-500:]}")
    return json.loads(line)


def verify(job, counts, digest):
    expected = {
        "emails": job.count, "recipients": job.count * job.recipients,
        "documents": {digest: job.count}, "bad_contents": {},
    }
    for name, value in expected.items():
        if counts[name] != value:
            raise Failed(f"the sink has {name} {counts[name]}, not {value}")


def run(client, job, sink):
    path, digest = DOCUMENTS.of(job.size)
    sink.settle()
    sink.behave(job.rtt_ms, job.chunking, job.pipelining)
    sink.keep_to_one_core(job.one_core)
    command = [*client, *_arguments(job, sink, path)]
    report = _report(cores.on_one(command) if job.one_core else command, sink.reset)
    if "unavailable" in report:
        raise Unavailable(report["unavailable"])
    counts = sink.counts()
    verify(job, counts, digest)
    return Run(job, counts, **report)
