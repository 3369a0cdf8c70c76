"""The Email button: sends a PDF with the saved settings. Ctrl-C cancels.

    python send.py --store settings.json --to bogdan@example.com --reference 2026-001 invoice.pdf
"""

import argparse
import sys
from pathlib import Path

import mailbutton


def show(progress):
    print(f"\r{progress.text} {progress.permille / 10:.0f} %\033[K", end="", flush=True)


def send(account, arguments):
    recipient = {"addresses": arguments.to}
    pressed = account.button({"kind": arguments.kind, "reference": arguments.reference, "recipient": recipient})
    if not pressed["button"]["enabled"]:
        return pressed["button"]["why_not"]["message"]
    with account.start_document(pressed["email"], Path(arguments.pdf)) as job:
        try:
            job.wait(on_progress=show)
        except KeyboardInterrupt:
            # What became of it is known a moment later: cancelled, or too late for that.
            job.cancel()
        print()
        reply = job.result()
    for each in reply["recipients"]:
        print(f"{each['address']}: {each['outcome']}")
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", required=True, help="the settings file, made by settings.py")
    parser.add_argument("--ca-file", help="certificates of authorities to trust as well")
    parser.add_argument("--to", required=True)
    parser.add_argument("--kind", default="invoice")
    parser.add_argument("--reference", default="")
    parser.add_argument("pdf")
    arguments = parser.parse_args()
    try:
        with mailbutton.open(arguments.store, program_name="Ledger", ca_file=arguments.ca_file) as account:
            return send(account, arguments)
    except mailbutton.Error as error:
        return "\n- ".join([str(error), *(advice["text"] for advice in error.advice)])


if __name__ == "__main__":
    sys.exit(main())
