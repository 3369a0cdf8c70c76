"""interrupt.py SETTINGS SEND FOLDER: Ctrl-C while a server says nothing ends the C example at once, with nothing sent."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

EMAIL = json.dumps({"to": "bogdan@example.test", "subject": "Invoice 7"})


def connected(listener, program):
    """Whether the program connected before it ended."""
    listener.settimeout(0.1)
    while program.poll() is None:
        try:
            return listener.accept()[0]
        except TimeoutError:
            pass
    return None


def main(settings_program, send_program, folder):
    folder = Path(folder)
    options = json.dumps({"store": str(folder / "silent-store.json")})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = {
            "smtp_host": "127.0.0.1",
            "smtp_port": listener.getsockname()[1],
            "smtp_security": "none",
            "email_address": "ana@example.test",
        }
        (folder / "silent.json").write_text(json.dumps(settings))
        subprocess.run([settings_program, options, folder / "silent.json"], check=True)
        command = [send_program, options, EMAIL, folder / "invoice.pdf"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as program:
            connection = connected(listener, program)
            program.send_signal(signal.SIGINT)
            said = program.communicate()[0]
            if connection:
                connection.close()
    print(said.decode())
    return connection is None or program.returncode != 1 or b'"status_name":"CANCELED"' not in said


sys.exit(main(*sys.argv[1:]))
