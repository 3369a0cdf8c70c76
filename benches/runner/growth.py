"""How mailbutton's costs grow with the number of emails, and with the size of the document."""

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace

from . import jobs, plot
from .figures import KB, MB
from .jobs import Job

CONNECTIONS = 4
COSTS = {
    "wall s": lambda run: run.seconds,
    "CPU s": lambda run: run.cpu_seconds,
    "MB over idle": lambda run: run.memory_mb,
}
# Of one email among several that follow one another: a single small one is over before a clock has much to say.
COSTS_OF_ONE = {
    **COSTS,
    "wall s": lambda run: run.seconds / run.job.count,
    "CPU s": lambda run: run.cpu_seconds / run.job.count,
}


def _grouped(number):
    return f"{number:,}".replace(",", " ")


def _bytes(number):
    return f"{number // MB} MB" if number >= MB else f"{number // KB} KB"


@dataclass(frozen=True)
class Sweep:
    title: str
    axis: str
    jobs: dict
    # From here on the costs of one more outweigh those of beginning at all.
    steady_from: int
    costs: dict
    label: Callable[[int], str]


def _emails(most):
    counts = [count for count in (1, 10, 100, 1_000, 10_000) if count <= most]
    batch = Job(mode="batch", size=10 * KB, connections=CONNECTIONS, one_core=True)
    of_10_kb = {count: replace(batch, count=count) for count in counts}
    return Sweep(f"A batch of emails of 10 KB, {CONNECTIONS} connections", "emails", of_10_kb, 100, COSTS, _grouped)


def _sizes(most):
    sizes = [size for size in (10 * KB, 100 * KB, MB, 10 * MB, 100 * MB) if size <= most]
    in_a_row = {size: Job(size=size, count=max(1, min(20, 20 * MB // size)), one_core=True) for size in sizes}
    return Sweep("One email, by the size of its document", "document", in_a_row, MB, COSTS_OF_ONE, _bytes)


def _repeats(job, is_quick):
    """The small ones vary most and cost nothing."""
    return 1 if is_quick else 5 if job.count * job.size <= 20 * MB else 3


def _exponent(points, steady_from):
    """The slope of the straight line through the points, both axes logarithmic."""
    steady = [(math.log(x), math.log(y)) for x, y in points if x >= steady_from and y > 0]
    if len(steady) < 2:
        return None
    return statistics.linear_regression(*zip(*steady, strict=True)).slope


class Growth:
    def __init__(self, sweeps, points):
        self.sweeps, self.points = sweeps, points

    def _table(self, sweep):
        rows = [f"| {sweep.axis} | {' | '.join(COSTS)} |", f"| --: |{' --: |' * len(COSTS)}"]
        for x in sweep.jobs:
            cells = [f"{dict(self.points[sweep.title, cost])[x]:.4g}" for cost in COSTS]
            rows.append(f"| {sweep.label(x)} | {' | '.join(cells)} |")
        exponents = [_exponent(self.points[sweep.title, cost], sweep.steady_from) for cost in COSTS]
        cells = ["–" if exponent is None else f"{exponent:.2f}" for exponent in exponents]
        rows.append(f"| exponent from {sweep.label(sweep.steady_from)} on | {' | '.join(cells)} |")
        return "\n".join([f"{sweep.title}:", "", *rows])

    def text(self):
        picture = "![Wall time, CPU time and memory, by number of emails and by size](growth.svg)"
        about = "The exponent is the slope of the straight line through the points: 1 is in proportion."
        return "\n\n".join([*map(self._table, self.sweeps), about, picture])

    def plot(self):
        panels = [
            plot.Panel(
                sweep.title, sweep.axis, {cost: self.points[sweep.title, cost] for cost in COSTS},
                lambda exponent, sweep=sweep: sweep.label(10**exponent),
            )
            for sweep in self.sweeps
        ]
        return plot.svg("How mailbutton's costs grow", panels)


def measure(client, sink, is_quick):
    sweeps = [_emails(1_000 if is_quick else 10_000), _sizes(10 * MB if is_quick else 100 * MB)]
    points = {}
    for sweep in sweeps:
        for x, job in sweep.jobs.items():
            runs = [jobs.run(client, job, sink) for _ in range(_repeats(job, is_quick))]
            for cost, value in sweep.costs.items():
                points.setdefault((sweep.title, cost), []).append((x, statistics.median(map(value, runs))))
    return Growth(sweeps, points)
