"""Runs the simulator alone, every dialect in one process.

`python -m simulator --port 9090 --channel openai-a=sk-sim-a --channel seedance-a@ark=ark-sim-a`
"""

import argparse
import asyncio
import gc
import json
import os
import re
import signal
import sys
from collections.abc import Sequence
from typing import Final

import uvloop

from simulator.app import DIALECTS, JOB_DIALECTS, SimulatedChannel, SimulatedStripe, Simulator
from simulator.listener import is_loopback
from simulator.oauth_books import SimulatedApp

_SYNTAX: Final = "NAME[@DIALECT][:PORT]=CREDENTIAL"
_CHANNEL: Final = re.compile(
    r"(?P<name>[^@:=]*)(@(?P<dialect>[a-z]+))?(:(?P<port>[0-9]{0,5}))?=(?P<credential>.*)"
)


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; wrong ones end the program with 2 and a message."""
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description="Simulated AI upstreams on loopback, with faults on demand. Prints one JSON "
        "line with every URL once it is ready; SIGINT or SIGTERM ends it.",
    )
    parser.add_argument(
        "--channel",
        action="append",
        type=_channel,
        required=True,
        metavar=_SYNTAX,
        help="a channel to simulate: its name, the protocol it speaks (--dialect if none is "
        "given), its port (a free one) and the one key it knows, as in seedance-a@ark=KEY; may be "
        "repeated, with different dialects",
    )
    parser.add_argument(
        "--dialect",
        choices=sorted({*DIALECTS, *JOB_DIALECTS}),
        default="openai",
        help="protocol of the channels that name none",
    )
    parser.add_argument("--port", type=int, default=0, help="port of the controls (0: a free one)")
    parser.add_argument("--host", type=_host, default="127.0.0.1", help="a loopback address")
    parser.add_argument(
        "--until-stdin-closes",
        action="store_true",
        help="end when standard input ends: with the process that started this one",
    )
    _add_peers(parser)
    parser.add_argument("--seed", type=int, default=0, help="other seeds, other images")
    options = parser.parse_args(arguments)
    try:
        options.channels = [
            SimulatedChannel(name, credential, dialect or options.dialect, port)
            for name, dialect, port, credential in options.channel
        ]
    except ValueError as error:
        parser.error(str(error))
    return options


def _add_peers(parser: argparse.ArgumentParser) -> None:
    """What may be simulated besides the upstreams."""
    parser.add_argument(
        "--stripe",
        type=_stripe,
        metavar="[PORT=]SECRET_KEY",
        help="simulate a Stripe account with this secret key (sk_test_…), too",
    )
    parser.add_argument(
        "--sign-in",
        type=_sign_in,
        metavar="CLIENT_ID=CLIENT_SECRET",
        help="simulate GitHub and Google, who know this app, and a bot check, too",
    )
    parser.add_argument(
        "--mail",
        default="",
        metavar="API_KEY",
        help="simulate Resend, which knows this key, and a mail server, too",
    )


def _channel(text: str) -> tuple[str, str, int, str]:
    match = _CHANNEL.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"expected {_SYNTAX}")
    return match["name"], match["dialect"] or "", int(match["port"] or 0), match["credential"]


def _stripe(text: str) -> SimulatedStripe:
    port, has_port, key = text.rpartition("=")
    if not key.startswith("sk_test_") or (has_port and not re.fullmatch("[0-9]{1,5}", port)):
        raise argparse.ArgumentTypeError("expected [PORT=]sk_test_…")
    return SimulatedStripe(key, int(port or 0))


def _sign_in(text: str) -> SimulatedApp:
    client_id, _, secret = text.partition("=")
    if not client_id or not secret:
        raise argparse.ArgumentTypeError("expected CLIENT_ID=CLIENT_SECRET")
    return SimulatedApp(client_id, secret)


def _host(text: str) -> str:
    if not is_loopback(text):
        raise argparse.ArgumentTypeError("the simulator listens on loopback addresses only")
    return text


def _notice_end(stop: asyncio.Event) -> None:
    """Stop when whoever holds the other end of standard input is gone."""
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin)
        stop.set()


async def run(options: argparse.Namespace) -> None:
    """Serve until a signal asks to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if options.until_stdin_closes:
        loop.add_reader(sys.stdin, _notice_end, stop)
    async with Simulator(
        options.channels,
        options.port,
        options.host,
        options.seed,
        options.stripe,
        options.sign_in,
        options.mail,
    ) as simulator:
        ready = {
            "simulator_url": simulator.url,
            "stripe_url": simulator.stripe_url,
            **simulator.mail_urls,
            "channels": simulator.describe(),
        }
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        # What is alive now stays alive: the collector need not look at it under load.
        gc.collect()
        gc.freeze()
        await stop.wait()


def main() -> None:
    """Start from the command line."""
    options = parse_arguments(sys.argv[1:])
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(options))
    except OSError as error:
        # A port that is taken, nearly always: worth a sentence, not a traceback.
        sys.exit(f"simulator: {error}")


if __name__ == "__main__":
    main()
