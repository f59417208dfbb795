"""Content and secrets as types that refuse to be shown."""

from typing import Generic, NoReturn, TypeVar

T = TypeVar("T", str, bytes)


class Sealed(Generic[T]):
    """A text or some bytes that no log, trace or error message can show by accident.

    `repr`, `str` and `format` give the length only; pickling is refused. Call
    `reveal()` where the content goes over the wire, and nowhere else.
    """

    __slots__ = ("_content",)

    def __init__(self, content: T) -> None:
        self._content: T = content

    def reveal(self) -> T:
        """The content itself."""
        return self._content

    def __len__(self) -> int:
        return len(self._content)

    def __bool__(self) -> bool:
        return bool(self._content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self._content)}>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is never pickled")


class Body(Sealed[T]):
    """Content of a request or an output: lives in memory until the generation ends."""

    __slots__ = ()


class Secret(Sealed[T]):
    """A credential."""

    __slots__ = ()
