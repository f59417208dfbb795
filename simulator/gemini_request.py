"""What a generateContent call asks for, checked against Google's rules.

Facts: Google's reference of generateContent (both APIs), google-genai's types, and refusals as
observed; the words in which an aspect ratio or an image size is refused are a guess.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from PIL import Image

from simulator.gemini_errors import BAD_IMAGE, ApiError, Rejected, invalid, plainly_invalid
from simulator.gemini_fields import MAX_ECHO_CHARS, Message, parsed
from simulator.gemini_models import MODELS, RETIRED, ImageModel

VERBS: Final = ("generateContent", "streamGenerateContent")

_PATH: Final = re.compile(
    r"/(?P<version>v1|v1beta|v1beta1|v1alpha)"
    r"(?P<owner>(?:/projects/(?P<project>[^/]{1,100})/locations/(?P<location>[^/]{1,40}))?"
    r"/publishers/google)?/models/(?P<model>[^/:]{1,200}):(?P<verb>[A-Za-z]{1,40})"
)
_DEVELOPER_VERSIONS: Final = frozenset({"v1", "v1beta", "v1alpha"})
_VERTEX_VERSIONS: Final = frozenset({"v1", "v1beta1"})
_DECODED: Final = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
# Taken unseen: nothing here can decode them.
_UNDECODED: Final = frozenset({"image/heic", "image/heif"})

# fmt: off
_REQUEST: Final = frozenset({
    "cachedContent", "contents", "generationConfig", "model", "safetySettings", "serviceTier",
    "store", "systemInstruction", "toolConfig", "tools",
})
_CONTENT: Final = frozenset({"parts", "role"})
_PART: Final = frozenset({
    "codeExecutionResult", "executableCode", "fileData", "functionCall", "functionResponse",
    "inlineData", "mediaResolution", "partMetadata", "text", "thought", "thoughtSignature",
    "videoMetadata",
})
_BLOB: Final = frozenset({"data", "displayName", "mimeType"})
_FILE: Final = frozenset({"displayName", "fileUri", "mimeType"})
_CONFIG: Final = frozenset({
    "candidateCount", "frequencyPenalty", "imageConfig", "logprobs", "maxOutputTokens",
    "mediaResolution", "presencePenalty", "responseJsonSchema", "responseLogprobs",
    "responseMimeType", "responseModalities", "responseSchema", "seed", "speechConfig",
    "stopSequences", "temperature", "thinkingConfig", "topK", "topP",
})
_IMAGE: Final = frozenset({"aspectRatio", "imageSize"})
_THINKING: Final = frozenset({"includeThoughts", "thinkingBudget", "thinkingLevel"})
_SAFETY: Final = frozenset({"category", "threshold"})
# What only Vertex knows; the Developer API says that it cannot find the field.
_VERTEX_REQUEST: Final = _REQUEST | {"labels", "modelArmorConfig"}
_VERTEX_CONFIG: Final = _CONFIG | {"audioTimestamp", "modelConfig", "routingConfig"}
_VERTEX_IMAGE: Final = _IMAGE | {"imageOutputOptions", "personGeneration", "prominentPeople"}
_VERTEX_SAFETY: Final = _SAFETY | {"method"}
_OUTPUT: Final = frozenset({"compressionQuality", "mimeType"})

_MODALITIES: Final = ("TEXT", "IMAGE", "AUDIO", "VIDEO", "MODALITY_UNSPECIFIED")
_PEOPLE: Final = ("ALLOW_ALL", "ALLOW_ADULT", "ALLOW_NONE", "PERSON_GENERATION_UNSPECIFIED")
_CATEGORIES: Final = tuple(f"HARM_CATEGORY_{name}" for name in (
    "HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT", "CIVIC_INTEGRITY",
    "JAILBREAK", "IMAGE_HATE", "IMAGE_DANGEROUS_CONTENT", "IMAGE_HARASSMENT",
    "IMAGE_SEXUALLY_EXPLICIT",
))
_THRESHOLDS: Final = (
    "BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH", "BLOCK_NONE", "OFF",
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Address:
    """Which API a path belongs to, and what it names. Never shown: the names are a caller's."""

    version: str
    is_vertex: bool
    takes_token: bool
    """Else it takes an API key."""
    model: str = field(repr=False)
    resource: str = field(repr=False)
    """The model's full name, as errors repeat it."""
    verb: str

    @property
    def route(self) -> str:
        """The path without a word of the caller's."""
        owner = "/projects/{project}/locations/{location}" if self.takes_token else ""
        owner += "/publishers/google" if self.is_vertex else ""
        model = self.model if self.model in MODELS else "{model}"
        return f"/{self.version}{owner}/models/{model}:{self.verb}"


def address_of(path: str) -> Address | None:
    """Read a path; None if it leads nowhere."""
    match = _PATH.fullmatch(path)
    if match is None or match["verb"] not in VERBS:
        return None
    is_vertex = match["owner"] is not None
    if match["version"] not in (_VERTEX_VERSIONS if is_vertex else _DEVELOPER_VERSIONS):
        return None
    return Address(
        version=match["version"],
        is_vertex=is_vertex,
        takes_token=match["project"] is not None,
        model=match["model"],
        resource=path.partition(match["version"])[2].rpartition(":")[0].lstrip("/"),
        verb=match["verb"],
    )


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One accepted call, resolved. Holds no words of it."""

    name: str
    model: ImageModel
    width: int
    height: int
    image_size: str
    image_format: str
    compression: int
    modalities: frozenset[str]
    shows_thoughts: bool
    text_tokens: int
    image_inputs: int
    refused_at: str | None
    fingerprint: bytes


def read_request(address: Address, body: bytes) -> ImageRequest:
    """Check a call; raises Rejected in Google's words."""
    model = MODELS.get(address.model)
    if model is None:
        raise Rejected(_unknown_model(address))
    vertex = address.is_vertex
    request = Message(parsed(body), _VERTEX_REQUEST if vertex else _REQUEST)
    config = request.message("generationConfig", _VERTEX_CONFIG if vertex else _CONFIG)
    _check_safety(request, vertex=vertex)
    prompt, images = _contents(request)
    modalities = _modalities(config, address)
    _check_numbers(config)
    picture = config.message("imageConfig", _VERTEX_IMAGE if vertex else _IMAGE)
    ratio, size = _ratio(picture, model), _size(picture, model)
    width, height = model.pixels(ratio, size)
    output = picture.message("imageOutputOptions", _OUTPUT)
    picture.enum("personGeneration", "PersonGeneration", _PEOPLE)
    text_tokens = max(1, -(-len(prompt) // 4))
    input_tokens = text_tokens + len(images) * model.tokens_of_input_image
    if input_tokens > model.maximum_input_tokens:
        raise plainly_invalid(
            f"The input token count ({input_tokens}) exceeds the maximum number of tokens allowed "
            f"({model.maximum_input_tokens})."
        )
    if len(images) > model.maximum_images:
        raise plainly_invalid(
            f"The request has {len(images)} images, but the model takes {model.maximum_images}."
        )
    return ImageRequest(
        name=address.model,
        model=model,
        width=width,
        height=height,
        image_size=size,
        image_format=_format(output),
        compression=_compression(output),
        modalities=modalities,
        shows_thoughts=config.message("thinkingConfig", _THINKING).flag("includeThoughts"),
        text_tokens=text_tokens,
        image_inputs=len(images),
        refused_at=_refused_at(prompt),
        fingerprint=_fingerprint(prompt, images, config.integer("seed")),
    )


def _unknown_model(address: Address) -> ApiError:
    shown = address.resource[:MAX_ECHO_CHARS]
    if address.is_vertex:
        message = (
            f"Publisher Model `{shown}` was not found or your project does not have access to it. "
            "Please ensure you are using a valid model version. For more information, see: "
            "https://cloud.google.com/vertex-ai/generative-ai/docs/learn/model-versions"
        )
    elif address.model in RETIRED:
        message = (
            f"This model {shown} is no longer available. Please update your code to use a newer "
            "model for the latest features and improvements."
        )
    else:
        message = (
            f"{shown} is not found for API version {address.version}, or is not supported for "
            f"{address.verb}. Call ListModels to see the list of available models and their "
            "supported methods."
        )
    return ApiError(404, "NOT_FOUND", message)


def _contents(request: Message) -> tuple[str, list[bytes]]:
    """Give all text and all images; of a file elsewhere, its URI stands for it."""
    texts: list[str] = []
    images: list[bytes] = []
    contents = request.messages("contents", _CONTENT)
    if not contents:
        raise invalid("* GenerateContentRequest.contents: contents is not specified\n", "contents")
    for content in contents:
        if content.text("role", "user") not in {"user", "model"}:
            raise plainly_invalid("Please use a valid role: user, model.")
        parts = content.messages("parts", _PART)
        if not parts:
            where = content.at("parts")
            raise invalid(
                f"* GenerateContentRequest.{where}: contents.parts must not be empty.\n", where
            )
        for part in parts:
            _part(part, texts, images)
    instruction = request.message("systemInstruction", _CONTENT)
    texts += [part.text("text") for part in instruction.messages("parts", _PART)]
    return "\n".join(texts), images


def _part(part: Message, texts: list[str], images: list[bytes]) -> None:
    if "text" in part:
        texts.append(part.text("text"))
    elif "inlineData" in part:
        blob = part.message("inlineData", _BLOB)
        data = blob.octets("data")
        _check_image(blob.text("mimeType").lower(), data)
        images.append(data)
    elif "fileData" in part:
        uri = part.message("fileData", _FILE).text("fileUri")
        images.append(uri.encode("utf-8", "surrogatepass"))
    else:
        where = part.at("data")
        raise invalid(
            f"* GenerateContentRequest.{where}: required oneof field 'data' must have one "
            "initialized field\n",
            where,
        )


def _check_image(media_type: str, data: bytes) -> None:
    if media_type in _UNDECODED:
        return
    if media_type not in _DECODED:
        raise plainly_invalid(f"Unsupported MIME type: {media_type[:MAX_ECHO_CHARS]}")
    try:
        # The header only: enough to know that it is an image.
        Image.open(io.BytesIO(data), formats=tuple(_DECODED.values()))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise plainly_invalid(BAD_IMAGE) from None


def _check_safety(request: Message, *, vertex: bool) -> None:
    known = _VERTEX_SAFETY if vertex else _SAFETY
    for setting in request.messages("safetySettings", known):
        setting.enum("category", "HarmCategory", _CATEGORIES)
        setting.enum("threshold", "HarmBlockThreshold", _THRESHOLDS)


def _modalities(config: Message, address: Address) -> frozenset[str]:
    asked = frozenset(config.enums("responseModalities", "Modality", _MODALITIES))
    if not asked:
        return frozenset({"TEXT", "IMAGE"})
    if not asked <= {"TEXT", "IMAGE"}:
        raise plainly_invalid(
            f"The requested combination of response modalities ({', '.join(sorted(asked))}) is not "
            f"supported by the model. models/{address.model} accepts the following combination of "
            "response modalities:\n* IMAGE, TEXT\n* IMAGE\n* TEXT\n"
        )
    return asked


def _check_numbers(config: Message) -> None:
    temperature = config.number("temperature")
    if temperature is not None and not 0 <= temperature <= 2:
        raise plainly_invalid(
            f"Unable to submit request because it has a temperature value of {temperature:g} but "
            "the supported range is from 0 (inclusive) to 2.0 (inclusive). Update the value and "
            "try again."
        )
    for name in ("topP", "topK", "presencePenalty", "frequencyPenalty"):
        config.number(name)
    config.integer("maxOutputTokens")
    if config.integer("candidateCount") not in {None, 1}:
        raise plainly_invalid("Multiple candidates is not enabled for this model")


def _ratio(picture: Message, model: ImageModel) -> str:
    ratio = picture.text("aspectRatio", "1:1")
    if ratio not in model.sizes:
        raise _not_one_of(picture.at("aspectRatio"), ratio, tuple(model.sizes))
    return ratio


def _size(picture: Message, model: ImageModel) -> str:
    size = picture.text("imageSize", "1K")
    if size not in model.tokens:
        raise _not_one_of(picture.at("imageSize"), size, tuple(model.tokens))
    return size if model.scales else "1K"


def _format(output: Message) -> str:
    kinds = {"image/png": "png", "image/jpeg": "jpeg"}
    media_type = output.text("mimeType", "image/png")
    if media_type not in kinds:
        raise _not_one_of(output.at("mimeType"), media_type, tuple(kinds))
    return kinds[media_type]


def _compression(output: Message) -> int:
    quality = output.integer("compressionQuality")
    if quality is None:
        return 75
    if not 0 <= quality <= 100:
        raise invalid(
            "compression_quality must be within [0, 100]", output.at("compressionQuality")
        )
    return quality


def _not_one_of(path: str, value: str, allowed: Sequence[str]) -> Rejected:
    words = ", ".join(f"'{word}'" for word in allowed)
    shown = f"'{value[:MAX_ECHO_CHARS]}' is not supported. It must be one of {words}.\n"
    return invalid(f"* GenerateContentRequest.{path}: {shown}", path)


def _refused_at(prompt: str) -> str | None:
    """Give the stage at which the safety system refuses; the marker in the prompt decides."""
    if "moderation_blocked" not in prompt:
        return None
    return "output" if "moderation_blocked_output" in prompt else "input"


def _fingerprint(prompt: str, images: Sequence[bytes], seed: int | None) -> bytes:
    digest = blake2b(f"{seed}\n{prompt}".encode("utf-8", "surrogatepass"), digest_size=16)
    for image in images:
        digest.update(blake2b(image, digest_size=16).digest())
    return digest.digest()
