"""Google's Veo as long-running operations, on Vertex AI and on the Gemini Developer API.

Source: Google's reference of Veo on both, and google-genai (providers.md 2.4, 2.5). The base URLs:

    veo_vertex   https://{host}/v1/projects/{P}/locations/{L}/publishers/google   access token
    veo_gemini   https://generativelanguage.googleapis.com/v1beta                 API key

Submissions are the same. Vertex is asked for an operation by POST, and its videos are base64 inside
of the answer; the Developer API (whose Veo models are retired) by GET, and its videos are files
that want the key. There is no list, no cancel, no webhook and no idempotency key. The channel's
`fields` name what is asked for: parameters below `parameters`, files as `image`, `lastFrame` and
`referenceImages[]`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from urllib.parse import quote
from uuid import UUID

import orjson

from core.body import Body
from core.model import Ask, Channel, Final, Hosted, Report
from core.providers.files import link
from core.providers.gemini_errors import entries
from core.providers.jobs import Broken, JobBase, JobState, Made, Working
from core.providers.reading import base64, identifier, section
from core.providers.veo_errors import failed, outputless
from core.providers.veo_wire import answer, path_of, request_of
from core.providers.wire import Call, Reply, bearer, invalid


class _Veo(JobBase, ABC):
    """What both have in common. We know an operation by the last part of its name."""

    def submit(self, ask: Ask, channel: Channel, mark: UUID, callback_url: str = "") -> Call:
        del mark, callback_url  # nothing that is sent comes back, and nobody is called
        path, keys = f"{path_of(channel)}:predictLongRunning", self.keys(channel)
        return Call("POST", path, keys, request_of(ask, channel))

    def submitted(self, reply: Reply, ask: Ask) -> str:
        del ask
        name = str(answer(reply).get("name"))
        return identifier({"id": name.partition("/operations/")[2]}, "id")

    def state(self, reply: Reply, channel: Channel) -> JobState:
        operation = answer(reply)
        if operation.get("done") is not True:
            if not isinstance(operation.get("name"), str):
                raise invalid()
            return Working()
        if error := section(operation, "error"):
            return Broken(failed(error))
        response = section(operation, "response")
        made = self.videos(response, channel)
        return Made(made, Report()) if made else Broken(outputless(response))

    @abstractmethod
    def keys(self, channel: Channel) -> Mapping[str, str]:
        """The authorization."""

    @abstractmethod
    def videos(self, response: Mapping[str, object], channel: Channel) -> list[Hosted | Final]:
        """What was made and not filtered."""


class VeoVertex(_Veo):
    def keys(self, channel: Channel) -> Mapping[str, str]:
        return bearer(channel)

    def look(self, job_id: str, channel: Channel) -> Call:
        resource = f"projects/{channel.base_url.partition('/projects/')[2]}{path_of(channel)}"
        body = Body(orjson.dumps({"operationName": f"{resource}/operations/{job_id}"}))
        return Call("POST", f"{path_of(channel)}:fetchPredictOperation", bearer(channel), body)

    def videos(self, response: Mapping[str, object], channel: Channel) -> list[Hosted | Final]:
        del channel
        found = (base64(video, "bytesBase64Encoded") for video in entries(response, "videos"))
        return [Final(index, data) for index, data in enumerate(filter(None, found))]


class VeoGemini(_Veo):
    def keys(self, channel: Channel) -> Mapping[str, str]:
        return {"x-goog-api-key": channel.credential.reveal()}

    def look(self, job_id: str, channel: Channel) -> Call:
        path = f"{path_of(channel)}/operations/{quote(job_id, safe='')}"
        return Call("GET", path, self.keys(channel))

    def videos(self, response: Mapping[str, object], channel: Channel) -> list[Hosted | Final]:
        samples = entries(section(response, "generateVideoResponse"), "generatedSamples")
        found = (link(section(sample, "video"), "uri") for sample in samples)
        return [
            Hosted(index, url, self.keys(channel)) for index, url in enumerate(filter(None, found))
        ]
