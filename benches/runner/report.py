"""The table, and the page that keeps it."""

import datetime
import os
import platform
from pathlib import Path

from .figures import FIGURES, SCENARIOS

YARDSTICK = "libcurl"


def _ratio(figure, value, yardstick):
    """None beside a yardstick that reads 0."""
    if value is None or not yardstick or not round(yardstick, figure.digits):
        return "–"
    return f"{value / yardstick:.2f}×"


def _row(figure, peers, results):
    values = {peer: results.value(figure, peer) for peer in [*peers, YARDSTICK]}
    yardstick = values[YARDSTICK]
    cells = [figure.title]
    for peer in peers:
        value = values[peer]
        cells.append("–" if value is None else f"{value:.{figure.digits}f}")
        if peer == "mailbutton":
            cells += [figure.target(), _verdict(figure, value, yardstick), _ratio(figure, value, yardstick)]
        elif peer != YARDSTICK:
            cells.append(_ratio(figure, value, yardstick))
    return cells


def _verdict(figure, value, yardstick):
    if value is None or figure.target() == "–":
        return "–"
    of_libcurl = value / yardstick if yardstick else None
    return "reached" if figure.reached(value, of_libcurl) else "**not reached**"


def _line(cells):
    return f"| {' | '.join(cells)} |"


def table(peers, scenarios, results):
    heads = ["figure"]
    for peer in peers:
        heads.append(peer)
        if peer == "mailbutton":
            heads += ["target", "", f"÷ {YARDSTICK}"]
        elif peer != YARDSTICK:
            heads.append(f"÷ {YARDSTICK}")
    rows = [_row(figure, peers, results) for figure in FIGURES if figure.scenario in scenarios]
    return "\n".join([_line(heads), _line(["---", *["--:"] * (len(heads) - 1)]), *map(_line, rows)])


def remarks(peers, missing, results):
    """What a reader of the table has to know: versions, and why cells are empty."""
    lines = ["Versions: " + "; ".join(f"{peer} {version}" for peer, (_, version) in peers.items()) + "."]
    lines += [f"{peer} is not in the table: {why}." for peer, why in missing.items()]
    lines += [f"{peer} ran {note}." for peer, note in results.notes.items()]
    lines += [f"{peer}, {name}: not available, as {why}." for (name, peer), why in results.unavailable.items()]
    lines += [f"**{peer}, {name}: failed: {why}.**" for (name, peer), why in results.failed.items()]
    only = sorted({name for name, scenario in SCENARIOS.items() if scenario.peers == ("mailbutton",)})
    lines.append(f"No peer but mailbutton has CHUNKING ({', '.join(only)}).")
    return "\n".join(f"- {line}" for line in lines)


def machine():
    cpu = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    return f"{cpu}, {os.cpu_count()} cores, {platform.system()} {platform.release()} {platform.machine()}"


def page(command, the_table, the_remarks, growth):
    today = datetime.datetime.now(datetime.UTC).strftime("%-d %B %Y")
    return f"""# Figures

Written by `{command}` on {today}. Machine: {machine()}. Every document that arrived was checked by its SHA-256.
[README.md](README.md) says how each figure is measured.

{the_table}

{the_remarks}

## Growth

{growth}
"""
