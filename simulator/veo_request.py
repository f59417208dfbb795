"""What a call for Veo's videos asks for, checked against Google's rules.

Facts: Google's guides to Veo 3.1 on both APIs, and google-genai's types. The refusal of a parameter
is Google's, as observed; the words of the other refusals are a guess, and so is that Vertex knows
the same limits as the Developer API, and what Veo 3.1 Lite lacks.
"""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from PIL import Image

from simulator.gemini_errors import ApiError, Rejected, plainly_invalid
from simulator.gemini_fields import MAX_ECHO_CHARS, Message, parsed
from simulator.images import variant_of

MAX_PROMPT_CHARS: Final = 4_096
MAX_REFERENCES: Final = 3
LONGEST: Final = 8
SIZES: Final[Mapping[str, tuple[int, int]]] = {
    "720p": (1280, 720),
    "1080p": (1920, 1080),
    "4k": (3840, 2160),
}

_PATH: Final = re.compile(
    r"/(?P<version>v1|v1beta|v1beta1)"
    r"(?P<owner>/projects/[^/]{1,100}/locations/[^/]{1,40}/publishers/google)?"
    r"/models/(?P<model>[^/:]{1,200})"
    r"(?::(?P<verb>predictLongRunning|fetchPredictOperation)|/operations/(?P<operation>[^/:]{1,80}))"
)
_FORMATS: Final = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}

# fmt: off
_PARAMETERS: Final = frozenset({
    "aspectRatio", "durationSeconds", "negativePrompt", "personGeneration", "resolution",
    "sampleCount", "seed",
})
_VERTEX_PARAMETERS: Final = _PARAMETERS | {
    "compressionQuality", "enhancePrompt", "fps", "generateAudio", "pubsubTopic", "resizeMode",
    "storageUri",
}
_INSTANCE: Final = frozenset({"image", "lastFrame", "prompt", "referenceImages", "video"})
_VERTEX_INSTANCE: Final = _INSTANCE | {"mask"}
_REQUEST: Final = frozenset({"instances", "labels", "parameters"})
# fmt: on
_FILE: Final = frozenset({"bytesBase64Encoded", "gcsUri", "mimeType", "uri"})
_REFERENCE: Final = frozenset({"image", "referenceType"})


@dataclass(frozen=True, slots=True)
class VideoModel:
    """What a model takes."""

    resolutions: tuple[str, ...] = tuple(SIZES)
    references: bool = True


_LITE: Final = VideoModel(("720p", "1080p"), references=False)
VERTEX_MODELS: Final[Mapping[str, VideoModel]] = {
    "veo-3.1-generate-001": VideoModel(),
    "veo-3.1-fast-generate-001": VideoModel(),
    "veo-3.1-lite-generate-001": _LITE,
}
DEVELOPER_MODELS: Final[Mapping[str, VideoModel]] = {
    "veo-3.1-generate-preview": VideoModel(),
    "veo-3.1-fast-generate-preview": VideoModel(),
    "veo-3.1-lite-generate-preview": _LITE,
}
# The predecessors: gone from the Developer API.
RETIRED: Final = frozenset({"veo-3.0-generate-001", "veo-3.0-fast-generate-001"})


@dataclass(frozen=True, slots=True)
class Address:
    """Which API a path belongs to, and what it names. Never shown: the names are a caller's."""

    is_vertex: bool
    version: str
    model: str = field(repr=False)
    resource: str = field(repr=False)
    """The model's full name."""
    verb: str
    """Empty where an operation is read."""
    operation: str

    @property
    def route(self) -> str:
        """The path without a word of the caller's."""
        owner = "/projects/{project}/locations/{location}/publishers/google" * self.is_vertex
        known = self.model in VERTEX_MODELS or self.model in DEVELOPER_MODELS
        model = self.model if known else "{model}"
        last = f":{self.verb}" if self.verb else "/operations/{id}"
        return f"/{self.version}{owner}/models/{model}{last}"


def address_of(path: str) -> Address | None:
    """Read a path; None if it leads nowhere."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    is_vertex, verb = match["owner"] is not None, match["verb"] or ""
    if match["version"] not in ({"v1", "v1beta1"} if is_vertex else {"v1beta"}):
        return None
    if (verb == "fetchPredictOperation" and not is_vertex) or (is_vertex and not verb):
        return None
    model_path = path.partition(match["version"])[2].lstrip("/")
    resource = re.split(r":|/operations/", model_path, maxsplit=1)[0]
    return Address(
        is_vertex, match["version"], match["model"], resource, verb, match["operation"] or ""
    )


@dataclass(frozen=True, slots=True)
class VideoOrder:
    """A valid call, resolved. Holds no words of it."""

    resource: str = field(repr=False)
    is_vertex: bool
    width: int
    height: int
    seconds: int
    audio: bool
    count: int
    variant: int
    refused_at: str | None
    bucket: str = field(repr=False)
    """Where results shall lie, as `gs://…`; empty: in the answer."""


def retired(resource: str) -> ApiError:
    """Give the refusal of a model that is gone."""
    return ApiError(
        404,
        "NOT_FOUND",
        f"This model {resource[:MAX_ECHO_CHARS]} is no longer available. Please update your code "
        "to use a newer model for the latest features and improvements.",
    )


def read_order(address: Address, body: bytes) -> VideoOrder:
    """Check a call; raises Rejected in Google's words."""
    model = _model(address)
    request = Message(parsed(body), _REQUEST)
    instances = request.messages("instances", _VERTEX_INSTANCE)
    if len(instances) != 1:
        raise plainly_invalid("Expected exactly one instance.")
    _refuse_unknown(request, address)
    instance = instances[0]
    parameters = request.message("parameters", _VERTEX_PARAMETERS)
    prompt = instance.text("prompt")
    if len(prompt) > MAX_PROMPT_CHARS:
        raise plainly_invalid("The prompt is too long: it has more than 1024 tokens.")
    digest = blake2b(prompt.encode("utf-8", "surrogatepass"), digest_size=16)
    framed = [name for name in ("image", "lastFrame", "video") if name in instance]
    for name in framed:
        digest.update(_file(instance.message(name, _FILE), address, name))
    references = instance.messages("referenceImages", _REFERENCE)
    for reference in references:
        _check_kind(reference)
        digest.update(_file(reference.message("image", _FILE), address, "image"))
    _check_content(prompt, framed, len(references), model)
    seconds, resolution = _length(
        parameters, model, needs_longest=bool(references) or "lastFrame" in framed
    )
    width, height = SIZES[resolution]
    if _word(parameters, "aspectRatio", ("16:9", "9:16"), "16:9") == "9:16":
        width, height = height, width
    digest.update(str(_checked_numbers(parameters)).encode())
    count = parameters.integer("sampleCount")
    most = 4 if address.is_vertex else 1
    if count is not None and not 1 <= count <= most:
        raise plainly_invalid(f"sampleCount must be between 1 and {most}.")
    return VideoOrder(
        resource=address.resource,
        is_vertex=address.is_vertex,
        width=width,
        height=height,
        seconds=seconds,
        audio=parameters.flag("generateAudio") if "generateAudio" in parameters else True,
        count=count or 1,
        variant=variant_of(digest.digest()),
        refused_at=_refused_at(prompt),
        bucket=_bucket(parameters),
    )


def _model(address: Address) -> VideoModel:
    models = VERTEX_MODELS if address.is_vertex else DEVELOPER_MODELS
    model = models.get(address.model)
    if model is not None:
        return model
    shown = address.resource[:MAX_ECHO_CHARS]
    if address.is_vertex:
        message = (
            f"Publisher Model `{shown}` was not found or your project does not have access to it. "
            "Please ensure you are using a valid model version."
        )
        raise Rejected(ApiError(404, "NOT_FOUND", message))
    if address.model in RETIRED:
        raise Rejected(retired(address.resource))
    message = (
        f"{shown} is not found for API version {address.version}, or is not supported for "
        "predictLongRunning. Call ListModels to see the list of available models."
    )
    raise Rejected(ApiError(404, "NOT_FOUND", message))


def _refuse_unknown(request: Message, address: Address) -> None:
    """Refuse what only Vertex knows, at the Developer API."""
    if address.is_vertex:
        return
    parameters = request.message("parameters", _VERTEX_PARAMETERS)
    for name in sorted(_VERTEX_PARAMETERS - _PARAMETERS):
        if name in parameters:
            raise _unsupported(name)
    if "mask" in request.messages("instances", _VERTEX_INSTANCE)[0]:
        raise _unsupported("mask")


def _unsupported(name: str) -> Rejected:
    return plainly_invalid(
        f"`{name}` isn't supported by this model. Please remove it or refer to the Gemini API "
        "documentation for supported usage."
    )


def _check_kind(reference: Message) -> None:
    if reference.text("referenceType").lower() != "asset":
        raise plainly_invalid("Only reference images of the type asset are supported.")


def _check_content(prompt: str, framed: list[str], references: int, model: VideoModel) -> None:
    if not prompt and not framed:
        raise plainly_invalid("Either a prompt or an image is needed.")
    if "lastFrame" in framed and "image" not in framed:
        raise plainly_invalid("A last frame needs a first frame in `image`.")
    if references and (framed or not model.references):
        raise _unsupported("referenceImages")
    if references > MAX_REFERENCES:
        raise plainly_invalid(f"At most {MAX_REFERENCES} reference images are supported.")


def _length(parameters: Message, model: VideoModel, *, needs_longest: bool) -> tuple[int, str]:
    """Give seconds and class of resolution."""
    resolution = _word(parameters, "resolution", model.resolutions, "720p")
    seconds = parameters.integer("durationSeconds")
    if seconds is None:
        return LONGEST, resolution
    if seconds not in {4, 6, LONGEST}:
        raise plainly_invalid(
            f"The number value for `durationSeconds` is out of bound: {seconds}. Please provide "
            "one of 4, 6, 8."
        )
    if seconds != LONGEST and (needs_longest or resolution != "720p"):
        raise plainly_invalid(
            "A duration of 8 seconds is required with reference images, with a last frame, and "
            "above 720p."
        )
    return seconds, resolution


def _word(parameters: Message, name: str, allowed: tuple[str, ...], default: str) -> str:
    value = parameters.text(name, default)
    if value not in allowed:
        raise plainly_invalid(
            f"`{name}` {value[:64]} is not supported by this model. It must be one of "
            f"{', '.join(allowed)}."
        )
    return value


def _checked_numbers(parameters: Message) -> int:
    """Check what makes no difference here; gives the seed."""
    parameters.text("negativePrompt")
    people = ("allow_all", "allow_adult", "dont_allow")
    _word(parameters, "personGeneration", people, "allow_all")
    _word(parameters, "resizeMode", ("crop", "pad"), "pad")
    _word(parameters, "compressionQuality", ("optimized", "lossless"), "optimized")
    parameters.flag("enhancePrompt")
    parameters.text("pubsubTopic")
    if parameters.integer("fps") not in {None, 24}:
        raise plainly_invalid("fps must be 24.")
    seed = parameters.number("seed")
    if seed is not None and not (seed.is_integer() and 0 <= seed < 1 << 32):
        raise plainly_invalid("seed must be an integer from 0 to 4294967295.")
    return int(seed or 0)


def _bucket(parameters: Message) -> str:
    uri = parameters.text("storageUri")
    if uri and not uri.startswith("gs://"):
        raise plainly_invalid("storageUri must begin with gs://.")
    return uri.rstrip("/")


def _file(holder: Message, address: Address, name: str) -> bytes:
    """Check a file; gives what stands for it. What lies in a bucket is not looked at."""
    where = holder.text("gcsUri") if address.is_vertex else holder.text("uri")
    if where:
        return blake2b(where.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    data, kind = holder.octets("bytesBase64Encoded"), holder.text("mimeType").lower()
    if not data:
        raise plainly_invalid(f"`{name}` holds neither bytesBase64Encoded nor a URI.")
    if name != "video":
        if kind not in _FORMATS:
            raise plainly_invalid(f"Unsupported mimeType of `{name}`: {kind[:64]}")
        try:
            # The header only: enough to know that it is an image.
            Image.open(io.BytesIO(data), formats=(_FORMATS[kind],))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            raise plainly_invalid(f"`{name}` is no readable image.") from None
    return blake2b(data, digest_size=16).digest()


def _refused_at(prompt: str) -> str | None:
    """Give the stage at which the safety system refuses; the marker in the prompt decides."""
    if "moderation_blocked" not in prompt:
        return None
    stages = ("output", "one")
    return next((stage for stage in stages if f"moderation_blocked_{stage}" in prompt), "input")
