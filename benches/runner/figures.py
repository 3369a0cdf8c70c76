"""The jobs that are run, and the figures that are read from them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from .jobs import Job, Run

MAILBUTTON_ONLY = ("mailbutton",)


@dataclass(frozen=True)
class Scenario:
    job: Job
    repeats: int
    # Of emails, in a quick run.
    quick_count: int
    peers: tuple = ()

    def quick(self):
        return replace(self, job=replace(self.job, count=self.quick_count), repeats=1)


@dataclass(frozen=True)
class Figure:
    title: str
    scenario: str
    value: Callable[[Run], float]
    digits: int
    # What the project wants of mailbutton.
    at_most: float | None = None
    at_least: float | None = None
    # And beside libcurl's figure.
    at_most_of_libcurl: float | None = None

    def reached(self, value, of_libcurl):
        # As it is printed: a figure that reads like its target has reached it.
        value = round(value, self.digits)
        return (
            (self.at_most is None or value <= self.at_most)
            and (self.at_least is None or value >= self.at_least)
            and (self.at_most_of_libcurl is None or of_libcurl is None or of_libcurl <= self.at_most_of_libcurl)
        )

    def target(self):
        words = []
        if self.at_most is not None:
            words.append(f"≤ {self.at_most:g}")
        if self.at_least is not None:
            words.append(f"≥ {self.at_least:g}")
        if self.at_most_of_libcurl is not None:
            words.append("≤ ⅓ of libcurl's")
        return ", ".join(words) or "–"


KB, MB = 1_000, 1_000_000
# Long enough for all that a client sends without waiting to arrive, so that the count of round trips is exact.
COUNTING_RTT = 20


def _at_50_ms(mode, connections, count):
    job = Job(mode=mode, size=100 * KB, count=count * connections, connections=connections, rtt_ms=50)
    return Scenario(job, repeats=1, quick_count=2 * connections)


SCENARIOS = {
    "rate": Scenario(Job(size=100 * KB, count=2000, one_core=True), repeats=3, quick_count=40),
    "large": Scenario(Job(size=10 * MB, count=40, one_core=True), repeats=5, quick_count=2),
    "memory": Scenario(Job(size=25 * MB, count=1), repeats=3, quick_count=1),
    "memory-file": Scenario(Job(size=25 * MB, count=1, source="file"), repeats=3, quick_count=1),
    "trips-1": Scenario(Job(rtt_ms=COUNTING_RTT), repeats=1, quick_count=5),
    "trips-5": Scenario(Job(rtt_ms=COUNTING_RTT, recipients=5), repeats=1, quick_count=5),
    "trips-batch": Scenario(Job(mode="batch", rtt_ms=COUNTING_RTT, count=20), repeats=1, quick_count=10),
    "trips-chunking": Scenario(
        Job(rtt_ms=COUNTING_RTT, chunking=True), repeats=1, quick_count=5, peers=MAILBUTTON_ONLY
    ),
    "cold-50": Scenario(Job(mode="cold", count=1, rtt_ms=50), repeats=3, quick_count=1),
    "cold-50-starttls": Scenario(Job(mode="cold", count=1, rtt_ms=50, security="starttls"), repeats=1, quick_count=1),
    "cold": Scenario(Job(mode="cold", count=1), repeats=15, quick_count=1),
    "single-1": _at_50_ms("single", 1, 10),
    "single-4": _at_50_ms("single", 4, 10),
    "single-16": _at_50_ms("single", 16, 10),
    "batch-1": _at_50_ms("batch", 1, 30),
    "batch-4": _at_50_ms("batch", 4, 30),
    "batch-16": _at_50_ms("batch", 16, 30),
    "wire": Scenario(Job(size=MB, count=3), repeats=1, quick_count=1),
    "wire-binary": Scenario(Job(size=MB, count=3, chunking=True), repeats=1, quick_count=1, peers=MAILBUTTON_ONLY),
}


def _cpu(title, scenario, at_most):
    return Figure(title, scenario, lambda run: run.cpu_per_gb, 2, at_most=at_most, at_most_of_libcurl=1 / 3)


FIGURES = [
    Figure("emails/s, 100 KB, no latency, 1 connection", "rate", lambda run: run.rate, 0),
    _cpu("CPU s per GB of PDF, 100 KB each", "rate", at_most=1.3),
    _cpu("CPU s per GB of PDF, 10 MB each", "large", at_most=1.0),
    # The library's copy of it is in the figure, the host's own is not.
    Figure("MB over idle, 25 MB PDF in memory", "memory", lambda run: run.memory_mb, 1, at_most=28),
    Figure("MB over idle, 25 MB PDF from its file", "memory-file", lambda run: run.memory_mb, 1, at_most=3),
    Figure("round trips, warm, 1 recipient", "trips-1", lambda run: run.trips, 2, at_most=2.1),
    Figure("round trips, warm, 5 recipients", "trips-5", lambda run: run.trips, 2, at_most=2.1),
    Figure("round trips, warm, in a batch of 20", "trips-batch", lambda run: run.trips, 2, at_most=1.1),
    Figure("round trips, warm, with CHUNKING", "trips-chunking", lambda run: run.trips, 2, at_most=1.1),
    Figure("round trips, cold, TLS", "cold-50", lambda run: run.trips, 0, at_most=7),
    Figure("round trips, cold, STARTTLS", "cold-50-starttls", lambda run: run.trips, 0, at_most=9),
    Figure("first email of a process, ms, no latency", "cold", lambda run: run.cold_ms, 1, at_most=10),
    Figure("first email of a process, ms, 50 ms RTT", "cold-50", lambda run: run.cold_ms, 0),
    Figure("emails/s at 50 ms RTT, 1 connection", "single-1", lambda run: run.rate, 1, at_least=9.5),
    Figure("emails/s at 50 ms RTT, 4 connections", "single-4", lambda run: run.rate, 1, at_least=38),
    Figure("emails/s at 50 ms RTT, 16 connections", "single-16", lambda run: run.rate, 1, at_least=150),
    Figure("emails/s at 50 ms RTT, 1 connection, batch", "batch-1", lambda run: run.rate, 1, at_least=18),
    Figure("emails/s at 50 ms RTT, 4 connections, batch", "batch-4", lambda run: run.rate, 1, at_least=72),
    Figure("emails/s at 50 ms RTT, 16 connections, batch", "batch-16", lambda run: run.rate, 1, at_least=285),
    Figure("bytes on the wire per byte of PDF, 1 MB", "wire", lambda run: run.wire, 4, at_most=1.372),
    Figure("bytes on the wire per byte of PDF, 1 MB, BINARYMIME", "wire-binary", lambda run: run.wire, 4, at_most=1.005),
]
