"""Which route a path names: a dict for fixed paths, a trie of segments for the rest.

Templates are those of `google.api.http`: `/api/v1/{name=generations/*}:cancel`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Variable:
    """A piece of a path: the segments from `start` up to `end`, counted from the front.

    `end` None means up to the last one.
    """

    field: str
    start: int
    end: int | None


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed path template. Segments are literals, `*` (one) or `**` (one or more)."""

    segments: tuple[str, ...]
    variables: tuple[Variable, ...]
    verb: str


def parse_template(text: str) -> Template:
    """Read a path template; a malformed one is a programmer's error."""
    segments: list[str] = []
    variables: list[Variable] = []
    rest = text
    assert rest.startswith("/"), text
    verb = ""
    while rest.startswith("/"):
        rest = rest[1:]
        if rest.startswith("{"):
            inner, rest = rest[1:].split("}", 1)
            name, _, pattern = inner.partition("=")
            pieces = (pattern or "*").split("/")
            end = None if pieces[-1] == "**" else len(segments) + len(pieces)
            variables.append(Variable(name, len(segments), end))
            segments += pieces
        else:
            cut = min((i for i in (rest.find("/"), rest.find(":")) if i >= 0), default=len(rest))
            segments.append(rest[:cut])
            rest = rest[cut:]
    if rest:
        assert rest.startswith(":"), text
        verb = rest[1:]
    assert "**" not in segments[:-1], text
    return Template(tuple(segments), tuple(variables), verb)


@dataclass(slots=True)
class _Node(Generic[R]):
    literals: "dict[str, _Node[R]]" = field(default_factory=dict)
    one: "_Node[R] | None" = None
    many: "_Node[R] | None" = None
    leaves: dict[str, dict[str, tuple[R, tuple[Variable, ...]]]] = field(default_factory=dict)
    """verb → method → route."""


@dataclass(frozen=True, slots=True)
class Found(Generic[R]):
    """What a path names: routes by method, and the pieces of the path by field."""

    routes: Mapping[str, R]
    arguments: Mapping[str, Mapping[str, str]]
    """By method: field → value."""


class Router(Generic[R]):
    """Routes by path and method. Filled once, then only read."""

    def __init__(self) -> None:
        self._fixed: dict[str, dict[str, R]] = {}
        self._root: _Node[R] = _Node()

    def add(self, method: str, template: str, route: R) -> None:
        """Register *route*; the first of two equal registrations stays."""
        parsed = parse_template(template)
        if not parsed.variables and not parsed.verb and "*" not in parsed.segments:
            self._fixed.setdefault(template, {}).setdefault(method, route)
        node = self._root
        for segment in parsed.segments:
            node = _child(node, segment)
        node.leaves.setdefault(parsed.verb, {}).setdefault(method, (route, parsed.variables))

    def __iter__(self) -> Iterator[tuple[str, R]]:
        """Every route with its method, in no order."""
        ahead = [self._root]
        while ahead:
            node = ahead.pop()
            ahead += [each for each in (*node.literals.values(), node.one, node.many) if each]
            for by_method in node.leaves.values():
                for method, (route, _) in by_method.items():
                    yield method, route

    def fixed(self, path: str) -> Mapping[str, R] | None:
        """The routes of a path without variables, by method."""
        return self._fixed.get(path)

    def find(self, raw_path: str) -> Found[R] | None:
        """The routes of a path that is still percent-encoded.

        Encoded slashes do not separate segments. A final `:verb` is tried as a
        verb first, then as a part of the last segment.
        """
        segments = raw_path[1:].split("/")
        last, colon, verb = segments[-1].rpartition(":")
        attempts = [(segments, "")]
        if colon:
            attempts.insert(0, ([*segments[:-1], last], verb))
        for pieces, wanted in attempts:
            decoded = [unquote(piece) if "%" in piece else piece for piece in pieces]
            leaf = _walk(self._root, decoded, 0, wanted)
            if leaf is not None:
                return Found(
                    {method: route for method, (route, _) in leaf.items()},
                    {
                        method: {v.field: "/".join(decoded[v.start : v.end]) for v in variables}
                        for method, (_, variables) in leaf.items()
                    },
                )
        return None


def _child(node: _Node[R], segment: str) -> _Node[R]:
    if segment == "*":
        node.one = node.one or _Node()
        return node.one
    if segment == "**":
        node.many = node.many or _Node()
        return node.many
    return node.literals.setdefault(segment, _Node())


def _walk(
    node: _Node[R], segments: Sequence[str], index: int, verb: str
) -> dict[str, tuple[R, tuple[Variable, ...]]] | None:
    if index == len(segments):
        return node.leaves.get(verb)
    segment = segments[index]
    for child in (node.literals.get(segment), node.one if segment else None):
        if child is not None:
            found = _walk(child, segments, index + 1, verb)
            if found is not None:
                return found
    if node.many is not None and segment:
        return node.many.leaves.get(verb)
    return None
