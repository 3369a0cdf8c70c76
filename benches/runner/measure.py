"""Runs the scenarios, the peers taking turns, so that what disturbs the machine disturbs them all alike."""

import statistics
import sys

from . import jobs


class Results:
    def __init__(self):
        self.runs = {}
        # Why there is no figure, and what is to be known of one.
        self.unavailable, self.failed, self.notes = {}, {}, {}

    def value(self, figure, peer):
        runs = self.runs.get((figure.scenario, peer))
        return statistics.median(figure.value(run) for run in runs) if runs else None


def _say(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _one(results, name, peer, client, job, sink):
    key = name, peer
    if key in results.unavailable or key in results.failed:
        return
    try:
        run = jobs.run(client, job, sink)
    except jobs.Unavailable as why:
        results.unavailable[key] = str(why)
    except jobs.Failed as why:
        results.failed[key] = str(why)
        results.runs.pop(key, None)
    else:
        results.runs.setdefault(key, []).append(run)
        if run.note:
            results.notes[peer] = run.note


def measure(scenarios, peers, sink):
    results = Results()
    for name, scenario in scenarios.items():
        for repeat in range(scenario.repeats):
            for peer, (client, _) in peers.items():
                if not scenario.peers or peer in scenario.peers:
                    _say(f"{name}: {peer}, {repeat + 1} of {scenario.repeats}")
                    _one(results, name, peer, client, scenario.job, sink)
    _say("")
    return results
