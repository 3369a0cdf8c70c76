"""The settings form in a terminal: asks for each field, tests, takes advice, saves.

    python settings.py --store settings.json
"""

import argparse
import getpass
import sys

import mailbutton


def ask(field):
    """The typed value; what is left empty keeps the value in brackets."""
    if field["error"]:
        print(f"  {field['error']['message']}")
    present = "stored" if field["secret"] and field["has_value"] else field["value"]
    label = field["label"] + (f" [{present}]" if present not in (None, "") else "") + ": "
    hidden = field["secret"] and sys.stdin.isatty()
    typed = getpass.getpass(label) if hidden else input(label)
    if field["type"] == "checkbox":
        return typed.lower() in ("y", "yes") if typed else bool(field["value"])
    return typed or field["value"]


def fill_in(account, values):
    """Each visible field in its turn: what is typed in one decides whether the next is shown."""
    for key in [field["key"] for field in account.form(values)["form"]["fields"]]:
        fields = {field["key"]: field for field in account.form(values)["form"]["fields"]}
        if fields[key]["visible"]:
            values[key] = ask(fields[key])
    return {key: value for key, value in values.items() if value is not None}


def test(account, values):
    """Whether the settings work; on failure, what helps, and one patch of it taken if the user agrees."""
    try:
        print(account.send_test(values, on_progress=lambda progress: print(" ", progress.text))["message"])
        return True
    except mailbutton.Error as error:
        print(error)
        for fault in error.errors:
            print(f"- {fault['key']}: {fault['message']}")
        for advice in error.advice:
            print(f"- {advice['text']}")
            if advice["patch"] and input("  Do that? [y/n] ") == "y":
                values.update(advice["patch"])
                return test(account, values)
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", required=True, help="the settings file")
    parser.add_argument("--ca-file", help="certificates of authorities to trust as well")
    arguments = parser.parse_args()
    with mailbutton.open(arguments.store, program_name="Ledger", ca_file=arguments.ca_file) as account:
        form = account.form()
        if form["status"] != mailbutton.Status.OK:
            print(form["message"])
            if input("Clear the settings? [y/n] ") != "y":
                return "Nothing was changed."
            account.settings_clear()
        values = fill_in(account, account.settings_get()["settings"] or {})
        if not test(account, values):
            return "Not saved."
        account.settings_set(values)
        print("Saved.")


if __name__ == "__main__":
    sys.exit(main())
