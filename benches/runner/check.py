"""A test from end to end: the sink's counts, and then each way of sending once, through mailbutton."""

from functools import partial

from . import jobs, peers
from .jobs import Job
from .script import SCRIPTS, play

RTT = 10

# What is sent, and between what its round trips must lie: a server cannot be logged in to in fewer than the least, and
# the lockstep of one command at a time, with a connection for each email, takes no more than the most.
CASES = {
    "one after the other": (Job(count=5, rtt_ms=RTT), 1, 9),
    "one after the other, 5 recipients": (Job(count=3, recipients=5, rtt_ms=RTT), 1, 13),
    "one after the other, no PIPELINING": (Job(count=3, rtt_ms=RTT, pipelining=False), 4, 9),
    "all at once": (Job(mode="batch", count=12, connections=4, rtt_ms=RTT), 0.5, 9),
    "cold, TLS": (Job(mode="cold", count=1, rtt_ms=RTT), 6, 9),
    "cold, STARTTLS": (Job(mode="cold", count=1, rtt_ms=RTT, security="starttls"), 8, 11),
    "1 MB, no latency": (Job(size=1_000_000, count=2), None, None),
    "1 MB from its file": (Job(size=1_000_000, count=2, source="file"), None, None),
    "CHUNKING": (Job(count=5, chunking=True, rtt_ms=RTT), 1, 9),
    "CHUNKING, 5 recipients": (Job(count=3, recipients=5, chunking=True, rtt_ms=RTT), 1, 13),
    "CHUNKING, all at once": (Job(mode="batch", count=12, chunking=True, rtt_ms=RTT), 0.5, 9),
}


def _sane(run, least, most):
    """The documents were verified already."""
    counts, job = run.counts, run.job
    if least is not None and not least <= run.trips <= most:
        raise jobs.Failed(f"{run.trips:.2f} round trips an email, not {least:g} to {most:g}")
    # Under 1 nothing could have come whole. Over 1.4, with room for the headers and handshakes of each email, base64
    # would be wasteful.
    if not 1 < run.wire < 1.4 + 8_000 / job.size * max(1, counts["connections"] / job.count):
        raise jobs.Failed(f"{run.wire:.3f} bytes on the wire per byte of PDF")
    if counts["full_handshakes"] + counts["resumed_handshakes"] != counts["connections"]:
        raise jobs.Failed(f"a connection without TLS: {counts}")
    if not run.note and counts["most_open"] > job.connections:
        raise jobs.Failed(f"{counts['most_open']} connections at a time, not {job.connections}")
    if counts["problems"]:
        raise jobs.Failed(f"connections broke: {counts['problems']}")


def _through_mailbutton(client, case, sink):
    job, least, most = CASES[case]
    _sane(jobs.run(client, job, sink), least, most)


def _by_hand(script, sink):
    problem = play(script, sink)
    if problem:
        raise jobs.Failed(problem)


def check(sink):
    """The exit code. The last line counts, as every suite's does."""
    client, version = peers.PEERS["mailbutton"]()
    totals = dict.fromkeys(("passed", "failed", "skipped"), 0)
    tests = {f"sink: {script}": partial(_by_hand, script, sink) for script in SCRIPTS}
    tests |= {f"mailbutton {version}: {case}": partial(_through_mailbutton, client, case, sink) for case in CASES}
    for name, test in tests.items():
        try:
            test()
            result, why = "passed", ""
        except jobs.Unavailable as reason:
            result, why = "skipped", f": {reason}"
        except jobs.Failed as reason:
            result, why = "failed", f": {reason}"
        totals[result] += 1
        print(f"{result}  {name}{why}", flush=True)
    print(", ".join(f"{number} {kind}" for kind, number in totals.items()))
    return 1 if totals["failed"] else 0
