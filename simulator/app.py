"""Opens the simulator: a port for each channel, and one for the controls."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from simulator.answer import Dialect, JobDialect
from simulator.ark import Ark
from simulator.azure_images import AzureImages
from simulator.azure_speech import AzureSpeech
from simulator.bot_check import FakeBotCheck
from simulator.calls import CallLog
from simulator.control import Control
from simulator.dashscope import DashScope
from simulator.elevenlabs import ElevenLabs
from simulator.fal import Fal
from simulator.faults import Fault, FaultBoard
from simulator.front import Front
from simulator.gemini import Gemini
from simulator.images import ImageCache
from simulator.jobs import JobBook
from simulator.kie import Kie
from simulator.knobs import Knobs
from simulator.listener import SHUTDOWN_SECONDS, Listener, is_loopback, silent_logger
from simulator.mail import FakeMail
from simulator.mail_control import MailControl
from simulator.oauth import FakeOAuth
from simulator.oauth_books import SimulatedApp
from simulator.openai_speech import OpenAI
from simulator.openrouter import OpenRouter
from simulator.recraft import Recraft
from simulator.replicate import Replicate
from simulator.stripe import FakeStripe
from simulator.stripe_control import StripeControl
from simulator.topaz import Topaz
from simulator.veo import Veo
from simulator.videos import VideoCache
from simulator.vidu import Vidu
from simulator.wavespeed import WaveSpeed
from simulator.xai import Xai

# The protocols that can be simulated, by the name a channel gives.
DIALECTS: Final[Mapping[str, Callable[[str, ImageCache], Dialect]]] = {
    "azure": AzureImages,
    "azurespeech": AzureSpeech,
    "elevenlabs": ElevenLabs,
    "gemini": Gemini,
    "openai": OpenAI,
}
# And those with jobs or hosted results.
JOB_DIALECTS: Final[Mapping[str, Callable[[str, ImageCache, VideoCache], JobDialect]]] = {
    "ark": Ark,
    "dashscope": DashScope,
    "fal": Fal,
    "replicate": Replicate,
    "vidu": Vidu,
    "veo": Veo,
    "xai": Xai,
    "topaz": Topaz,
    "kie": Kie,
    "openrouter": OpenRouter,
    "recraft": Recraft,
    "wavespeed": WaveSpeed,
}

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class SimulatedChannel:
    """One upstream account to simulate. Port 0 takes a free one."""

    name: str
    credential: str = field(repr=False)
    dialect: str = "openai"
    port: int = 0

    def __post_init__(self) -> None:
        """Refuse a name that could not stand in a URL, and an unknown dialect."""
        if not _NAME.fullmatch(self.name):
            raise ValueError("a channel's name is 1 to 64 of a-z 0-9 . _ - and starts with a-z 0-9")
        if not self.credential:
            raise ValueError(f"channel {self.name} has no credential")
        known = (*DIALECTS, *JOB_DIALECTS)
        if self.dialect not in known:
            raise ValueError(f"channel {self.name}: the dialect is one of {', '.join(known)}")


@dataclass(frozen=True, slots=True)
class SimulatedStripe:
    """A Stripe account to simulate, by the one secret key it knows. Port 0 takes a free one."""

    secret_key: str = field(repr=False)
    port: int = 0


class Simulator:
    """Simulated upstreams on loopback, and a Stripe account, while the context is entered.

    Images follow from *seed* and the request, on every channel and in every run alike.
    """

    def __init__(
        self,
        channels: Sequence[SimulatedChannel],
        control_port: int = 0,
        host: str = "127.0.0.1",
        seed: int = 0,
        stripe: SimulatedStripe | None = None,
        sign_in: SimulatedApp | None = None,
        mail_key: str = "",
    ) -> None:
        if not is_loopback(host):
            raise ValueError("the simulator listens on loopback addresses only")
        names = [channel.name for channel in channels]
        if len(set(names)) != len(names):
            raise ValueError("two channels have the same name")
        self.calls = CallLog(names)
        self._host = host
        self._control_port = control_port
        self._channels = {channel.name: channel for channel in channels}
        self._board = FaultBoard(names)
        self._images = ImageCache(seed)
        self._videos = VideoCache()
        self._jobs: dict[str, JobDialect] = {}
        self._fronts: dict[str, Front] = {}
        self._listeners: dict[str, Listener] = {}
        for channel in channels:
            front = self._front(channel)
            self._fronts[channel.name] = front
            self._listeners[channel.name] = Listener(front, host, channel.port)
        self._stripe: FakeStripe | None = None
        if stripe is not None:
            self._stripe = FakeStripe(stripe.secret_key, stripe.port, host)
        self._oauth = FakeOAuth(sign_in) if sign_in is not None else None
        self._mail = FakeMail(mail_key, 0, host) if mail_key else None
        self._url: str | None = None
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._images.close)
            stack.push_async_callback(self._videos.close)
            for name, listener in self._listeners.items():
                stack.push_async_callback(listener.close)
                await listener.open()
                if name in self._jobs:
                    stack.push_async_callback(self._jobs[name].close)
                    self._jobs[name].serve_at(self.base_url(name))
            application = Control(self).application()
            if self._stripe is not None:
                await stack.enter_async_context(self._stripe)
                StripeControl(self._stripe).add_to(application)
            if self._oauth is not None:
                self._oauth.add_to(application)
                FakeBotCheck().add_to(application)
            if self._mail is not None:
                await stack.enter_async_context(self._mail)
                MailControl(self._mail).add_to(application)
            runner = web.AppRunner(
                application,
                access_log=None,
                logger=silent_logger(),
                shutdown_timeout=SHUTDOWN_SECONDS,
            )
            stack.push_async_callback(runner.cleanup)
            await runner.setup()
            site = web.TCPSite(runner, self._host, self._control_port)
            await site.start()
            self._url = self._at(runner.addresses[0][1])
            self._opened = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._opened.aclose()

    @property
    def url(self) -> str:
        """The base URL of the controls."""
        if self._url is None:
            raise RuntimeError("the simulator is not open")
        return self._url

    @property
    def stripe(self) -> FakeStripe:
        """The Stripe account."""
        if self._stripe is None:
            raise RuntimeError("no Stripe account is simulated")
        return self._stripe

    @property
    def stripe_url(self) -> str | None:
        """The base URL of Stripe's API, if it is simulated."""
        return None if self._stripe is None else self._stripe.url

    @property
    def mail(self) -> FakeMail:
        """The mail service."""
        if self._mail is None:
            raise RuntimeError("no mail service is simulated")
        return self._mail

    @property
    def mail_urls(self) -> dict[str, str | None]:
        """Where Resend's API and the mail server are, if they are simulated."""
        mail = self._mail
        urls = (None, None) if mail is None else (mail.url, mail.smtp_url)
        return dict(zip(("mail_url", "smtp_url"), urls, strict=True))

    @property
    def oauth(self) -> FakeOAuth:
        """The services to sign in with."""
        if self._oauth is None:
            raise RuntimeError("no sign-in is simulated")
        return self._oauth

    def base_url(self, channel: str) -> str:
        """Give the URL to which the channel's protocol adds its paths (`/v1/images/…`)."""
        return self._at(self._listeners[channel].port)

    def describe(self) -> list[dict[str, str]]:
        """Give each channel's name, dialect and base URL."""
        return [
            {"name": name, "dialect": channel.dialect, "base_url": self.base_url(name)}
            for name, channel in self._channels.items()
        ]

    def faults(self) -> dict[str, Fault | None]:
        """Give each channel's fault, None where it is well."""
        return self._board.all()

    async def set_fault(self, channel: str, fault: Fault) -> None:
        """Break *channel* from now on; replaces the fault it had."""
        self._board.put(channel, fault)
        if fault.kind == "refuse":
            await self._listeners[channel].refuse()
        else:
            await self._listeners[channel].accept()

    async def clear_faults(self, channel: str | None = None) -> None:
        """Heal *channel*, or every channel."""
        for name in [channel] if channel is not None else self._channels:
            self._board.clear(name)
            await self._listeners[name].accept()

    def knobs(self, channel: str) -> Knobs:
        """Give the settings of *channel*."""
        return self._fronts[channel].knobs

    def turn_knobs(self, channel: str, knobs: Knobs) -> None:
        """Change the settings of *channel*."""
        self._fronts[channel].knobs = knobs

    def configure(self, knobs: Knobs) -> None:
        """Change the settings of every channel."""
        for name in self._channels:
            self.turn_knobs(name, knobs)

    def books(self) -> dict[str, JobBook]:
        """Give the jobs of each channel that has any."""
        return {name: dialect.book for name, dialect in self._jobs.items()}

    def _front(self, channel: SimulatedChannel) -> Front:
        if channel.dialect in DIALECTS:
            dialect = DIALECTS[channel.dialect](channel.credential, self._images)
            return Front(channel.name, dialect, self._board, self.calls)
        make = JOB_DIALECTS[channel.dialect]
        jobs = self._jobs[channel.name] = make(channel.credential, self._images, self._videos)
        return Front(channel.name, jobs, self._board, self.calls, operation=jobs.operation)

    def _at(self, port: int) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{port}"
