"""OpenAI's images on Azure: the same images and bodies at the addresses of a resource.

POST /openai/deployments/{name}/images/{generations|edits}?api-version=…   the classic API
POST /openai/v1/images/{generations|edits}                                 the v1 API

The resource has one deployment, `images`, of gpt-image-2. The v1 API wants its name as `model`;
the classic one fails on a body that holds any `model` (the wording is inferred). The credential
comes as `api-key`; a Bearer token would be Entra's, and there is none. As at Azure, a call of
which no byte comes for CUT_SECONDS is answered with 408. Markers in prompts are those of
`simulator.openai_images`; the content filter refuses in its own words.
"""

import json
import re
from dataclasses import replace
from typing import Final
from uuid import uuid4

from simulator import azure_errors
from simulator.answer import Answer, Incoming
from simulator.azure_errors import envelope, filtered
from simulator.faults import Fault
from simulator.images import ImageCache
from simulator.openai_images import OpenAIImages

DEPLOYMENT: Final = "images"
BASE_MODEL: Final = "gpt-image-2"
API_VERSIONS: Final = frozenset({"2025-04-01-preview", "2025-04-01"})
CLASSIC: Final = "/openai/deployments/{name}/images/{action}"
V1: Final = "/openai/v1/images/{action}"
# How long Azure's gateway waits for a first byte.
CUT_SECONDS: Final = 60.0

_CLASSIC: Final = re.compile(r"/openai/deployments/([^/]{1,64})/images/(generations|edits)")
_V1: Final = re.compile(r"/openai/v1/images/(generations|edits)")
_VERSION: Final = re.compile(r"(?:^|&)api-version=([^&]{1,40})")
_MODEL_PART: Final = re.compile(rb'(name="model"\r\n(?:[^\r\n]+\r\n)*\r\n)([^\r\n]{0,128})')
_BOUNDARY: Final = re.compile(r'boundary="?([^";,]{1,70})"?')
# OpenAI's own, which Azure does not send.
_FOREIGN: Final = frozenset({"server", "openai-version", "openai-organization", "x-request-id"})


class _Refused(Exception):
    """The gateway answers instead of the model."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class AzureImages:
    """One Azure OpenAI resource, known by its key."""

    def __init__(self, credential: str, images: ImageCache) -> None:
        self._key = credential
        self._inner = OpenAIImages(credential, images)

    def route(self, path: str) -> str:
        """Give the path without the deployment's name, or `(other)`."""
        if (classic := _CLASSIC.fullmatch(path)) is not None:
            return CLASSIC.replace("{action}", classic[2])
        if (v1 := _V1.fullmatch(path)) is not None:
            return V1.replace("{action}", v1[1])
        return "(other)"

    async def answer(self, incoming: Incoming) -> Answer:
        """Answer a request as the healthy resource would."""
        try:
            inner = await self._inner.answer(self._forwarded(incoming))
        except _Refused as refused:
            return _answered(refused.status, refused.body, "error")
        # Previews of a stream keep the connection alive.
        if inner.wait_s >= CUT_SECONDS and len(inner.frames) == 1:
            cut = _answered(408, azure_errors.scripted(408, None), "error")
            return replace(cut, wait_s=CUT_SECONDS)
        if inner.outcome == "moderated" and not inner.streamed:
            stage = "output" if b'"output"' in inner.frames[0] else "input"
            return replace(_answered(400, filtered(stage), "moderated"), wait_s=inner.wait_s)
        kept = {name: value for name, value in inner.headers.items() if name not in _FOREIGN}
        return replace(inner, headers={**kept, **_headers()})

    def failure(self, fault: Fault) -> Answer:
        """Give the body of the scripted status, with the headers that go along."""
        if fault.status < 400:
            return Answer(fault.status, _headers(), (b"",), outcome="faulted")
        answer = _answered(fault.status, azure_errors.scripted(fault.status, fault.code), "faulted")
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

    def _forwarded(self, incoming: Incoming) -> Incoming:
        """Give the call as OpenAI's API would get it; raises _Refused."""
        classic, v1 = _CLASSIC.fullmatch(incoming.path), _V1.fullmatch(incoming.path)
        if incoming.method != "POST" or not (classic or v1):
            raise _Refused(404, envelope("404", "Resource not found"))
        if incoming.headers.get("api-key", "") != self._key:
            raise _Refused(401, azure_errors.scripted(401, None))
        if classic is not None:
            version = _VERSION.search(incoming.query)
            if version is None or version[1] not in API_VERSIONS:
                raise _Refused(404, envelope("404", "Resource not found"))
            name, action = classic[1], classic[2]
        else:
            assert v1 is not None
            name, action = "", v1[1]
        content_type = incoming.headers.get("content-type", "")
        if action == "edits":
            name, body = _form(incoming.body, content_type, name)
        else:
            name, body = _json(incoming.body, name)
        if name != DEPLOYMENT:
            raise _Refused(404, azure_errors.scripted(404, None))
        headers = {"authorization": f"Bearer {self._key}", "content-type": content_type}
        return replace(incoming, path=f"/v1/images/{action}", headers=headers, body=body)


def _json(body: bytes, deployment: str) -> tuple[str, bytes]:
    """Give the deployment, and the body with the base model in it; raises _Refused."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        return deployment or DEPLOYMENT, body  # refused in the API's own words
    if deployment and "model" in fields:
        raise _unexpected()
    name = deployment or str(fields.get("model", ""))
    return name, json.dumps({**fields, "model": BASE_MODEL}).encode()


def _form(body: bytes, content_type: str, deployment: str) -> tuple[str, bytes]:
    """Give the deployment, and the form with the base model in it; raises _Refused."""
    found = _MODEL_PART.search(body)
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        return deployment or DEPLOYMENT, body
    if not deployment:
        name = found[2].decode("utf-8", "replace") if found else ""
        model = BASE_MODEL.encode()
        return name, _MODEL_PART.sub(lambda part: part[1] + model, body, count=1)
    if found:
        raise _unexpected()
    part = (
        f'--{boundary[1]}\r\ncontent-disposition: form-data; name="model"\r\n\r\n{BASE_MODEL}\r\n'
    )
    return deployment, part.encode() + body


def _unexpected() -> _Refused:
    body = envelope(
        "invalid_payload",
        "Unknown parameter: 'model'.",
        type="invalid_request_error",
        param="model",
    )
    return _Refused(400, body)


def _answered(status: int, body: bytes, outcome: str) -> Answer:
    kind = "application/json" if body.startswith(b"{") else "text/plain"
    return Answer(status, {**_headers(), "content-type": kind}, (body,), outcome=outcome)


def _headers() -> dict[str, str]:
    request_id = str(uuid4())
    return {"apim-request-id": request_id, "x-request-id": request_id, "x-ms-region": "East US"}
