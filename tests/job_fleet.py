"""Gateways that make videos with upstreams of ours: models, processes, and what was really made.

Several `reapi serve` share a database, a bucket and the server keys, as machines behind a load
balancer do. Every model has channels, hence a port, a health and jobs, of its own.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import httpx
import psycopg

from core.keyring import admin_token, open_keyring
from tests.fix_fleet import CREDENTIAL, Spec, Upstreams, running_upstreams, upstream_names
from tests.fix_gateway import ROOT
from tests.role_processes import Role, launch, wait_until_ready

MODEL = "seedance-2.0"
MODEL_FILE = ROOT / "core" / "catalog" / "models" / f"{MODEL}.toml"
SECONDS = 4
PRICE = 83 * SECONDS
"""Credits of the video that is asked for here."""
PRICE_MICROS = PRICE * 1_000
MANY_CREDITS = "10000000"
TASKS = "/api/v3/contents/generations/tasks"
TASK = f"{TASKS}/{{id}}"
"""How the simulator counts calls."""
TERMINAL = frozenset({"succeeded", "failed", "cancelled"})
UNREACHABLE = "http://public.invalid"
"""A public URL at which no callback arrives: the simulator calls loopback only."""
_PATIENCE_SECONDS = 60.0

_CHANNEL = """
[channels.{name}]
model = "{model}"
dialect = "ark_videos"
upstream_model = "dreamina-seedance-2-0-260128"
base_url = "{url}/api/v3"
credential = {{ env = "FLEET_KEY" }}
priority = {priority}
resubmit = "reconcile_first"
bills_on_cancel = true
maximum_count = 1
unsupported = ["return_last_frame"]
media_hosts = ["127.0.0.1"]
poll_seconds = {poll_seconds}
job_seconds = {job_seconds}
sla_seconds = {sla_seconds}
maximum_in_flight = {maximum_in_flight}
deadlines = {{ connect = 1, acknowledge = 5, first_byte = 1, idle = 1, total = 30 }}
"""


@dataclass(frozen=True, slots=True)
class VideoModel:
    """A model with two channels, `{name}-a` before `{name}-b`."""

    name: str
    poll_seconds: float = 0.5
    job_seconds: float = 60
    sla_seconds: float = 120
    maximum_in_flight: int = 4_000

    @property
    def channels(self) -> tuple[str, str]:
        return (f"{self.name}-a", f"{self.name}-b")

    def toml(self, urls: Mapping[str, str]) -> str:
        """The model and its channels, as a catalogue says it."""
        model = MODEL_FILE.read_text(encoding="utf-8")
        model = model.replace(f'models."{MODEL}"', f"models.{self.name}")
        model = model.replace('aliases = ["doubao-seedance-2.0"]\n', "")
        channels = [
            _CHANNEL.format(
                name=name,
                model=self.name,
                url=urls[name],
                priority=priority,
                poll_seconds=self.poll_seconds,
                job_seconds=self.job_seconds,
                sla_seconds=self.sla_seconds,
                maximum_in_flight=self.maximum_in_flight,
            )
            for priority, name in enumerate(self.channels)
        ]
        return "\n".join([model, *channels])


@dataclass(frozen=True, slots=True)
class UpstreamJob:
    """A job as the simulator made it; times are seconds of the machine's monotonic clock."""

    channel: str
    mark: UUID
    status: str
    submitted: float
    ended: float | None


@dataclass
class Member:
    """One running `reapi serve`."""

    role: Role
    url: str

    @property
    def pid(self) -> int:
        return self.role.process.pid

    def kill(self) -> None:
        """What a power cut does to it."""
        self.role.kill()


@dataclass
class JobFleet:
    """What the members share; members come and go."""

    folder: Path
    upstreams: Upstreams
    database_url: str = field(repr=False)
    environment: dict[str, str] = field(repr=False)
    stack: ExitStack = field(repr=False)

    def launch(self, module: str = "gateway", **environment: str) -> Role:
        """One more process; it is killed in the end, whatever becomes of it."""
        role = launch("serve", self.folder / "logs", {**self.environment, **environment}, module)
        self.stack.callback(_end, role)
        return role

    def start(self, module: str = "gateway", **environment: str) -> Member:
        """One more process, ready to serve."""
        return ready(self.launch(module, **environment))

    def account(self, member: Member, credits_: str = MANY_CREDITS) -> tuple[str, str]:
        """A new account with credits: its id and its key."""
        keyring = open_keyring(Path(self.environment["REAPI_SECRET_FILE"]))
        operator = {"authorization": f"Bearer {admin_token(keyring)}"}
        with httpx.Client(base_url=member.url, headers=operator, timeout=20) as client:
            made = client.post("/api/v1/admin/accounts", json={"name": "test"}).json()
            granted = client.post(
                f"/api/v1/admin/accounts/{made['id']}:grant",
                json={"credits": credits_, "request_id": "first"},
            )
            assert granted.status_code == 200, granted.text
        return str(made["id"]), str(made["api_key"])

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection of our own, to look."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            yield connection

    @property
    def bucket(self) -> Path:
        return Path(self.environment["REAPI_BUCKET_URL"].removeprefix("file://"))

    def jobs(self, *channels: str) -> list[UpstreamJob]:
        """Every job of these channels, deleted ones included, oldest first."""
        return [
            UpstreamJob(
                channel,
                UUID(hex=job["marks"]["safety_identifier"]),
                job["status"],
                job["submitted_ms"] / 1_000,
                None if job["ended_ms"] is None else job["ended_ms"] / 1_000,
            )
            for channel in channels
            for job in self._ask("/_jobs", channel)["jobs"][channel]
        ]

    def made(self, *channels: str) -> int:
        """How many jobs these channels have made."""
        counts = [self._ask("/_jobs/count", channel)["channels"] for channel in channels]
        return sum(count[name]["made"] for count, name in zip(counts, channels, strict=True))

    def asked(self, channel: str, route: str) -> int:
        """How often a channel got a call: `GET /api/v3/contents/generations/tasks`."""
        routes: dict[str, int] = self._ask("/_calls/count")["routes"][channel]
        return routes.get(route, 0)

    def settings_of(self, channel: str, **knobs: Any) -> None:
        self.upstreams.control.put(f"/_settings/{channel}", json=knobs).raise_for_status()

    def _ask(self, path: str, channel: str = "") -> Any:
        query = {"channel": channel} if channel else {}
        answer = self.upstreams.control.get(path, params=query)
        answer.raise_for_status()
        return answer.json()


def ready(role: Role) -> Member:
    """The process, once it serves."""
    wait_until_ready(role, "rest")
    return Member(role, f"http://127.0.0.1:{role.port('rest')}")


@contextmanager
def running_job_fleet(
    folder: Path,
    database_url: str,
    models: Sequence[VideoModel],
    images: Sequence[Spec] = (),
    stripe: str = "",
    **environment: str,
) -> Iterator[JobFleet]:
    """Upstreams of *models* and *images*, and everything that members need; start those yourself.

    *stripe* is the secret key of a simulated Stripe account, if there shall be one.
    """
    names = [f"{channel}@ark" for model in models for channel in model.channels]
    options = [f"--stripe={stripe}"] if stripe else []
    for upstreams in running_upstreams([*names, *upstream_names(images)], *options):
        upstreams.settings(queue_ms=100, run_ms=500)
        overlay = folder / "fleet.toml"
        parts = [model.toml(upstreams.base_urls) for model in (*models, *images)]
        overlay.write_text("\n".join(parts), encoding="utf-8")
        shared = {
            "REAPI_HOME": str(folder / "home"),
            "REAPI_SECRET_FILE": str(folder / "secrets.json"),
            "REAPI_BUCKET_URL": (folder / "bucket").as_uri(),
            "REAPI_DATABASE_URL": database_url,
            "REAPI_CATALOGUE": str(overlay),
            "REAPI_GRPC_PORT": "0",
            "FLEET_KEY": CREDENTIAL,
            **(
                {"REAPI_STRIPE_SECRET_KEY": stripe, "REAPI_STRIPE_URL": upstreams.stripe_url}
                if stripe
                else {}
            ),
            **environment,
        }
        with ExitStack() as stack:
            yield JobFleet(folder, upstreams, database_url, shared, stack)


def _end(role: Role) -> None:
    if role.process.poll() is None:
        role.kill()


@dataclass(frozen=True, slots=True)
class Videos:
    """A caller of one member, by reAPI's task dialect."""

    session: aiohttp.ClientSession
    url: str
    key: str = field(repr=False)
    only: str = ""
    """The channel that may serve, though it be ejected; empty: any."""

    async def create(self, model: str, tries: int = 1, **fields: Any) -> str:
        """The id of a new generation in hexadecimal digits; empty if the connection broke.

        A refusal for now (503) is taken *tries* - 1 times.
        """
        body = {
            "model": model,
            "prompt": "a fox runs",
            "duration": SECONDS,
            "resolution": "480p",
            "generate_audio": False,
            **fields,
        }
        try:
            status, text = await self.send("POST", "/api/v1/videos/generations", body)
            while status == 503 and (tries := tries - 1):
                await asyncio.sleep(1)
                status, text = await self.send("POST", "/api/v1/videos/generations", body)
        except (aiohttp.ClientError, ConnectionError):
            return ""
        assert status == 200, f"{status}: {text[:300]!r}"
        return str(json.loads(text)["id"]).removeprefix("task_")

    async def many(
        self, count: int, at_once: int, model: str, until: Callable[[], bool] = lambda: False
    ) -> list[str]:
        """Ask *count* times, never more than *at_once* at a time, and no more once *until()*.

        Whatever fails, all have been answered in the end.
        """
        gate = asyncio.Semaphore(at_once)

        async def one() -> str:
            async with gate:
                return "" if until() else await self.create(model)

        answers = await asyncio.gather(*(one() for _ in range(count)), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return [answer for answer in answers if isinstance(answer, str)]

    async def get(self, id_: str) -> dict[str, Any]:
        """The resource."""
        status, text = await self.send("GET", f"/api/v1/generations/{id_}")
        assert status == 200, f"{status}: {text[:300]!r}"
        found: dict[str, Any] = json.loads(text)["generation"]
        return found

    async def reaches(
        self, id_: str, wanted: Callable[[dict[str, Any]], bool], seconds: float = 20.0
    ) -> dict[str, Any]:
        """The resource once it is as *wanted*."""
        async with asyncio.timeout(seconds):
            while not wanted(found := await self.get(id_)):
                await asyncio.sleep(0.05)
        return found

    async def ended(self, id_: str, seconds: float = 20.0) -> dict[str, Any]:
        """The resource once its state is terminal; `state` in lower case, without its prefix."""
        found = await self.reaches(id_, lambda found: _state(found) in TERMINAL, seconds)
        return {**found, "state": _state(found)}

    async def cancel(self, id_: str) -> None:
        status, text = await self.send("POST", f"/api/v1/generations/{id_}:cancel", {})
        assert status == 200, f"{status}: {text[:300]!r}"

    async def delete(self, id_: str) -> None:
        status, text = await self.send("DELETE", f"/api/v1/generations/{id_}")
        assert status == 200, f"{status}: {text[:300]!r}"

    async def balance(self) -> dict[str, str]:
        _, text = await self.send("GET", "/api/v1/balance")
        found: dict[str, str] = json.loads(text)
        return found

    async def spent(self) -> int:
        """Credits charged; nothing may be held."""
        balance = await self.balance()
        assert balance["held"] == "0"
        return int(MANY_CREDITS) - int(balance["credits"])

    async def send(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Status and body of an answer."""
        headers = {"authorization": f"Bearer {self.key}"}
        if self.only:
            headers["x-reapi-routing"] = f"only={self.only}"
        async with self.session.request(
            method, f"{self.url}{path}", json=body, headers=headers
        ) as response:
            return response.status, await response.read()


def _state(found: dict[str, Any]) -> str:
    return str(found["state"]).removeprefix("STATE_").lower()


def reason_of(found: dict[str, Any]) -> str:
    """Why a generation failed, as its `ErrorInfo` says."""
    details = found["error"]["details"]
    return str(next(detail["reason"] for detail in details if "reason" in detail))


@asynccontextmanager
async def videos_of(member: Member, key: str) -> AsyncIterator[Videos]:
    """A caller of *member*."""
    timeout = aiohttp.ClientTimeout(total=_PATIENCE_SECONDS)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield Videos(session, member.url, key)
