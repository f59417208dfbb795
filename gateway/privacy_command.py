"""`reapi privacy prove`: canaries into a running gateway, a search for them, a signed report."""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from json import loads
from pathlib import Path
from typing import Any, Final

import httpx
import uvloop
from grpc import aio

from core.settings import Settings
from core.signing import Signer
from gateway.core_link import open_channel
from gateway.operator_link import VARIABLE
from gateway.process import ServeError
from gateway.proof.canaries import Canaries
from gateway.proof.deployment import Places, look_everywhere
from gateway.proof.planting import SECONDS, Planting, generations_at_most
from gateway.proof.report import NOT_HERE, Report, signed
from gateway.proof.search import Finding, Search
from gateway.proof.walker import KEPT, Callers
from rest_bridge.settings import CoreAddress

FOUND: Final = 1
"""The exit code when a canary was found."""
USAGE: Final = 2
"""When nothing was sent: a live key without --yes."""
BLIND: Final = 3
"""When there was nothing to look at."""
SETTLE_SECONDS: Final = 5.0
"""Between the last question and the search: mails, webhooks and jobs are written afterwards."""
CLOCK_SECONDS: Final = 60.0
"""That a file's time may lie before our own: of a network drive."""
_TEST: Final = "rk_test_"
_TURNED_AWAY: Final = "RESOURCE_EXHAUSTED"
_DATABASE: Final = "database file"
_BLIND: Final = frozenset({"metrics", "answer", "temporary file"})
"""What is there wherever this runs: alone it proves nothing."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for; what is empty comes from the demo's file or the environment."""

    rest: str = ""
    grpc: str = ""
    key: str = field(default="", repr=False)
    session: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    model: str = "gpt-image-2"
    places: Places = field(default_factory=Places)
    file: Path | None = None
    yes: bool = False


def prove(settings: Settings, env: Mapping[str, str], options: Options) -> int:
    """Plant, wait, search, report; returns the exit code."""
    demo = _demo(settings)
    callers = Callers(
        options.key or env.get("REAPI_API_KEY", "") or demo.get("api_key", ""),
        options.session or env.get("REAPI_SESSION", ""),
        options.token or env.get(VARIABLE, ""),
    )
    rest = options.rest or demo.get("rest_url", "")
    grpc = options.grpc or demo.get("grpc_address", "") or env.get("REAPI_CORE", "")
    if not (rest and grpc and callers.key):
        raise ServeError("--rest, --grpc and --key must be given: no demo.json says them")
    core = CoreAddress.from_env({**env, "REAPI_CORE": grpc})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_prove(settings, options, callers, rest.rstrip("/"), core))


async def _prove(
    settings: Settings, options: Options, callers: Callers, rest: str, core: CoreAddress
) -> int:
    started, since = datetime.now(UTC), time.time() - CLOCK_SECONDS
    search = Search(Canaries(), unseen=dict(NOT_HERE))
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(_client(rest))
        channel = await stack.enter_async_context(open_channel(core))
        if not callers.key.startswith(_TEST) and not await _is_agreed(http, callers.key, options):
            return USAGE
        planting = Planting(http, channel, callers, search.canaries, options.model)
        await _plant(planting)
        _tell("waiting for what is written afterwards")
        await asyncio.sleep(SETTLE_SECONDS)
        _tell("searching")
        await _metrics(search, http, callers.token)
        places = options.places
        await look_everywhere(search, settings, Places(places.logs, places.pids, since))
        await planting.tidy()
    report = _report(search, planting, callers, rest, started)
    for line in report.lines():
        print(line)
    _write(report, settings, options.file)
    if report.findings:
        return FOUND
    return 0 if search.items.keys() - _BLIND else BLIND


def _client(rest: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=rest, timeout=SECONDS, trust_env=False)


async def _is_agreed(http: httpx.AsyncClient, key: str, options: Options) -> bool:
    """Say what a live key would pay; whether to go on."""
    wanted = {"model": options.model, "prompt": "a lighthouse", "quality": "low"}
    headers = {"authorization": f"Bearer {key}"}
    try:
        answer = await http.post("/api/v1/quotes", json=wanted, headers=headers)
        most = answer.json()["maximum_credits"]
    except (httpx.HTTPError, ValueError, KeyError):
        raise ServeError(f"the gateway gives no quote for {options.model} to this key") from None
    print(
        f"this is a live key: up to {generations_at_most()} generations at {most} credits each, "
        "which providers are asked for. Use a key that begins with rk_test_, which costs nothing"
        + ("" if options.yes else ", or go on with --yes"),
        file=sys.stderr,
    )
    return options.yes


async def _plant(planting: Planting) -> None:
    try:
        await planting.everything(_tell)
    except (aio.AioRpcError, httpx.HTTPError) as error:
        raise ServeError(f"the gateway does not answer ({type(error).__name__})") from None
    if planting.calls[_TURNED_AWAY]:
        _tell(
            f"{planting.calls[_TURNED_AWAY]} calls were turned away at the door: a key with more "
            "requests a minute, and with credits, comes further"
        )


async def _metrics(search: Search, http: httpx.AsyncClient, token: str) -> None:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        answer = await http.get("/metrics", headers=headers)
    except httpx.HTTPError as error:
        search.unseen["metrics"] = type(error).__name__
        return
    if answer.is_success:
        search.look("metrics", "/metrics", answer.content)
    else:
        search.unseen["metrics"] = "they are shown to this machine and to the operator"


def _report(
    search: Search, planting: Planting, callers: Callers, rest: str, started: datetime
) -> Report:
    strange = {Finding("answer", "of another caller", name) for name in planting.strangers}
    found = {item for item in search.findings if not _belongs(item)} | strange
    who = {"key": callers.key, "session": callers.session, "operator": callers.token}
    return Report(
        rest=rest,
        version=_version(),
        started=started.isoformat(timespec="seconds"),
        ended=datetime.now(UTC).isoformat(timespec="seconds"),
        fields=len(planting.called),
        canaries=len(search.canaries.fields),
        calls=dict(planting.calls),
        requests=dict(planting.requests),
        aside=sorted(planting.aside),
        searched={sink: (count, search.size[sink]) for sink, count in search.items.items()},
        not_searched=search.unseen,
        findings=sorted(found),
        left_behind=planting.left_behind,
        callers=[name for name, credential in who.items() if credential],
    )


def _belongs(finding: Finding) -> bool:
    """Whether it is a name in its column (docs/privacy.md), or in the files behind it."""
    column = KEPT.get(finding.field)
    return column is not None and (finding.place == column or finding.sink == _DATABASE)


def _write(report: Report, settings: Settings, file: Path | None) -> None:
    """Sign the report where the server keys are, and write it where it was asked for."""
    signature = None
    if settings.secret_file.is_file():
        signature = Signer(settings.open_keyring()).sign(report.payload())
        print(f"signed by ledger_keys/{signature.key_id}: docs/privacy.md says how to check it")
    else:
        print(f"not signed: {settings.secret_file.name} is not here")
    if file is not None:
        file.write_text(json.dumps(signed(report, signature), indent=2) + "\n")
        print(f"wrote {file}")


def _demo(settings: Settings) -> dict[str, Any]:
    """Where a demo with this folder is, and its key."""
    try:
        found = loads((settings.home / "demo.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _tell(what: str) -> None:
    print(f"reapi: {what}", file=sys.stderr, flush=True)


def _version() -> str:
    try:
        return version("reapi")
    except PackageNotFoundError:
        return "unknown"
