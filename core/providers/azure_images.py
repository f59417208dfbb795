"""OpenAI's image models on Azure (Foundry): OpenAI's bodies at addresses of deployments.

Source: Azure OpenAI's REST reference, image generation (providers.md 8.3). `upstream_model` is
the name of our deployment, the base URL that of the resource. With an `api_version` among its
options a channel speaks the classic API, whose path names the deployment; without one the v1
API, whose body does. A call of which no byte comes for 60 s is cut off with a 408, though the
image may be made and billed: such a size has to be streamed, with previews.
"""

from collections.abc import Mapping
from urllib.parse import quote

from core.errors import UpstreamError
from core.model import Ask, Channel
from core.providers.azure_errors import azure_refusal
from core.providers.openai_images import OpenAIImages
from core.providers.wire import Reply

API_VERSION = "api_version"
"""The option of a channel that speaks the classic API: `2025-04-01-preview`."""


class AzureImages(OpenAIImages):
    """The dialect: OpenAI's, but for addresses, credential and refusals."""

    def authorization(self, channel: Channel) -> dict[str, str]:
        return {"api-key": channel.credential.reveal()}

    def path(self, action: str, channel: Channel) -> str:
        version = channel.options.get(API_VERSION)
        if version is None:
            return f"/openai/v1/images/{action}"
        deployment = quote(channel.upstream_model, safe="")
        query = f"api-version={quote(version, safe='')}"
        return f"/openai/deployments/{deployment}/images/{action}?{query}"

    def naming(self, channel: Channel) -> dict[str, str]:
        # The path of the classic API says it, and gpt-image-2 fails if the body does too.
        return {} if API_VERSION in channel.options else super().naming(channel)

    def refused(
        self, document: Mapping[str, object], ask: Ask, reply: Reply | None = None
    ) -> UpstreamError:
        return azure_refusal(document, ask, reply)
