"""Says a request in a provider's words, by the `fields` of its channel. Pure.

What differs from one model to the next of the same provider is data: the catalogue has a row
for each parameter, and this is all that reads them.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from core.model import Ask, Channel, FieldRule
from core.providers.files import address

INPUT = "input:"
"""Rows of this prefix are for the files of a role."""

_SIZE = re.compile(r"([0-9]{1,6})x([0-9]{1,6})")

NOTHING: Mapping[str, str] = MappingProxyType({})

Told = dict[str, object]


def told(ask: Ask, channel: Channel, given: Mapping[str, str | int] | None = None) -> Told:
    """The fields that ask for *ask*, nested as their names say.

    *given* has what is not the caller's, by the name of a row: `mark`, `callback_url`, and a
    `seed` for callers who chose none. Empty texts are left out.
    """
    fields: Told = {}
    for name, value in channel.constants.items():
        _put(fields, name, value)
    for ours, rule in channel.fields.items():
        if ask.mode not in rule.modes:
            continue
        if ours.startswith(INPUT):
            role = ours.removeprefix(INPUT)
            for item in ask.inputs:
                if item.role == role:
                    _put(fields, rule.to, address(item, channel), rule.also)
            continue
        wanted = _value(ours, ask, given or {})
        if wanted is not None and wanted != "" and as_text(wanted) not in rule.omit:
            _put(fields, rule.to, said(rule, wanted), rule.also)
    return fields


def takes_seed(ask: Ask, channel: Channel) -> bool:
    """Whether `given["seed"]` is told: there is a row for it, and the caller chose none."""
    rule = channel.fields.get("seed")
    return rule is not None and ask.mode in rule.modes and ask.parameters.get("seed", -1) == -1


def as_text(value: object) -> str:
    """A value as the catalogue writes it: `true`, `5`, `16:9`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def said(rule: FieldRule, value: str | float) -> object:
    """Their word for a value of ours, which the row has one for: routing saw to that."""
    if rule.values:
        return rule.values[as_text(value)]
    if not rule.form:
        return value
    size = _SIZE.fullmatch(as_text(value))
    width, height = size.groups() if size is not None else ("", "")
    return rule.form.format(as_text(value), width=width, height=height)


def _value(name: str, ask: Ask, given: Mapping[str, str | int]) -> str | float | None:
    match name:
        case "prompt":
            return ask.prompt.reveal()
        case "output_count":
            return ask.count
        case "end_user_id":
            return None if ask.end_user is None else ask.end_user.reveal()
    if name in ask.texts:
        return ask.texts[name].reveal()
    value = ask.parameters.get(name)
    if name == "seed" and value == -1:  # everywhere: a random one
        value = None
    return given.get(name) if value is None else value


def _put(fields: Told, name: str, value: object, also: Mapping[str, str] = NOTHING) -> None:
    """Set `a.b` inside of `a`; `a[]` adds to a list, of which `a[].b` makes objects.

    Such an object has *also* beside it.
    """
    head, _, rest = name.partition(".")
    if head.endswith("[]"):
        items = fields.setdefault(head.removesuffix("[]"), [])
        assert isinstance(items, list), "the loader refuses a name that is a list and is not"
        inside: Told = dict(also)
        if rest:
            _put(inside, rest, value)
        items.append(inside if rest else value)
    elif rest:
        inner = fields.setdefault(head, {})
        assert isinstance(inner, dict), "the loader refuses a name that is an object and is not"
        _put(inner, rest, value, also)
    else:
        fields[head] = value
