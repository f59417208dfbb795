"""Reads a `[models.…]` table."""

import re
from collections.abc import Mapping
from itertools import product

from billing.pricing import PriceRow
from core.catalog.entries import (
    InputRule,
    Model,
    ParameterSchema,
    ParameterType,
    Rule,
    Status,
)
from core.catalog.fields import Fields
from core.catalog.schema import check_value
from core.errors import GatewayError
from core.model import Kind, Role

UNITS = ("image",)
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
        rules=tuple(_rule(each, schemas) for each in fields.tables("rules")),
        inputs={rule.role: rule for rule in roles},
        resolutions=resolutions,
        prices=tuple(_price(each, schemas, resolutions) for each in fields.tables("prices")),
    )
    for rule in roles:
        if rule.same_size_as is not None and rule.same_size_as not in model.inputs:
            raise inputs.error(rule.role, "same_size_as must name a role that the model takes")
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
        description=fields.text("description", ""),
        multiple_of=fields.whole("multiple_of", 1),
        maximum_ratio=fields.number("maximum_ratio"),
        maximum_side=fields.whole("maximum_side", 1) if fields.has("maximum_side") else None,
        maximum_pixels=fields.whole("maximum_pixels", 1) if fields.has("maximum_pixels") else None,
    )
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
        same_size_as=fields.word("same_size_as", Role) if fields.has("same_size_as") else None,
    )
    fields.finish()
    return rule


def _rule(fields: Fields, schemas: Mapping[str, ParameterSchema]) -> Rule:
    requires = fields.table("requires")
    rule = Rule(
        parameter=fields.choice("parameter", list(schemas)),
        value=fields.text("value", ""),
        requires={name: requires.texts(name) for name in requires.names()},
        forbidden_with_inputs=fields.flag("forbidden_with_inputs", default=False),
    )
    for name, values in {
        rule.parameter: (rule.value,) if rule.value else (),
        **rule.requires,
    }.items():
        schema = schemas.get(name)
        if schema is None:
            raise requires.error(name, f"must be one of: {', '.join(schemas)}")
        if not set(values) <= set(schema.values):
            raise fields.error("", f"names a value that `{name}` does not have")
    fields.finish()
    return rule


def _resolutions(fields: Fields, schemas: Mapping[str, ParameterSchema]) -> dict[str, int]:
    """Read the classes of sizes, ascending; the last must hold every size."""
    table = fields.table("resolutions")
    limits = {name: table.whole(name, None) for name in table.names()}
    size = schemas.get("size")
    largest = size.maximum_pixels if size is not None else None
    if limits and (largest is None or max(limits.values()) < largest):
        raise fields.error("resolutions", "must reach the maximum_pixels of the parameter `size`")
    return dict(sorted(limits.items(), key=lambda item: item[1]))


def _price(
    fields: Fields, schemas: Mapping[str, ParameterSchema], resolutions: Mapping[str, int]
) -> PriceRow:
    conditions = fields.table("conditions")
    row = PriceRow(
        unit=fields.choice("unit", UNITS),
        amount_micros=fields.credits("credits"),
        conditions={name: conditions.text(name) for name in conditions.names()},
        effective_from=fields.moment("effective_from") if fields.has("effective_from") else None,
        per=fields.whole("per", 1),
    )
    for name, value in row.conditions.items():
        if value not in _known_values(name, schemas, resolutions):
            raise conditions.error(
                name, "must be `resolution` or a parameter with values, and one of its values"
            )
    fields.finish()
    return row


def _known_values(
    name: str, schemas: Mapping[str, ParameterSchema], resolutions: Mapping[str, int]
) -> tuple[str, ...]:
    """What a price may depend on: `auto` is not known beforehand, so no price is for it."""
    if name == "resolution":
        return tuple(resolutions)
    schema = schemas.get(name)
    return tuple(value for value in schema.values if value != "auto") if schema is not None else ()


def _check_prices(model: Model, fields: Fields) -> None:
    """Every request must have a price, and no two of the same moment."""
    rows = [
        (row.unit, frozenset(row.conditions.items()), row.effective_from) for row in model.prices
    ]
    if len(set(rows)) < len(rows):
        raise fields.error("prices", "two rows hold for the same case from the same moment")
    names = sorted({name for row in model.prices for name in row.conditions})
    values = [_known_values(name, model.parameters, model.resolutions) for name in names]
    for case in product(*values):
        facts = dict(zip(names, case, strict=True))
        if not any(row.conditions.items() <= facts.items() for row in model.prices):
            missing = ", ".join(f"{name} {value}" for name, value in facts.items())
            raise fields.error("prices", f"there is no row for: {missing or 'any request'}")
