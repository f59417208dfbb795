"""One recorded answer of a provider, and what it means."""

from dataclasses import dataclass

from core.model import Ask, Piece


@dataclass(frozen=True)
class Tape:
    """The body of a 200, either whole or a stream of events, and the pieces it stands for."""

    name: str
    dialect: str
    ask: Ask
    body: bytes
    pieces: tuple[Piece, ...]
    events: bool = False

    @property
    def media_type(self) -> str:
        return "text/event-stream" if self.events else "application/json"
