"""Reads how a channel says a request (`fields`, `variants`, `constants`), and what it cannot say.

A row is for a parameter of ours, or for the inputs of a role (`input:image`): the provider's
name for it, or a table with that name (`to`) and how the values are written. `core.model.FieldRule`
has the words, `core.providers.mapping` uses them.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter

from core.catalog.entries import InputRule, Model, ParameterSchema, ParameterType
from core.catalog.fields import Fields
from core.catalog.schema import OF_THEIR_OWN, modes_of, values_of
from core.model import FieldRule, Mode

INPUT = "input:"
GIVEN = ("mark", "callback_url", "seed")
"""Rows for what no caller gave: the dialect does."""

_PART = r"[A-Za-z0-9_-]{1,64}(\[\])?"
_PLACE = re.compile(rf"{_PART}(\.{_PART}){{0,4}}")


@dataclass(frozen=True, slots=True)
class Wording:
    """How a channel says requests."""

    rules: Mapping[str, FieldRule]
    ranges: Mapping[str, range]
    """Numbers of a parameter that it takes, or of the files in a role."""
    variants: Mapping[Mode, str]


def read_wording(channel: Fields, models: Sequence[Model]) -> Wording:
    """Read the rows and the variants of a channel of *models*; raises CatalogueError."""
    table = channel.table("fields")
    rules: dict[str, FieldRule] = {}
    ranges: dict[str, range] = {}
    for name in table.names():
        _check_known(name, table, models)
        row = table.table_or_text(name, "to")
        if row.has("range"):
            ranges[name] = _range(name, row, models)
        rules[name] = _rule(name, row, models)
    if rules:
        for model in models:
            for name in model.explicit:
                if name not in rules:
                    raise table.error("", f"`{name}` needs a row: {model.id} always tells it")
    return Wording(rules, ranges, _variants(channel, models))


def _range(name: str, row: Fields, models: Sequence[Model]) -> range:
    """Read `range = [1, 15]`: what is outside cannot be asked for."""
    bounds = row.wholes("range")
    schemas = [model.parameters[name] for model in models if name in model.parameters]
    is_counted = all(values_of(schema) is not None for schema in schemas)
    is_number = all(schema.type is ParameterType.INTEGER for schema in schemas)
    if not is_counted or not is_number or (not schemas and not name.startswith(INPUT)):
        raise row.error("range", "is for integers with few values, and for inputs; remove it")
    if len(bounds) != 2 or bounds[0] > bounds[1]:
        raise row.error("range", "must be [lowest, highest]")
    return range(bounds[0], bounds[1] + 1)


def _variants(channel: Fields, models: Sequence[Model]) -> dict[Mode, str]:
    """Read the upstream models by mode; raises CatalogueError."""
    table = channel.table("variants")
    possible = [mode for mode in Mode if any(mode in modes_of(model) for model in models)]
    variants: dict[Mode, str] = {}
    for name in table.names():
        if name not in possible:
            raise table.error(name, f"must be a mode of the model: {', '.join(possible)}")
        variants[Mode(name)] = table.text(name)
    return variants


def read_constants(
    channel: Fields, rules: Mapping[str, FieldRule]
) -> dict[str, str | int | float | bool]:
    """Read what is told with every request; refuses names that are in each other's way."""
    constants = channel.scalars("constants")
    table = channel.table("constants")
    places: list[tuple[str, frozenset[Mode]]] = []
    for name in constants:
        if not _PLACE.fullmatch(name):
            raise table.error(name, "must be a name as in `fields`, such as a, a.b, a[] or a[].b")
        places.append((name, frozenset(Mode)))
    for ours, rule in rules.items():
        if not rule.to:
            continue
        if any(modes & rule.modes and _are_in_the_way(rule.to, to) for to, modes in places):
            raise channel.table("fields").error(
                ours, "its name is a list, an object or a value elsewhere; choose one of them"
            )
        places.append((rule.to, rule.modes))
    return constants


def unsaid(model: Model, wording: Wording) -> Iterator[str]:
    """What such a channel cannot honour of *model*, in the words of `Channel.unsupported`."""
    if wording.rules:
        for name, schema in model.parameters.items():
            if name == "partial_count":
                yield "partials"
            elif name not in OF_THEIR_OWN:
                yield from _unsaid(schema, wording)
        for taken in model.inputs.values():
            yield from _unsaid_files(taken, wording)
    if wording.variants:
        for mode in modes_of(model):
            if mode not in wording.variants:
                yield f"mode:{mode}"


def _unsaid(schema: ParameterSchema, wording: Wording) -> Iterator[str]:
    rule, numbers = wording.rules.get(schema.name), wording.ranges.get(schema.name)
    if rule is None:
        yield schema.name
        return
    said = rule.values.keys() | rule.omit
    is_total = bool(rule.values) or not rule.to
    for value in values_of(schema) or ():
        if value in said:
            continue
        # Written out, as `-1s`, `automatic` would be no choice left to the model.
        is_choice = schema.automatic is not None and value == str(schema.automatic)
        is_outside = numbers is not None and not is_choice and int(value) not in numbers
        if is_total or is_outside or (is_choice and rule.form):
            yield f"{schema.name}={value}"


def _unsaid_files(taken: InputRule, wording: Wording) -> Iterator[str]:
    name = f"{INPUT}{taken.role}"
    rule = wording.rules.get(name)
    if rule is None:
        yield name
        return
    most = 1 if "[]" not in rule.to else taken.maximum
    if (numbers := wording.ranges.get(name)) is not None:
        most = min(most, numbers[-1])
    if most < taken.maximum:
        yield f"{name}={most + 1}"
    for mode in Mode:
        if mode not in rule.modes:
            yield f"{name}@{mode}"


def _check_known(name: str, table: Fields, models: Sequence[Model]) -> None:
    if name.startswith(INPUT):
        roles = sorted({role for model in models for role in model.inputs})
        if name.removeprefix(INPUT) not in roles:
            taken = ", ".join(f"{INPUT}{role}" for role in roles)
            raise table.error(name, f"the model takes no such input; it takes: {taken or 'none'}")
        return
    known = {name for model in models for name in model.parameters} | {*GIVEN}
    if name not in known:
        raise table.error(name, f"must be a parameter of the model: {', '.join(sorted(known))}")


def _rule(name: str, fields: Fields, models: Sequence[Model]) -> FieldRule:
    values = fields.scalars("values")
    rule = FieldRule(
        to=fields.text("to", ""),
        values=values,
        form=fields.text("form", ""),
        modes=frozenset(fields.words("modes", Mode)) or frozenset(Mode),
        omit=frozenset(fields.texts("omit")),
        also=_also(fields),
    )
    schemas = [model.parameters[name] for model in models if name in model.parameters]
    if not rule.to and (not rule.omit or values or rule.form):
        raise fields.error("to", "is missing; add the provider's name (or `omit` alone)")
    _check_values(schemas, rule, fields)
    if rule.to and not _PLACE.fullmatch(rule.to):
        raise fields.error("to", "must be a name such as a, a.b, a[] or a[].b")
    if rule.also and "[]." not in rule.to:
        raise fields.error("also", "needs an object in a list, such as a[].b; remove it")
    if rule.form:
        if values:
            raise fields.error("form", "cannot be used together with `values`; remove one of them")
        _check_form(schemas, rule.form, fields)
    fields.finish()
    return rule


def _also(fields: Fields) -> dict[str, str]:
    """Read what stands beside the value."""
    table = fields.table("also")
    return {name: table.text(name) for name in table.names()}


def _check_values(schemas: Sequence[ParameterSchema], rule: FieldRule, fields: Fields) -> None:
    """Refuse values that no request has: what is misspelt would not be told."""
    known = [values_of(schema) for schema in schemas]
    listed = {value for values in known for value in values or ()}
    if rule.values or not rule.to:
        if not known or None in known:
            raise fields.error("values", "is for a parameter whose values can be listed; remove it")
        if not listed >= rule.values.keys():
            raise fields.error("values", f"must be values of ours: {_listing(listed)}")
    free = any(values is None for values in known)
    if not listed >= rule.omit and not (free and schemas):
        raise fields.error("omit", f"must be values of ours: {_listing(listed)}")


def _listing(values: Collection[str]) -> str:
    return ", ".join(sorted(values)) or "there are none"


def _check_form(schemas: Sequence[ParameterSchema], form: str, fields: Fields) -> None:
    is_size = any(schema.type is ParameterType.SIZE for schema in schemas)
    known = {"", "width", "height"} if is_size else {""}
    try:
        named = [part for _, part, spec, how in Formatter().parse(form) if part is not None]
        plain = not any(spec or how for _, _, spec, how in Formatter().parse(form))
    except ValueError:
        named, plain = [], False
    if not named or not plain or not known.issuperset(named):
        places = "{} or {width} and {height}" if is_size else "{}"
        raise fields.error("form", f"must have {places} where the value stands")


def _are_in_the_way(one: str, other: str) -> bool:
    """Whether two names cannot be told together: one is a list, an object or a value twice."""
    if one == other:
        return False
    for mine, yours in zip(one.split("."), other.split("."), strict=False):
        if mine != yours:
            return mine.removesuffix("[]") == yours.removesuffix("[]")
    return True
