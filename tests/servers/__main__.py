"""One server for a program in another language: python -m servers NAME [OPTIONS AS JSON]

The first line of output is a JSON object with the ports, the user and so on. Each line
of input is a command, answered with one line of JSON: `messages`, `wait N`, `clear`,
`log`. The server ends with the input, so also when the caller dies.
"""

import json
import signal
import sys
from base64 import b64encode

from . import SERVERS, ServerFailed


def describe(server):
    return {
        "host": server.host,
        "port_starttls": server.port_starttls,
        "port_tls": server.port_tls,
        "port_plain": server.port_plain,
        "user": server.user,
        "password": server.password,
        "ca_file": str(server.ca_file),
        "recipients": server.recipients,
        "unknown_recipient": server.unknown_recipient,
    }


def in_json(messages):
    return [
        {
            "envelope_from": message.envelope_from,
            "envelope_to": message.envelope_to,
            "mail_options": message.mail_options,
            "raw_base64": b64encode(message.raw).decode(),
        }
        for message in messages
    ]


def answer(server, command, *arguments):
    match command:
        case "messages":
            return in_json(server.messages())
        case "wait":
            return in_json(server.wait_for_messages(int(arguments[0])))
        case "clear":
            return server.clear()
        case "log":
            return server.log()
    raise ValueError(f"unknown command: {command}")


def say(value):
    print(json.dumps(value), flush=True)


def serve(server):
    with server:
        say(describe(server))
        for line in sys.stdin:
            try:
                say(answer(server, *line.split()))
            except (ServerFailed, ValueError, TypeError, IndexError) as problem:
                say({"error": str(problem)})


def main(name, options="{}"):
    missing = SERVERS[name].missing()
    if missing:
        say({"missing": missing})
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serve(SERVERS[name](**json.loads(options)))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in SERVERS:
        sys.exit(f"{__doc__}\nNAME: {', '.join(SERVERS)}")
    main(*sys.argv[1:])
