"""OpenAI's speech on Azure: the same sounds and bodies at the addresses of a resource.

POST /openai/deployments/{name}/audio/speech?api-version=…   the classic API
POST /openai/v1/audio/speech                                 the v1 API

The resource has one deployment, `speech`, of gpt-4o-mini-tts. The v1 API wants its name as
`model`; the classic one does not look at it (OpenAI's SDK sends it there too). The credential comes
as `api-key`.
"""

import json
import re
from dataclasses import replace
from typing import Final
from uuid import uuid4

from simulator import azure_errors
from simulator.answer import Answer, Incoming
from simulator.azure_errors import envelope
from simulator.faults import Fault
from simulator.images import ImageCache
from simulator.openai_speech import SPEECH, OpenAI

DEPLOYMENT: Final = "speech"
BASE_MODEL: Final = "gpt-4o-mini-tts"
CLASSIC: Final = "/openai/deployments/{name}/audio/speech"
V1: Final = "/openai/v1/audio/speech"

_CLASSIC: Final = re.compile(r"/openai/deployments/([^/]{1,64})/audio/speech")
_VERSION: Final = re.compile(r"(?:^|&)api-version=20[0-9]{2}-[0-9]{2}-[0-9]{2}(-preview)?(?:&|$)")
# OpenAI's own, which Azure does not send.
_FOREIGN: Final = frozenset({"server", "openai-version", "openai-organization", "x-request-id"})


class AzureSpeech:
    """The speech of one Azure OpenAI resource, known by its key."""

    def __init__(self, credential: str, images: ImageCache) -> None:
        self._key = credential
        self._inner = OpenAI(credential, images)

    def route(self, path: str) -> str:
        """Give the path without the deployment's name, or `(other)`."""
        if path == V1:
            return V1
        return CLASSIC if _CLASSIC.fullmatch(path) else "(other)"

    async def answer(self, incoming: Incoming) -> Answer:
        """Answer a request as the healthy resource would."""
        forwarded = self._forwarded(incoming)
        if isinstance(forwarded, Answer):
            return forwarded
        inner = await self._inner.answer(forwarded)
        if b"content_policy_violation" in inner.frames[0][:1_000] and inner.status == 400:
            return _answered(400, azure_errors.filtered("input"), "moderated")
        kept = {name: value for name, value in inner.headers.items() if name not in _FOREIGN}
        return replace(inner, headers={**kept, **_headers()})

    def failure(self, fault: Fault) -> Answer:
        """Give the body of the scripted status, with the headers that go along."""
        if fault.status < 400:
            return Answer(fault.status, _headers(), (b"",), outcome="faulted")
        body = azure_errors.scripted(fault.status, fault.code)
        answer = _answered(fault.status, body, "faulted")
        retry_after = 1 if fault.status == 429 and fault.retry_after is None else fault.retry_after
        if retry_after is None:
            return answer
        return replace(answer, headers={**answer.headers, "retry-after": str(retry_after)})

    def failure_event(self, fault: Fault) -> bytes:
        """Give the error event of a stream that fails half-way."""
        return self._inner.failure_event(fault)

    def too_large(self, limit: int) -> Answer:
        """Answer 413."""
        return _answered(413, envelope("413", f"The body is larger than {limit} bytes."), "error")

    def _forwarded(self, incoming: Incoming) -> Incoming | Answer:
        """Give the call as OpenAI's API would get it, or the refusal of Azure's gateway."""
        classic = _CLASSIC.fullmatch(incoming.path)
        is_known = incoming.path == V1 or (classic and _VERSION.search(incoming.query))
        if incoming.method != "POST" or not is_known:
            return _answered(404, envelope("404", "Resource not found"), "error")
        if incoming.headers.get("api-key", "") != self._key:
            return _answered(401, azure_errors.scripted(401, None), "error")
        try:
            fields = json.loads(incoming.body)
        except (ValueError, RecursionError):
            fields = None
        body = incoming.body  # refused in the API's own words
        if isinstance(fields, dict):
            if (classic[1] if classic else fields.get("model")) != DEPLOYMENT:
                return _answered(404, azure_errors.scripted(404, None), "error")
            body = json.dumps({**fields, "model": BASE_MODEL}).encode()
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        return replace(incoming, path=SPEECH, headers=headers, body=body)


def _answered(status: int, body: bytes, outcome: str) -> Answer:
    kind = "application/json" if body.startswith(b"{") else "text/plain"
    return Answer(status, {**_headers(), "content-type": kind}, (body,), outcome=outcome)


def _headers() -> dict[str, str]:
    request_id = str(uuid4())
    return {"apim-request-id": request_id, "x-request-id": request_id, "x-ms-region": "East US"}
