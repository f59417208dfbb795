"""The embedded demo: a simulator of the upstreams and of Stripe, two accounts, and `demo.json`."""

import asyncio
import json
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import aiohttp

from billing.ledger import Credit
from billing.stripe_client import StripeSettings
from core.app import Core
from core.authentication import KeyAuthenticator
from core.catalog.loader import embedded_channels
from core.errors import GatewayError
from core.providers import DIALECTS, JOB_DIALECTS
from core.services.admin import create_key
from storage.commits import Commit

_NAMED_OTHERWISE = {
    "openai_images": "openai",
    "gemini_images": "gemini",
    "ark_images": "ark",
    "ark_videos": "ark",
    "openai_speech": "openai",
    "azure_speech": "azurespeech",
    "elevenlabs_speech": "elevenlabs",
    "veo_gemini": "veo",
    "veo_vertex": "veo",
    "xai_images": "xai",
    "xai_videos": "xai",
    "azure_images": "azure",
    "kie_veo": "kie",
    "openrouter_images": "openrouter",
    "openrouter_videos": "openrouter",
}
"""What the simulator calls the protocol of a dialect, where not as we do."""
SIMULATED = {own: _NAMED_OTHERWISE.get(own, own) for own in (*DIALECTS, *JOB_DIALECTS)}
"""What it calls each."""
DEMO_CREDITS_MICROS = 10_000_000 * 1_000
START_SECONDS = 20.0
STOP_SECONDS = 3.0


class DemoError(Exception):
    """The simulator did not start."""


class SimulatorProcess:
    """The simulator in a process of its own; it ends with this one, however that ends."""

    def __init__(self) -> None:
        self._dialects = {name: SIMULATED[own] for name, own in embedded_channels().items()}
        self._credentials = {name: f"sk-sim-{secrets.token_hex(8)}" for name in self._dialects}
        self._process: asyncio.subprocess.Process | None = None
        self._stripe_keys = f"sk_test_{secrets.token_hex(12)}", f"whsec_{secrets.token_hex(16)}"
        self.url = ""
        self.stripe: StripeSettings | None = None
        """The simulated Stripe account, once it serves."""
        self.environment: dict[str, str] = {}
        """What the demo's catalogue reads: `SIMULATOR_URL_…` and `SIMULATOR_KEY_…`."""

    async def start(self) -> None:
        """Start it and wait until it serves; raises DemoError."""
        arguments = [
            f"--channel={name}@{self._dialects[name]}={key}"
            for name, key in self._credentials.items()
        ]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "simulator",
            "--until-stdin-closes",
            f"--stripe={self._stripe_keys[0]}",
            *arguments,
            cwd=Path(__file__).parent.parent,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), START_SECONDS)
            ready = json.loads(line)
        except (TimeoutError, ValueError):
            raise DemoError("the simulator did not start") from None
        self.url = ready["simulator_url"]
        secret_key, webhook_secret = self._stripe_keys
        self.stripe = StripeSettings(secret_key, (webhook_secret,), ready["stripe_url"])
        for channel in ready["channels"]:
            name = channel["name"]
            variable = name.upper().replace("-", "_").replace(".", "_")
            self.environment[f"SIMULATOR_URL_{variable}"] = channel["base_url"]
            self.environment[f"SIMULATOR_KEY_{variable}"] = self._credentials[name]

    async def send_webhooks_to(self, rest_url: str) -> None:
        """Tell the simulated Stripe where this gateway's webhook is; raises DemoError."""
        endpoint = {"url": f"{rest_url}/webhooks/stripe", "secrets": [self._stripe_keys[1]]}
        timeout = aiohttp.ClientTimeout(total=START_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
                session.put(f"{self.url}/_stripe/webhook", json=endpoint) as response,
            ):
                response.raise_for_status()
        except (aiohttp.ClientError, TimeoutError):
            raise DemoError("the simulated Stripe did not take the webhook's address") from None

    async def stop(self) -> None:
        """End it."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


@dataclass(frozen=True, slots=True)
class DemoKeys:
    """The keys of the rich and of the poor account."""

    api_key: str
    poor_api_key: str


async def demo_keys(core: Core, file: Path) -> DemoKeys:
    """The keys in *file* if they still work, else new ones with credits."""
    known = await asyncio.to_thread(_read, file)
    if known is not None and await _work(known, core.authenticator):
        return known
    rich, poor = uuid4(), uuid4()
    keys = DemoKeys(
        await create_key(core.registry, core.keyring, rich, "demo"),
        await create_key(core.registry, core.keyring, poor, "demo without credits"),
    )
    grant = Credit(uuid4(), rich, DEMO_CREDITS_MICROS)
    await core.committer.commit(Commit((grant,)))
    return keys


async def _work(keys: DemoKeys, authenticator: KeyAuthenticator) -> bool:
    try:
        await authenticator.authenticate(keys.api_key)
        await authenticator.authenticate(keys.poor_api_key)
    except GatewayError:
        return False
    return True


def _read(file: Path) -> DemoKeys | None:
    try:
        content = json.loads(file.read_text())
        return DemoKeys(str(content["api_key"]), str(content["poor_api_key"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_demo(file: Path, content: dict[str, str | None]) -> None:
    """Write `demo.json` at once and for the owner only: it holds keys."""
    draft = file.with_name(f"{file.name}.{secrets.token_hex(6)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        json.dump(content, stream, indent=2)
        stream.write("\n")
    draft.replace(file)
