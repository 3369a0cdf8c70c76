"""The mail server that counts, as a process."""

import json
import subprocess
import tempfile
from pathlib import Path

from . import cores
from .places import BENCHES, OUT


def cargo(*packages):
    names = [word for package in packages for word in ("-p", package)]
    command = ["cargo", "build", "--quiet", "--release", "--locked", *names, "--target-dir", OUT]
    subprocess.run(command, cwd=BENCHES, check=True)


class Sink:
    def __init__(self):
        cargo("sink")
        # Each sink has an authority of its own.
        self._folder = tempfile.TemporaryDirectory(dir=OUT)
        self.ca_file = Path(self._folder.name) / "ca.pem"
        self._process = subprocess.Popen(
            [OUT / "release/sink", self.ca_file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        facts = self._answer()
        self.host = "localhost"
        self.ports = {"tls": facts["tls_port"], "starttls": facts["starttls_port"]}
        self.user, self.password = facts["user"], facts["password"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the sink has ended")
        answer = json.loads(line)
        if "problem" in answer:
            raise RuntimeError(f"the sink says: {answer['problem']}")
        return answer

    def _say(self, line):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._answer()

    def behave(self, rtt_ms, chunking, pipelining=True):
        """For the connections that come from now on."""
        self._say(json.dumps({"rtt_ms": rtt_ms, "chunking": chunking, "pipelining": pipelining}))

    def keep_to_one_core(self, is_so):
        cores.keep(self._process.pid, is_so)

    def settle(self):
        """Waits for the last client's connections to be gone."""
        self._say("settle")

    def reset(self):
        self._say("reset")

    def counts(self):
        return self._say("counts")
