"""Calls every RPC with a canary in every text: all at once, each alone, in time and too late."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from gateway.proof.canaries import Canaries
from gateway.proof.contract import Path, class_of, classed, methods, name_of, put, texts
from gateway.proof.requests import MODEL
from reapi.v1 import generation_service_pb2
from reapi.v1.privacy_pb2 import PRIVACY_CLASS_PERSONAL, PRIVACY_CLASS_SECRET

SECONDS: Final = 30.0
"""For an answer."""
TOO_SHORT: Final = 0.02
"""Seconds of a deadline that most calls miss: somewhere on their way."""
KEPT: Final[Mapping[str, str]] = {
    "AdminService.CreateAccount: name": "account.name",
    "ApiKeyService.CreateApiKey: api_key.display_name": "api_key.name",
}
"""Texts that are kept as they are, and in which column (docs/privacy.md)."""
ENDS_SESSIONS: Final = frozenset({"SignOut"})
"""Called last: what comes after would be refused at the door."""
_ADMIN: Final = "AdminService"
_ACCOUNT: Final = "AccountService"


@dataclass(frozen=True, slots=True)
class Callers:
    """Who calls; who is not there is empty."""

    key: str = field(repr=False)
    session: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    """The operator's."""

    def of(self, service: str) -> tuple[str, Sequence[str]]:
        """Who calls a service with each text alone; who else calls it with all of them."""
        if service == _ADMIN:
            return self.token, (self.key, self.session)
        if service == _ACCOUNT:
            return self.session, (self.key, "", self.token)
        return self.key, (self.session, self.token)


class Walker:
    """Calls every method with everything filled in, and once for each text alone."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        callers: Callers,
        canaries: Canaries,
        model: str = MODEL,
        called: Callable[[str], None] = lambda _: None,
        aside: frozenset[str] = frozenset(),
    ) -> None:
        """*called* hears the name of each method when it is done; *aside* are called as nobody."""
        self._channel = channel
        self._callers = callers
        self._canaries = canaries
        self._model = model
        self._called = called
        self._aside = aside
        self.strangers: set[str] = set()
        """Texts that stood in the answer to another call."""
        self.called: set[str] = set()
        """Every text that was sent, by method and field."""
        self.outcomes: Counter[str] = Counter()
        """How calls ended: `OK`, or the code."""

    async def everything(self, farewell: Callable[[], Awaitable[None]] | None = None) -> None:
        """Make all the calls, one after the other; *farewell* is done before the session ends."""
        for method in methods():
            if method.name not in ENDS_SESSIONS:
                await self._walk(method)
        if farewell is not None:
            await farewell()
        for method in methods():
            if method.name in ENDS_SESSIONS:
                await self._walk(method)

    async def _walk(self, method: MethodDescriptor) -> None:
        self._called(f"{method.containing_service.name}.{method.name}")
        found = list(texts(method.input_type))
        main, others = self._callers.of(method.containing_service.name)
        if method.name in self._aside:
            main, others = "", ()
        for other in others:
            await self._call(method, found, other)
        for paths in (found, *([path] for path in found)):
            await self._call(method, paths, main)
        await self._call(method, found, main, TOO_SHORT)
        await self._cancel(method, found, main)

    async def _call(
        self,
        method: MethodDescriptor,
        paths: Sequence[Path],
        credential: str,
        seconds: float = SECONDS,
    ) -> None:
        request, own = self._filled(method, paths)
        found: set[str] = set()
        try:
            async for answer in self._answers(method, request, credential, seconds):
                found |= self._strange(method, answer, own)
            self.outcomes["OK"] += 1
        except grpc.aio.AioRpcError as error:
            head = repr(error.trailing_metadata()).encode() + (error.details() or "").encode()
            found |= self._canaries.words_in(head) - own
            self.outcomes[error.code().name] += 1
        self.strangers |= self._canaries.where(found)

    async def _cancel(
        self, method: MethodDescriptor, paths: Sequence[Path], credential: str
    ) -> None:
        """Ask, and go away before the answer."""
        request, _ = self._filled(method, paths)
        call = self._open(method, request, credential, SECONDS)
        reading = asyncio.ensure_future(call.read())
        await asyncio.wait([reading], timeout=TOO_SHORT)
        call.cancel()
        with suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
            await reading
        self.outcomes["left"] += 1

    def _filled(self, method: MethodDescriptor, paths: Sequence[Path]) -> tuple[Message, set[str]]:
        own: set[str] = set()
        request = message_factory.GetMessageClass(method.input_type)()
        self._begin(request)
        for path in paths:
            name = name_of(method, path)
            word = self._canaries.plant(name)
            own.add(word)
            put(request, path, word)
            self.called.add(name)
        return request, own

    def _begin(self, request: Message) -> None:
        """What a request must have in order to come further than its first check."""
        start = getattr(request, "start", None)
        spec = getattr(request, "spec", None) or getattr(start, "spec", None)
        if isinstance(spec, generation_service_pb2.GenerationSpec):
            spec.model = self._model
            spec.parameters.prompt = "a lighthouse"
            spec.parameters.quality = "low"

    def _strange(self, method: MethodDescriptor, answer: bytes, own: set[str]) -> set[str]:
        """What of other calls stands in an answer, where it does not belong.

        Who typed a name, an address or a link may read it again: in a field of the same class.
        """
        words = self._canaries.words_in(answer) - own
        message = message_factory.GetMessageClass(method.output_type).FromString(answer)
        if not words:
            return words
        told = {
            (kind, word)
            for kind, value in classed(message)
            for word in self._canaries.words_in(value)
        }
        return {word for word in words if not self._may_be_told(word, told)}

    def _may_be_told(self, word: str, told: set[tuple[int, str]]) -> bool:
        kind = _CLASSES.get(self._canaries.fields[word])
        return kind in _TOLD_AGAIN and (kind, word) in told

    def _open(
        self, method: MethodDescriptor, request: Message, credential: str, seconds: float
    ) -> Any:
        path = f"/{method.containing_service.full_name}/{method.name}"
        asked: Any = iter([request.SerializeToString()])
        return self._channel.stream_stream(path)(
            asked,
            metadata=(("authorization", f"Bearer {credential}"),) if credential else (),
            timeout=seconds,
        )

    async def _answers(
        self, method: MethodDescriptor, request: Message, credential: str, seconds: float
    ) -> AsyncIterator[bytes]:
        call = self._open(method, request, credential, seconds)
        try:
            async for answer in call:
                yield answer
        finally:
            call.cancel()


_TOLD_AGAIN: Final = frozenset({PRIVACY_CLASS_PERSONAL, PRIVACY_CLASS_SECRET})


def _classes() -> Iterator[tuple[str, int]]:
    for method in methods():
        for path in texts(method.input_type):
            yield name_of(method, path), class_of(path)


_CLASSES: Final = dict(_classes())
"""Of every text of every request."""
