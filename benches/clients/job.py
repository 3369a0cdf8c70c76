"""What the client program in Python does like those in C: see client.h."""

import json
import resource
import sys
import time

SMALL_DOCUMENT = b"%PDF-1.7\nto warm up\n%%EOF\n"


class Job:
    def __init__(self, arguments):
        given = dict(argument.split("=", 1) for argument in arguments)
        self.host, self.port, self.ca_file = given["host"], int(given["port"]), given["ca_file"]
        self.user, self.password = given["user"], given["password"]
        self.connections, self.count = int(given["connections"]), int(given["count"])
        self.recipients = [f"r{number}@example.com" for number in range(int(given["recipients"]))]
        self.is_starttls = given["security"] == "starttls"
        self.is_cold = given["mode"] == "cold"
        self.path = given["document"]
        self.is_from_file = given["source"] == "file"
        self.document = None if self.is_from_file else self.read()

    def read(self):
        with open(self.path, "rb") as file:
            return file.read()


def wait_for_go():
    print("ready", flush=True)
    if not sys.stdin.readline():
        sys.exit(1)


def _status_mb(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name)) * 1024 / 1e6


def _costs():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return time.monotonic(), usage.ru_utime + usage.ru_stime


def measure_cold(send):
    wait_for_go()
    started = time.monotonic()
    send()
    print(json.dumps({"cold_ms": (time.monotonic() - started) * 1e3}), flush=True)


def measure(send):
    wait_for_go()
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")
    idle, (started, cpu) = _status_mb("VmRSS:"), _costs()
    send()
    ended, cpu_after = _costs()
    memory = _status_mb("VmHWM:") - idle
    report = {"seconds": ended - started, "cpu_seconds": cpu_after - cpu, "memory_mb": memory, "note": ""}
    print(json.dumps(report), flush=True)
