"""The images of one answer of Ark, whole or as events. Pure.

Source: ModelArk's API reference, image generation and its streaming response (providers.md
3.2). Each image is made, or refused, for itself; the answer fails only if none was made.
"""

from collections.abc import Mapping, Sequence

from core.model import Ask, Final, Hosted, Piece, Report, Usage
from core.providers.ark_errors import refusal
from core.providers.files import link
from core.providers.reading import base64, count, section, word
from core.providers.wire import Event, invalid


class Group:
    """The images of one answer. One that is refused takes no number, and the others stay."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._made = 0
        self._last: Mapping[str, object] = {}
        self._errors: list[Mapping[str, object]] = []

    def add(self, item: dict[str, object]) -> Sequence[Piece]:
        """The image in an item, if there is one and it was asked for."""
        if item.get("error"):
            self._errors.append(section(item, "error"))
            return ()
        output = _output(item, self._made)
        if output is None or self._made == self._ask.count:
            return ()
        self._made, self._last = self._made + 1, item
        return (output,)

    def report(self, document: Mapping[str, object]) -> Report:
        """What the answer says of them all; raises UpstreamError if none was made."""
        if not self._made:
            raise refusal(self._errors[0], self._ask) if self._errors else invalid()
        tokens = count(section(document, "usage"), "output_tokens")
        return Report(
            Usage(output_tokens=tokens, output_image_tokens=tokens) if tokens else None,
            size=word(self._last, "size"),
            output_format=word(self._last, "output_format"),
        )


class GroupReader:
    """`image_generation.partial_succeeded` and `.partial_failed`, `.completed`, then `[DONE]`."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._group = Group(ask)
        self._end: Mapping[str, object] = {}
        self.complete = False

    def feed(self, event: Event) -> Sequence[Piece]:
        document = event.document()
        if self.complete or document is None:
            self.complete = self.complete or event.data.reveal().strip() == b"[DONE]"
            return ()
        error = section(document, "error")
        match word(document, "type") or event.name:
            case "image_generation.partial_succeeded" | "image_generation.partial_failed":
                # After a failure of its own, Ark does not go on to the next image.
                self.complete = word(error, "code") == "InternalServiceError"
                return self._group.add(document)
            case "image_generation.completed" if not document.get("error"):
                self._end, self.complete = document, True
            case _ if document.get("error"):
                raise refusal(error, self._ask)
        return ()

    def finish(self) -> Sequence[Piece]:
        if not self.complete:
            raise invalid()
        return [self._group.report(self._end)]


def _output(item: dict[str, object], index: int) -> Hosted | Final | None:
    if (url := link(item, "url")) is not None:
        return Hosted(index, url)
    image = base64(item, "b64_json")
    return None if image is None else Final(index, image)
