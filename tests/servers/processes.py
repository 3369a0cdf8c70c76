"""Finding and ending the processes of a server, whatever became of their parents."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

GRACE = 5


def launch(command, folder, output, env=None):
    """Start a server in its own session, so that all of it can be ended together."""
    with open(output, "ab") as output:
        return subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(process, folder):
    """End the server: politely first, then everything of it that is left."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline:
        left = members(process.pid, folder)
        if not left:
            break
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    process.wait(GRACE)


def members(leader, folder):
    """The live processes of the leader's group or session, or working below `folder`.

    Mail servers start helpers that leave the group; all of them work in the folder.
    """
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit()
        and int(entry.name) != os.getpid()
        and _belongs(entry, leader, str(folder))
    ]


def _belongs(entry, leader, folder):
    try:
        state, _parent, group, session = (
            (entry / "stat").read_text().rpartition(")")[2].split()[:4]
        )
        if state in "ZX":
            return False
        if str(leader) in (group, session):
            return True
        place = os.readlink(entry / "cwd").removesuffix(" (deleted)")
        return place == folder or place.startswith(folder + "/")
    except OSError:
        return False
