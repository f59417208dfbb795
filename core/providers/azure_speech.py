"""OpenAI's speech on Azure (Foundry): OpenAI's bodies at addresses of deployments.

Source: Azure OpenAI's REST reference, text to speech (providers.md 8.3). `upstream_model` is the
name of our deployment, the base URL that of the resource; as for images, an `api_version` among
the options means the classic API, whose path names the deployment.
"""

from collections.abc import Mapping
from urllib.parse import quote

from core.errors import UpstreamError
from core.model import Ask, Channel
from core.providers.azure_errors import azure_refusal
from core.providers.openai_speech import OpenAISpeech
from core.providers.wire import Reply


class AzureSpeech(OpenAISpeech):
    """The dialect: OpenAI's, but for addresses, credential and refusals."""

    def authorization(self, channel: Channel) -> dict[str, str]:
        return {"api-key": channel.credential.reveal()}

    def path(self, channel: Channel) -> str:
        version = channel.options.get("api_version")
        if version is None:
            return "/openai/v1/audio/speech"
        deployment = quote(channel.upstream_model, safe="")
        query = f"api-version={quote(version, safe='')}"
        return f"/openai/deployments/{deployment}/audio/speech?{query}"

    def refused(self, document: Mapping[str, object], ask: Ask, reply: Reply) -> UpstreamError:
        return azure_refusal(document, ask, reply)
