"""Reads Stripe's request parameters: forms whose names nest, `a[b][0]=1`."""

import re
from collections.abc import Collection, Mapping
from typing import Final, TypeAlias
from urllib.parse import parse_qsl

from simulator.stripe_errors import invalid

Form: TypeAlias = "dict[str, str | Form]"
"""Decoded parameters; a list is a form whose names are `0`, `1`, …"""

MAX_PARAMETERS: Final = 1_000
MAX_METADATA: Final = 50
MAX_METADATA_KEY: Final = 40
MAX_METADATA_VALUE: Final = 500
# What every endpoint takes.
EVERYWHERE: Final = frozenset({"expand"})
LISTED: Final = frozenset({"limit", "starting_after", "ending_before"})
_NAME: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_PART: Final = re.compile(r"\[([^\[\]]*)\]")
_COMPARISONS: Final = ("gt", "gte", "lt", "lte")


def decode(text: str) -> Form:
    """Decode a query or a body."""
    form: Form = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise invalid("Invalid request: too many parameters.") from None
    for name, value in pairs:
        match = _NAME.fullmatch(name)
        if match is None:
            raise invalid(f"Invalid parameter name: {name[:64]}", name[:64])
        _put(form, [match[1], *_PART.findall(match[2])], value)
    return form


def _put(form: Form, names: list[str], value: str) -> None:
    *above, last = names
    for name in above:
        inner = form.setdefault(name or str(len(form)), {})
        if isinstance(inner, str):
            raise invalid(f"Invalid hash: {names[0]}", names[0])
        form = inner
    form[last or str(len(form))] = value


class Params:
    """The parameters of one object, asked for by name and type; unknown ones are refused."""

    def __init__(self, form: Form, known: Collection[str], path: str = "") -> None:
        self._form = form
        self._path = path
        for name in form:
            if name not in known and not (name in EVERYWHERE and not path):
                raise invalid(
                    f"Received unknown parameter: {self.named(name)}",
                    self.named(name),
                    "parameter_unknown",
                )

    def named(self, name: str) -> str:
        """Give the whole name of a parameter, as errors say it."""
        return f"{self._path}[{name}]" if self._path else name

    def has(self, name: str) -> bool:
        """Say whether a parameter was given."""
        return name in self._form

    def text(self, name: str) -> str | None:
        """Give a string; None where absent or emptied."""
        value = self._form.get(name)
        if isinstance(value, dict):
            raise invalid(f"Invalid string: {self.named(name)}", self.named(name))
        return value or None

    def needed(self, name: str) -> str:
        """Give a string that must be there."""
        value = self.text(name)
        if value is None:
            raise self._missing(name)
        return value

    def choice(self, name: str, allowed: Collection[str], default: str) -> str:
        """Give one of a few words."""
        value = self.text(name) or default
        if value not in allowed:
            raise invalid(
                f"Invalid {self.named(name)}: must be one of {', '.join(allowed)}", self.named(name)
            )
        return value

    def integer(self, name: str) -> int | None:
        """Give a whole number."""
        value = self.text(name)
        if value is None:
            return None
        if not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise invalid(
                f"Invalid integer: {value[:64]}", self.named(name), "parameter_invalid_integer"
            )
        return int(value)

    def needed_integer(self, name: str) -> int:
        """Give a whole number that must be there."""
        value = self.integer(name)
        if value is None:
            raise self._missing(name)
        return value

    def flag(self, name: str) -> bool:
        """Give a truth value; absent is false."""
        value = self.text(name)
        if value not in {None, "true", "false"}:
            raise invalid(f"Invalid boolean: {value}", self.named(name))
        return value == "true"

    def currency(self) -> str:
        """Give the currency, in small letters."""
        value = self.needed("currency").lower()
        if not re.fullmatch(r"[a-z]{3}", value):
            raise invalid(f"Invalid currency: {value[:16]}.", self.named("currency"))
        return value

    def child(self, name: str, known: Collection[str]) -> "Params | None":
        """Give the parameters of an object within."""
        value = self._form.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, str):
            raise invalid(f"Invalid object: {self.named(name)}", self.named(name))
        return Params(value, known, self.named(name))

    def children(self, name: str, known: Collection[str]) -> "list[Params]":
        """Give the parameters of each object of a list within."""
        value = self._form.get(name)
        if value is None or value == "":
            return []
        if isinstance(value, str):
            raise invalid("Invalid array", self.named(name))
        listed = Params(value, value, self.named(name))
        found = (listed.child(index, known) for index in value)
        return [each for each in found if each is not None]

    def texts(self, name: str) -> list[str]:
        """Give a list of strings."""
        value = self._form.get(name)
        if value is None or value == "":
            return []
        if isinstance(value, str):
            raise invalid("Invalid array", self.named(name))
        return [each for each in value.values() if isinstance(each, str)]

    def mapping(self, name: str) -> Form:
        """Give what stands below a name as it came."""
        value = self._form.get(name)
        return value if isinstance(value, dict) else {}

    def metadata(self, now: Mapping[str, str] | None = None) -> dict[str, str]:
        """Give *now* with the metadata that was given laid over it; an empty value deletes."""
        result = dict(now or {})
        value = self._form.get("metadata")
        if value == "":
            return {}
        if isinstance(value, str):
            raise invalid("Invalid hash", self.named("metadata"))
        for key, text in (value or {}).items():
            if not isinstance(text, str) or len(text) > MAX_METADATA_VALUE:
                raise invalid(
                    f"Metadata values can have up to {MAX_METADATA_VALUE} characters.",
                    f"{self.named('metadata')}[{key[:40]}]",
                )
            if len(key) > MAX_METADATA_KEY:
                raise invalid(
                    f"Metadata keys can have up to {MAX_METADATA_KEY} characters.",
                    self.named("metadata"),
                )
            result[key] = text
        result = {key: text for key, text in result.items() if text}
        if len(result) > MAX_METADATA:
            raise invalid(f"Metadata can have up to {MAX_METADATA} keys.", self.named("metadata"))
        return result

    def within(self, name: str, moment: int) -> bool:
        """Say whether *moment* (Unix seconds) is one that a time filter lets through."""
        value = self._form.get(name)
        if isinstance(value, dict):
            bounds = Params(value, _COMPARISONS, self.named(name))
            low, least = bounds.integer("gt"), bounds.integer("gte")
            high, most = bounds.integer("lt"), bounds.integer("lte")
            return (
                (low is None or moment > low)
                and (least is None or moment >= least)
                and (high is None or moment < high)
                and (most is None or moment <= most)
            )
        exact = self.integer(name)
        return exact is None or exact == moment

    def _missing(self, name: str) -> Exception:
        if self._form.get(name) == "":
            return invalid(
                f"You passed an empty string for '{self.named(name)}'. We assume empty values are "
                f"an attempt to unset a parameter; however '{self.named(name)}' cannot be unset.",
                self.named(name),
                "parameter_invalid_empty",
            )
        return invalid(
            f"Missing required param: {self.named(name)}.", self.named(name), "parameter_missing"
        )
