"""Asks a running gateway for everything there is, with canaries, and takes back what it made."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

import httpx
from grpc import aio

from gateway.proof import routes
from gateway.proof.canaries import Canaries
from gateway.proof.contract import methods, texts
from gateway.proof.requests import MODEL, Maker, Tainted, as_json, as_text
from gateway.proof.walker import Callers, Walker
from reapi.v1 import account_service_pb2 as accounts_pb
from reapi.v1 import admin_service_pb2 as admin_pb
from reapi.v1 import api_key_service_pb2 as keys_pb
from reapi.v1.account_service_pb2_grpc import AccountServiceStub
from reapi.v1.admin_service_pb2_grpc import AdminServiceStub
from reapi.v1.api_key_service_pb2_grpc import ApiKeyServiceStub

AT_ONCE: Final = 8
SECONDS: Final = 60.0
"""For an answer over REST: a picture may take that long."""
CALL_SECONDS: Final = 10.0
LEAVE_SECONDS: Final = 0.2
"""After which a caller is gone, in the middle of what it asked for."""
ASIDE: Final = frozenset({"RotateCallbackSecret", "RevokeOtherSessions", "UpdateAutoTopUp"})
"""Calls that change an account that is in use even with nonsense in their texts."""
_PAGE: Final = 100
_STARTS: Final = frozenset({"Generate", "CreateGeneration"})
_BROKEN: Final = ('{"prompt": "CANARY", "model": "CANARY', '["CANARY"]', "CANARY")
_WRONG: Final[tuple[dict[str, Any], ...]] = (
    {"CANARY": "CANARY"},
    {"model": "CANARY"},
    {"size": "CANARY"},
    {"n": "CANARY"},
    {"style": {"CANARY": ["CANARY"]}},
    {"prompt": None},
)


def generations_at_most() -> int:
    """How many generations a proof may start: what is not refused."""
    walked = sum(
        len(list(texts(method.input_type))) + 4 for method in methods() if method.name in _STARTS
    )
    return walked + len(list(routes.fields(Maker(Canaries(), "")))) + len(_WRONG) + 4


class Planting:
    """One round of questions."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        channel: aio.Channel,
        callers: Callers,
        canaries: Canaries,
        model: str = MODEL,
    ) -> None:
        self._http = http
        self._channel = channel
        self._callers = callers
        self._canaries = canaries
        self._model = model
        self.requests: Counter[str] = Counter()
        self.strangers: set[str] = set()
        self.called: set[str] = set()
        self.calls: Counter[str] = Counter()
        self.aside: set[str] = set()
        """Calls that were made as nobody."""
        self.left_behind: list[str] = []

    async def everything(self, tell: Callable[[str], None]) -> None:
        """Ask; *tell* hears what is being asked."""
        tell("routes")
        maker = Maker(self._canaries, self._callers.key)
        for who, key in (("", self._callers.key), (", by a person", self._callers.session)):
            await self._send(routes.asked(Maker(self._canaries, key), who))
        await self._send(routes.asked(Maker(self._canaries, ""), ", by a cookie"))
        tell("fields")
        await self._send(routes.fields(maker))
        await self._send(self._pictures(maker))
        tell("pages")
        await self._pages()
        tell("callers who leave")
        for request in self._pictures(maker):
            await self._leave(request)
        tell("the contract")
        walker = Walker(
            self._channel, self._callers, self._canaries, self._model, tell, aside=ASIDE
        )
        names = await self._names() if self._callers.session else None

        async def put_back() -> None:
            if names is not None:
                await self._put_back(*names)

        await walker.everything(put_back)
        self.called, self.calls, self.aside = walker.called, walker.outcomes, set(ASIDE)
        self.strangers |= walker.strangers

    def _pictures(self, maker: Maker) -> Iterable[Tainted]:
        good = {"model": self._model, "quality": "low"}
        yield maker.make("a picture", as_json(**good))
        yield maker.make("a stream", as_json(**good, stream=True, partial_images=1))
        for number, wrong in enumerate(_WRONG):
            yield maker.make(f"wrong picture {number}", as_json(**{**good, **wrong}))
        for number, text in enumerate(_BROKEN):
            yield maker.make(f"broken picture {number}", as_text("application/json", text))

    async def _send(self, requests: Iterable[Tainted]) -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(request: Tainted) -> None:
            async with gate:
                try:
                    answer = await self._http.request(
                        request.method,
                        request.path,
                        headers=request.headers,
                        content=request.content,
                    )
                except httpx.HTTPError as error:
                    self.requests[type(error).__name__] += 1
                    return
            self.requests[str(answer.status_code)] += 1
            said = repr(answer.headers.raw).encode() + answer.content
            self.strangers |= self._canaries.where(self._canaries.words_in(said) - request.own)

        await asyncio.gather(*(one(request) for request in requests))

    async def _pages(self) -> None:
        """Every form of every page, by a stranger."""
        maker = Maker(self._canaries, "")
        for path in routes.page_paths():
            with suppress(httpx.HTTPError):
                page = await self._http.get(path)
                await self._send(routes.forms(maker, page.text, str(self._http.base_url)[:-1]))

    async def _leave(self, request: Tainted) -> None:
        """Ask, and go away before the answer."""
        with suppress(httpx.HTTPError):
            await self._http.request(
                request.method,
                request.path,
                headers=request.headers,
                content=request.content,
                timeout=LEAVE_SECONDS,
            )
        self.requests["left"] += 1

    # ---- afterwards

    async def _names(self) -> tuple[str, str]:
        """What the person and the account are called now, to put back."""
        people = AccountServiceStub(self._channel)
        told = self._by(self._callers.session)
        profile = await people.GetProfile(accounts_pb.GetProfileRequest(), **told)
        account = await people.GetAccount(accounts_pb.GetAccountRequest(), **told)
        return profile.profile.display_name, account.account.display_name

    async def tidy(self) -> None:
        """Take back what was made; what stays is in `left_behind`."""
        self.left_behind.append("generations of the key: their metadata, for 30 days")
        for what, work in (
            ("keys with canaries for names", self._revoke_keys()),
            ("accounts with canaries for names", self._erase_accounts()),
        ):
            try:
                if count := await work:
                    self.left_behind.append(f"{what}: {count}, ended; rows go in their time")
            except aio.AioRpcError as error:
                self.left_behind.append(f"{what}: not taken back ({error.code().name})")
        if self._callers.session:
            self.left_behind.append("archives that the person may read, for 24 hours")

    async def _put_back(self, person: str, account: str) -> None:
        """Call the person and the account what they were called."""
        people, told = AccountServiceStub(self._channel), self._by(self._callers.session)
        profile = accounts_pb.UpdateProfileRequest(update_mask={"paths": ["display_name"]})
        profile.profile.display_name = person
        await people.UpdateProfile(profile, **told)
        request = accounts_pb.UpdateAccountRequest(update_mask={"paths": ["display_name"]})
        request.account.display_name = account
        await people.UpdateAccount(request, **told)

    async def _revoke_keys(self) -> int:
        stub, count, token = ApiKeyServiceStub(self._channel), 0, ""
        while True:
            request = keys_pb.ListApiKeysRequest(page_size=_PAGE, page_token=token)
            page = await stub.ListApiKeys(request, **self._by(self._callers.key))
            for key in page.api_keys:
                if key.display_name.startswith(self._canaries.prefix):
                    revoke = keys_pb.RevokeApiKeyRequest(name=key.name)
                    await stub.RevokeApiKey(revoke, **self._by(self._callers.key))
                    count += 1
            token = page.next_page_token
            if not token:
                return count

    async def _erase_accounts(self) -> int:
        """Of the newest: those that this run made."""
        if not self._callers.token:
            return 0
        stub, told = AdminServiceStub(self._channel), self._by(self._callers.token)
        page = await stub.ListAccounts(admin_pb.ListAccountsRequest(page_size=_PAGE), **told)
        made = [
            found.id
            for found in page.accounts
            if found.account.display_name.startswith(self._canaries.prefix)
        ]
        for id_ in made:
            request = admin_pb.EraseAccountRequest(id=id_, reason="proof of privacy")
            await stub.EraseAccount(request, **told)
        return len(made)

    def _by(self, credential: str) -> dict[str, Any]:
        metadata = (("authorization", f"Bearer {credential}"),)
        return {"metadata": metadata, "timeout": CALL_SECONDS}
