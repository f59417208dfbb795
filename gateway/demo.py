"""The embedded demo: a simulator of upstreams, Stripe and mail, two accounts, and `demo.json`."""

import asyncio
import json
import os
import secrets
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import aiohttp

from billing.ledger import Credit
from billing.stripe_client import StripeSettings
from core.app import Core
from core.authentication import KeyAuthenticator
from core.body import Secret
from core.catalog.loader import embedded_channels
from core.errors import GatewayError
from core.mail.message import Sender
from core.mail.resend import ResendSettings
from core.people_settings import PeopleSettings
from core.providers import DIALECTS, JOB_DIALECTS
from core.services.admin import create_key
from core.settings_mail import MailSettings
from core.settings_oauth import OAuthApp, OAuthSettings
from core.webhooks.signing import SECRET_BYTES, make_secret
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
_FROM = "reapi@example.com"
"""Who the demo's mails are from; none of them leaves the machine."""
_CONTACT = "operator@example.com"
"""Where its contact form goes."""
_CLIENT_ID = "reapi-demo"
"""What the simulated GitHub and Google know the demo by."""
START_SECONDS = 20.0
STOP_SECONDS = 3.0


class DemoError(Exception):
    """The simulator did not start."""


class SimulatorProcess:
    """The simulator in a process of its own; it ends with this one, however that ends.

    Without *peers* it is that of the upstreams only: no Stripe.
    """

    def __init__(self, *, peers: bool = True) -> None:
        self._has_peers = peers
        self._dialects = {name: SIMULATED[own] for name, own in embedded_channels().items()}
        self._credentials = {name: f"sk-sim-{secrets.token_hex(8)}" for name in self._dialects}
        self._process: asyncio.subprocess.Process | None = None
        self._stripe_keys = f"sk_test_{secrets.token_hex(12)}", f"whsec_{secrets.token_hex(16)}"
        self._oauth_secret = secrets.token_hex(20)
        self._mail_keys = f"re_{secrets.token_hex(12)}", make_secret(os.urandom(SECRET_BYTES))
        self.url = ""
        self.stripe: StripeSettings | None = None
        """The simulated Stripe account, once it serves."""
        self.mail: MailSettings | None = None
        """The simulated mail service, likewise."""
        self.oauth = OAuthSettings()
        """The simulated GitHub and Google, likewise."""
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
            *self._peers(),
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
        if self._has_peers:
            secret_key, webhook_secret = self._stripe_keys
            self.stripe = StripeSettings(secret_key, (webhook_secret,), ready["stripe_url"])
            api_key, signing = self._mail_keys
            service = ResendSettings(Secret(api_key), ready["mail_url"], (signing,))
            self.oauth = self._sign_in_services()
            self.mail = MailSettings(service, Sender("reAPI", _FROM), _CONTACT)
        for channel in ready["channels"]:
            name = channel["name"]
            variable = name.upper().replace("-", "_").replace(".", "_")
            self.environment[f"SIMULATOR_URL_{variable}"] = channel["base_url"]
            self.environment[f"SIMULATOR_KEY_{variable}"] = self._credentials[name]

    def people(self, settings: PeopleSettings) -> PeopleSettings:
        """*settings* with what is simulated in place of the real services."""
        return replace(settings, mail=self.mail, oauth=self.oauth)

    def _peers(self) -> list[str]:
        """Arguments of what is simulated besides the upstreams."""
        if not self._has_peers:
            return []
        return [
            f"--stripe={self._stripe_keys[0]}",
            f"--mail={self._mail_keys[0]}",
            f"--sign-in={_CLIENT_ID}={self._oauth_secret}",
        ]

    def _sign_in_services(self) -> OAuthSettings:
        github, secret = f"{self.url}/_oauth/github", Secret(self._oauth_secret)
        return OAuthSettings(
            github=OAuthApp(_CLIENT_ID, secret, github, f"{github}/api"),
            google=OAuthApp(_CLIENT_ID, secret, f"{self.url}/_oauth/google"),
        )

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def send_webhooks_to(self, rest_url: str) -> None:
        """Tell the simulated services where this gateway's webhooks are; raises DemoError."""
        endpoints: dict[str, dict[str, object]] = {
            "stripe": {"url": f"{rest_url}/webhooks/stripe", "secrets": [self._stripe_keys[1]]},
            "mail": {"url": f"{rest_url}/webhooks/resend", "secret": self._mail_keys[1].reveal()},
        }
        timeout = aiohttp.ClientTimeout(total=START_SECONDS)
        try:
            async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
                for name, endpoint in endpoints.items():
                    url = f"{self.url}/_{name}/webhook"
                    async with session.put(url, json=endpoint) as response:
                        response.raise_for_status()
        except (aiohttp.ClientError, TimeoutError):
            raise DemoError("a simulated service did not take the webhook's address") from None

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
