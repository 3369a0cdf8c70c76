"""Signs in with the provider instead of a password, in the user's browser; what is signed in is saved.

    python sign_in.py --store settings.json --client-id 1234 --provider microsoft365 ana@example.com
"""

import argparse
import sys
import webbrowser

import mailbutton


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address", help="the email address of the account that signs in")
    parser.add_argument("--store", required=True, help="the settings file")
    parser.add_argument("--provider", required=True, help="its id, for example microsoft365")
    parser.add_argument("--client-id", required=True, help="your program's, as the provider gave it")
    parser.add_argument("--client-secret", help="where the provider wants one")
    parser.add_argument("--device", action="store_true", help="shows a code to type in elsewhere, and opens no browser")
    arguments = parser.parse_args()
    program = {"client_id": arguments.client_id}
    if arguments.client_secret:
        program["client_secret"] = arguments.client_secret
    with mailbutton.open(arguments.store, program_name="Ledger", oauth={arguments.provider: program}) as account:
        form = account.form({"username": arguments.address})["form"]
        values = {"username": arguments.address, **(form["proposal"] or {"patch": {}})["patch"], "auth": "oauth2"}
        try:
            begun = account.sign_in(values, flow="device" if arguments.device else "browser")
            if arguments.device:
                print(f"Open {begun['url']} anywhere, and type in {begun['code']}.")
            else:
                print(f"Your browser opens {begun['url']}")
                webbrowser.open(begun["url"])
            print(f"Signed in as {account.finish_sign_in(begun['sign_in'])['account']}.")
        except mailbutton.Error as error:
            print(error)
            for fault in error.errors:
                print(f"- {fault['message']}")
            for advice in error.advice:
                print(f"- {advice['text']}")
            return "Not signed in."


if __name__ == "__main__":
    sys.exit(main())
