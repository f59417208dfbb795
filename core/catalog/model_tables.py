"""Reads a `[models.…]` table."""

import re
from collections.abc import Mapping, Sequence
from itertools import product

from billing.pricing import TIME_UNITS, PriceRow
from core.catalog.entries import (
    InputRule,
    Model,
    ParameterSchema,
    ParameterType,
    Rule,
    SourceSeconds,
    Status,
)
from core.catalog.fields import Fields
from core.catalog.schema import check_value, modes_of, values_of
from core.errors import GatewayError
from core.model import Kind, Mode, Role

UNITS = ("image", *TIME_UNITS, "character")
"""What `schema.price_units` counts. A unit for another kind of model is added there first."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,95}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def read_model(id_: str, fields: Fields) -> Model:
    """Read one model; raises CatalogueError."""
    if not _ID.fullmatch(id_):
        raise fields.error("", "the id must be 1 to 96 of A-Z a-z 0-9 . _ / -")
    parameters = fields.table("parameters")
    inputs = fields.table("inputs")
    schemas = {name: _parameter(name, parameters.table(name)) for name in parameters.names()}
    roles = [_input(name, inputs) for name in inputs.names()]
    source = _source(fields.table("source_seconds")) if fields.has("source_seconds") else None
    resolutions = _resolutions(fields, schemas)
    model = Model(
        id=id_,
        display_name=fields.text("display_name"),
        owner=fields.text("owner"),
        kind=fields.word("kind", Kind),
        status=fields.word("status", Status),
        created=fields.day("created"),
        aliases=fields.texts("aliases"),
        parameters=schemas,
        rules=tuple(_rule(each, schemas, roles) for each in fields.tables("rules")),
        inputs={rule.role: rule for rule in roles},
        resolutions=resolutions,
        prices=tuple(
            _price(each, known_conditions(schemas, resolutions)) for each in fields.tables("prices")
        ),
        maximum_together=_limit(fields, "maximum_together"),
        explicit={
            name: schema.default
            for name, schema in schemas.items()
            if schema.explicit and schema.default is not None
        },
        images_as=_images_as(fields),
        source_seconds=source,
        series=fields.flag("series", default=False),
        hedge=fields.flag("hedge", default=False),
    )
    for rule in roles:
        _check_roles(rule, model, inputs)
    _check_source(model, fields)
    if model.status is not Status.COMING_SOON:
        _check_prices(model, fields)
    fields.finish()
    return model


def _parameter(name: str, fields: Fields) -> ParameterSchema:
    if not _NAME.fullmatch(name):
        raise fields.error("", "a parameter's name must be 1 to 64 of a-z 0-9 _")
    schema = ParameterSchema(
        name=name,
        type=fields.word("type", ParameterType),
        required=fields.flag("required", default=False),
        values=fields.texts("values"),
        minimum=fields.number("minimum"),
        maximum=fields.number("maximum"),
        default=fields.scalar("default"),
        explicit=fields.flag("explicit", default=False),
        description=fields.text("description", ""),
        automatic=fields.whole("automatic", -1, -1) if fields.has("automatic") else None,
        multiple_of=fields.whole("multiple_of", 1),
        maximum_ratio=fields.number("maximum_ratio"),
        maximum_side=_limit(fields, "maximum_side"),
        maximum_pixels=_limit(fields, "maximum_pixels"),
        modes=frozenset(fields.words("modes", Mode)) or frozenset(Mode),
        required_in=frozenset(fields.words("required_in", Mode)),
    )
    if schema.required_in and name != "prompt":
        raise fields.error("required_in", "is for the prompt only; remove it")
    if schema.type is ParameterType.TEXT and (schema.default is not None or schema.values):
        raise fields.error("type", "a text has neither values nor a default; use `string`")
    if schema.automatic is not None and schema.type is not ParameterType.INTEGER:
        raise fields.error("automatic", "is for an integer only; remove it")
    if schema.explicit and schema.default is None:
        raise fields.error("explicit", "needs a default: there is nothing else to tell")
    low, high = schema.minimum, schema.maximum
    if low is not None and high is not None and high < low:
        raise fields.error("maximum", "must not be below minimum")
    if schema.default is not None:
        try:
            check_value(schema, schema.default)
        except GatewayError as error:
            raise fields.error("default", error.message) from None
    fields.finish()
    return schema


def _input(name: str, inputs: Fields) -> InputRule:
    if name not in list(Role):
        raise inputs.error(name, f"must be one of: {', '.join(Role)}")
    fields = inputs.table(name)
    rule = InputRule(
        role=Role(name),
        maximum=fields.whole("maximum", None),
        media_types=fields.texts("media_types"),
        maximum_bytes=fields.whole("maximum_bytes", None),
        minimum=fields.whole("minimum", 0, least=0),
        same_size_as=fields.word("same_size_as", Role) if fields.has("same_size_as") else None,
        needs=_roles(fields, "needs"),
        excludes=fields.words("excludes", Role),
        minimum_side=_limit(fields, "minimum_side"),
        maximum_side=_limit(fields, "maximum_side"),
        maximum_ratio=fields.number("maximum_ratio"),
        minimum_seconds=fields.number("minimum_seconds"),
        maximum_seconds=fields.number("maximum_seconds"),
        maximum_total_seconds=fields.number("maximum_total_seconds"),
        maximum_with=_maximum_with(fields.table("maximum_with")),
    )
    if rule.minimum > rule.maximum:
        raise fields.error("minimum", "must not be above maximum")
    fields.finish()
    return rule


def _roles(fields: Fields, key: str) -> tuple[Role, ...]:
    """Read one role, or a list of them; absent means none."""
    if fields.has(key) and not fields.is_list(key):
        return (fields.word(key, Role),)
    return fields.words(key, Role)


def _maximum_with(table: Fields) -> dict[Role, int]:
    roles = table.names()
    if not set(roles) <= set(Role):
        raise table.error("", f"each must be one of: {', '.join(Role)}")
    return {Role(name): table.whole(name, None) for name in roles}


def _images_as(fields: Fields) -> tuple[tuple[Role, ...], ...]:
    """Read what one, two, … images are."""
    rows = fields.rows("images_as")
    if any(len(row) != number or not set(row) <= set(Role) for number, row in enumerate(rows, 1)):
        raise fields.error(
            "images_as", 'must be as [["first_frame"], ["first_frame", "last_frame"]]'
        )
    return tuple(tuple(Role(role) for role in row) for row in rows)


def _source(fields: Fields) -> SourceSeconds:
    source = SourceSeconds(
        times=fields.whole("times", 1),
        maximum=fields.number("maximum"),
        plus_duration=fields.flag("plus_duration", default=False),
    )
    fields.finish()
    return source


def _limit(fields: Fields, key: str) -> int | None:
    """Read an integer of at least 1, if there is one."""
    return fields.whole(key, 1) if fields.has(key) else None


def _check_roles(rule: InputRule, model: Model, inputs: Fields) -> None:
    """Refuse a rule that leans on a role that the model does not take."""
    same = () if rule.same_size_as is None else (rule.same_size_as,)
    for key, roles in {"same_size_as": same, "needs": rule.needs}.items():
        if not model.inputs.keys() >= set(roles):
            raise inputs.error(rule.role, f"{key} must name a role that the model takes")
    for key, others in {
        "excludes": set(rule.excludes),
        "maximum_with": {*rule.maximum_with},
    }.items():
        if not model.inputs.keys() >= others or rule.role in others:
            raise inputs.error(rule.role, f"{key} must name other roles that the model takes")
    if {*same, *rule.needs} & set(rule.excludes):
        raise inputs.error(rule.role, "excludes a role that it needs; remove one of the two")


def _check_source(model: Model, fields: Fields) -> None:
    """Refuse seconds that nothing tells beforehand."""
    if not {role for row in model.images_as for role in row} <= model.inputs.keys():
        raise fields.error("images_as", "must name roles that the model takes")
    source, video = model.source_seconds, model.inputs.get(Role.VIDEO)
    if source is not None and video is None:
        raise fields.error("source_seconds", "needs inputs of the role `video`")
    is_always = source is not None and video is not None and video.minimum > 0
    needs_duration = not is_always or (source is not None and source.plus_duration)
    if not needs_duration or _is_counted(model.parameters.get("duration")):
        return
    for row in fields.tables("prices"):
        if row.text("unit") in TIME_UNITS:
            problem = "needs a parameter `duration`: an integer, default and maximum"
            raise row.error("unit", problem)


def _rule(
    fields: Fields, schemas: Mapping[str, ParameterSchema], roles: Sequence[InputRule]
) -> Rule:
    requires = fields.table("requires")
    is_of_input = fields.has("input")
    rule = Rule(
        parameter="" if is_of_input else fields.choice("parameter", list(schemas)),
        input=Role(fields.choice("input", [rule.role for rule in roles])) if is_of_input else None,
        value="" if is_of_input else fields.text("value", ""),
        requires={name: requires.texts(name) for name in requires.names()},
        forbidden_with_inputs=fields.flag("forbidden_with_inputs", default=False),
    )
    own = {rule.parameter: (rule.value,) if rule.value else ()} if rule.parameter else {}
    for name, values in {**own, **rule.requires}.items():
        schema = schemas.get(name)
        if schema is None:
            raise requires.error(name, f"must be one of: {', '.join(schemas)}")
        if not set(values) <= {*schema.values, *(values_of(schema) or ())}:
            raise fields.error("", f"names a value that `{name}` does not have")
    fields.finish()
    return rule


def _resolutions(fields: Fields, schemas: Mapping[str, ParameterSchema]) -> dict[str, int]:
    """Read the classes of sizes, ascending; the last must hold every size."""
    table = fields.table("resolutions")
    limits = {name: table.whole(name, None) for name in table.names()}
    if limits and "resolution" in schemas:
        raise fields.error("resolutions", "there is a parameter `resolution`; remove one of them")
    size = schemas.get("size")
    largest = size.maximum_pixels if size is not None else None
    if limits and (largest is None or max(limits.values()) < largest):
        raise fields.error("resolutions", "must reach the maximum_pixels of the parameter `size`")
    return dict(sorted(limits.items(), key=lambda item: item[1]))


def _price(fields: Fields, known: Mapping[str, Sequence[str]]) -> PriceRow:
    conditions = fields.table("conditions")
    row = PriceRow(
        unit=fields.choice("unit", UNITS),
        amount_micros=fields.credits("credits"),
        conditions={name: conditions.text(name) for name in conditions.names()},
        effective_from=fields.moment("effective_from") if fields.has("effective_from") else None,
        per=fields.whole("per", 1),
    )
    for name, value in row.conditions.items():
        if value not in known.get(name, ()):
            raise conditions.error(
                name,
                "must be `mode`, `resolution` or a parameter with values, and one of its values",
            )
    fields.finish()
    return row


def _is_counted(duration: ParameterSchema | None) -> bool:
    """Whether the seconds of every request are bounded beforehand."""
    return (
        duration is not None
        and duration.type is ParameterType.INTEGER
        and duration.default is not None
        and duration.maximum is not None
    )


def known_conditions(
    schemas: Mapping[str, ParameterSchema], resolutions: Mapping[str, int]
) -> dict[str, Sequence[str]]:
    """What a price may depend on: `auto` is not known beforehand, so no price is for it."""
    known: dict[str, Sequence[str]] = {
        name: [value for value in values_of(schema) or () if value != "auto"]
        for name, schema in schemas.items()
        if schema.type is not ParameterType.INTEGER
    }
    known["mode"] = list(Mode)
    if resolutions:
        known["resolution"] = list(resolutions)
    return known


def _check_prices(model: Model, fields: Fields) -> None:
    """Every request must have a price, and no two of the same moment."""
    rows = [
        (row.unit, frozenset(row.conditions.items()), row.effective_from) for row in model.prices
    ]
    if len(set(rows)) < len(rows):
        raise fields.error("prices", "two rows hold for the same case from the same moment")
    if len({row.unit for row in model.prices}) > 1:
        raise fields.error("prices", "the rows have different units; keep one")
    names = sorted({name for row in model.prices for name in row.conditions})
    if model.kind is not Kind.AUDIO and any(row.unit == "character" for row in model.prices):
        raise fields.error("prices", "only what a model of kind audio says is sold by characters")
    known = known_conditions(model.parameters, model.resolutions) | {
        "mode": sorted(modes_of(model))
    }
    values = [known[name] for name in names]
    for case in product(*values):
        facts = dict(zip(names, case, strict=True))
        if not any(row.conditions.items() <= facts.items() for row in model.prices):
            missing = ", ".join(f"{name} {value}" for name, value in facts.items())
            raise fields.error("prices", f"there is no row for: {missing or 'any request'}")
