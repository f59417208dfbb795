"""OpenAI's Images API: `/images/generations`, `/images/edits` and their streams.

Source: OpenAI's API reference, Images (providers.md 1.1 to 1.5). There is no idempotency
key, and a call that is abandoned is still made and billed.
"""

from collections.abc import Callable, Mapping, Sequence

import orjson

from core.body import Body
from core.errors import UpstreamError
from core.model import Ask, Channel, Final, Piece, Preview, Report, Role, Usage
from core.providers import multipart
from core.providers.openai_errors import refusal
from core.providers.reading import base64, count, section, total, word
from core.providers.wire import Call, Event, EventReader, Reply, bearer, invalid

# fmt: off
MEDIA_TYPES: Mapping[str, str] = {
    "png":  "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif":  "image/gif",
}
# fmt: on


class OpenAIImages:
    """The dialect. Outputs are numbered by the order in which they are finished.

    Those who nearly speak it (Azure) say otherwise how they are addressed, and how they refuse.
    """

    def encode(self, ask: Ask, channel: Channel) -> Call:
        fields: dict[str, str | int | float | bool] = {
            **self.naming(channel),
            "prompt": ask.prompt.reveal(),
            "n": ask.count,
            **ask.parameters,
        }
        if ask.end_user:
            fields["safety_identifier"] = ask.end_user.reveal()
        streams = ask.partials > 0
        if streams:
            fields |= {"stream": True, "partial_images": ask.partials}
        headers = self.authorization(channel)
        images = [item for item in ask.inputs if item.role is Role.IMAGE]
        if not images:
            body = Body(orjson.dumps(fields))
            return Call("POST", self.path("generations", channel), headers, body, streams)
        # Edits know no `moderation`, and are moderated anyhow.
        fields.pop("moderation", None)
        name = "image" if len(images) == 1 else "image[]"
        form = (
            *(multipart.field(name, value) for name, value in fields.items()),
            *(multipart.file(name, item) for item in images),
            *(multipart.file("mask", item) for item in ask.inputs if item.role is Role.MASK),
        )
        return Call("POST", self.path("edits", channel), headers, form, streams)

    def authorization(self, channel: Channel) -> dict[str, str]:
        """The header with the credential."""
        return bearer(channel)

    def path(self, action: str, channel: Channel) -> str:
        """Where to ask for `generations` or `edits`."""
        del channel
        return f"/images/{action}"

    def naming(self, channel: Channel) -> dict[str, str]:
        """The field that names the model."""
        return {"model": channel.upstream_model}

    def refused(
        self, document: Mapping[str, object], ask: Ask, reply: Reply | None = None
    ) -> UpstreamError:
        """The failure that a body, or an event where there is no reply, tells of."""
        return refusal(section(document, "error"), ask, reply)

    def read(self, reply: Reply, ask: Ask) -> Sequence[Piece]:
        document = reply.document() or {}
        if document.get("error") or not 200 <= reply.status < 300:
            raise self.refused(document, ask, reply)
        data = document.get("data")
        pieces: list[Piece] = []
        for item in data if isinstance(data, list) else ():
            if len(pieces) == ask.count:
                break
            image = base64(item, "b64_json") if isinstance(item, dict) else None
            if image is not None:
                pieces.append(Final(len(pieces), image))
        if not pieces:
            raise invalid()
        pieces.append(_report(document, _usage(document)))
        return pieces

    def reader(self, ask: Ask) -> EventReader:
        return _Reader(ask, self.refused)


class _Reader:
    """`image_generation.*` and `image_edit.*`: for each output previews, then `completed`."""

    def __init__(
        self, ask: Ask, refused: Callable[[Mapping[str, object], Ask], UpstreamError]
    ) -> None:
        self._ask = ask
        self._refused = refused
        self._last: Mapping[str, object] = {}
        self._usages: list[Usage | None] = []
        """Of each `completed`, which counts its own output."""
        self._previews = 0

    @property
    def complete(self) -> bool:
        return len(self._usages) >= self._ask.count

    def feed(self, event: Event) -> Sequence[Piece]:
        document = event.document()
        # `[DONE]`, or a word that some relay puts in; the end of the stream tells what is missing.
        if document is None or self.complete:
            return ()
        if document.get("error"):
            raise self._refused(document, self._ask)
        match (word(document, "type") or event.name).partition("."):
            case "image_generation" | "image_edit", _, "partial_image":
                return self._preview(document)
            case "image_generation" | "image_edit", _, "completed":
                return [self._final(document)]
        return ()

    def finish(self) -> Sequence[Piece]:
        if not self.complete:
            raise invalid()
        return [_report(self._last, total(self._usages))]

    def _preview(self, document: dict[str, object]) -> Sequence[Piece]:
        index = count(document, "partial_image_index")
        # Previews count from 0 for each output: this one belongs to an output that is finished.
        late = bool(index and self._usages and not self._previews)
        image = base64(document, "b64_json")
        if image is None or late:
            return ()
        self._previews += 1
        media_type = MEDIA_TYPES.get(word(document, "output_format"), "image/png")
        return [Preview(len(self._usages), index, media_type, image)]

    def _final(self, document: dict[str, object]) -> Piece:
        image = base64(document, "b64_json")
        if image is None:
            raise invalid()
        self._last, self._previews = document, 0
        self._usages.append(_usage(document))
        return Final(len(self._usages) - 1, image)


def _report(document: Mapping[str, object], usage: Usage | None) -> Report:
    return Report(
        usage,
        size=word(document, "size"),
        quality=word(document, "quality"),
        background=word(document, "background"),
        output_format=word(document, "output_format"),
    )


def _usage(document: Mapping[str, object]) -> Usage | None:
    usage = section(document, "usage")
    if not usage:
        return None
    given, made = section(usage, "input_tokens_details"), section(usage, "output_tokens_details")
    return Usage(
        input_text_tokens=count(given, "text_tokens") if given else count(usage, "input_tokens"),
        input_image_tokens=count(given, "image_tokens"),
        output_tokens=count(usage, "output_tokens"),
        output_image_tokens=count(made, "image_tokens") if made else None,
    )
