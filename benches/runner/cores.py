"""Which cores a client and the sink have: both the same one, where their CPU is measured.

Where the system moves threads about, the same client costs half as much again in one run as in the next: waking a thread
on a core that sleeps is dear, and so is reading what another core has written. On one core a client pays for its own work alone.
Nothing goes on side by side then, so that everything but CPU is measured on all of them.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path

_ALL = os.sched_getaffinity(0)
_ONE = {min(_ALL)}
_TASKSET = shutil.which("taskset")


def on_one(command):
    """The command, kept to the core from its first instruction on."""
    if _TASKSET is None:
        return command
    return [_TASKSET, "--cpu-list", str(min(_ONE)), *command]


def keep(process, to_one):
    """Moves a running process, with all its threads."""
    for task in Path(f"/proc/{process}/task").iterdir():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), _ONE if to_one else _ALL)
