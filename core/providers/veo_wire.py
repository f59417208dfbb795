"""What Vertex AI and the Gemini Developer API say alike about Veo's operations. Pure.

Source: Google's reference of Veo on both, and google-genai (providers.md 2.4, 2.5).
"""

from collections.abc import Mapping
from urllib.parse import quote

import orjson

from core.body import Body
from core.model import Ask, Channel
from core.providers.gemini_errors import document, refusal
from core.providers.mapping import told
from core.providers.reading import section
from core.providers.wire import Reply


def request_of(ask: Ask, channel: Channel) -> Body[bytes]:
    """The body that starts an operation: one instance, and the parameters."""
    instance = told(ask, channel)
    parameters = instance.pop("parameters", {})
    for name in ("image", "lastFrame"):
        if name in instance:
            instance[name] = _inline(instance[name])
    if isinstance(references := instance.get("referenceImages"), list):
        instance["referenceImages"] = [
            {"image": _inline(each), "referenceType": "asset"} for each in references
        ]
    return Body(orjson.dumps({"instances": [instance], "parameters": parameters}))


def answer(reply: Reply) -> Mapping[str, object]:
    """The document of a call that went well; raises UpstreamError for any other."""
    found = document(reply)
    # An operation that failed holds its own.
    if not 200 <= reply.status < 300 or (found.get("error") and "done" not in found):
        raise refusal(section(found, "error"), reply)
    return found


def path_of(channel: Channel) -> str:
    """Where the model is, below the base URL."""
    return f"/models/{quote(channel.upstream_model, safe='')}"


def _inline(data_url: object) -> dict[str, str]:
    """A file in Google's words: what a data URL says."""
    media_type, _, data = str(data_url).removeprefix("data:").partition(";base64,")
    return {"bytesBase64Encoded": data, "mimeType": media_type}
