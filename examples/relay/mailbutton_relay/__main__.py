"""python -m mailbutton_relay serve|check CONFIG, or token"""

import argparse
import asyncio
import logging
import signal
import sys

import mailbutton

from . import config, server, tokens


async def serve(settings):
    relay = server.Relay(settings)
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    runner, listener, port = await server.start(relay)
    print(f"listening on {settings.host} port {port}", flush=True)
    await stop.wait()
    # What has begun is finished, and nobody new gets in.
    for each in listener.sockets:
        asyncio.get_running_loop().remove_reader(each.fileno())
    # Python 3.11 forgets, open, a connection that was accepted when its listener closes: let each become whole first.
    for _ in range(3):
        await asyncio.sleep(0)
    listener.close()
    await runner.cleanup()
    relay.close()


def check(settings):
    """The settings of the SMTP server, as mailbutton sees them; sends nothing."""
    with mailbutton.open(ca_file=settings.ca_file or None) as account:
        account.settings_set(settings.smtp)


def main():
    parser = argparse.ArgumentParser(prog="mailbutton_relay")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("token", help="make a token, and what the configuration keeps of it")
    for name, text in (("serve", "run the relay"), ("check", "look whether a configuration can be used")):
        commands.add_parser(name, help=text).add_argument("config")
    arguments = parser.parse_args()
    if arguments.command == "token":
        token, digest = tokens.new()
        print(f'token for the sender: {token}\nsha256 = "{digest}"')
        return None
    try:
        settings = config.load(arguments.config)
        check(settings)
    except config.Wrong as error:
        return str(error)
    except mailbutton.Error as error:
        return "\n".join([f"smtp: {error}", *(f"smtp.{each['key']}: {each['message']}" for each in error.errors)])
    if arguments.command == "check":
        print("The configuration can be used.")
    else:
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
        logging.getLogger("aiohttp").setLevel(logging.CRITICAL)
        asyncio.run(serve(settings))
    return None


if __name__ == "__main__":
    sys.exit(main())
