"""Which core a client and the sink have: the same one.

Where the system moves threads about, the same client costs half as much again in one run as in the next: waking a thread on a
core that sleeps is dear, and so is reading what another core has written. On one core a client pays for its own work alone.
Nothing goes on side by side then, so that the emails a second are fewer than two cores give.
"""

import os
import shutil

_CORE = min(os.sched_getaffinity(0))
_TASKSET = shutil.which("taskset")


def on_one(command):
    """The command, kept to the core from its first instruction on."""
    if _TASKSET is None:
        return command
    return [_TASKSET, "--cpu-list", str(_CORE), *command]
