"""The one place where parameters are checked and made canonical. Pure.

Errors name the parameter, in backticks and by its name in `reapi.v1`, and what is accepted;
they never repeat what was given.
"""

import re
from collections.abc import Mapping, Sequence
from math import ceil, isfinite

from core.body import Body
from core.catalog.entries import InputRule, Model, ParameterSchema, ParameterType, Rule, Value
from core.catalog.vocabulary import canonical
from core.errors import GatewayError, Reason
from core.model import Ask, Input

OF_THEIR_OWN = frozenset({"prompt", "output_count", "partial_count", "end_user_id"})
"""Parameters that have fields of their own in `Ask`."""

_SIZE = re.compile(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})")
_NAME = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}")


def validate(
    model: Model,
    prompt: Body[str],
    given: Mapping[str, object],
    inputs: Sequence[Input] = (),
    *,
    count: int | None = None,
    partials: int = 0,
    end_user: Body[str] | None = None,
) -> Ask:
    """Check a request against the model's schema; raises GatewayError.

    *given* has what the caller gave, by canonical name or another one that `vocabulary`
    knows; whether null means absent is decided before. Values equal to the default are left
    out of the result, but for those that are always explicit.
    """
    given, count = canonical(model, given, count)
    for name in given:
        if name not in model.parameters or name in OF_THEIR_OWN:
            raise _unknown(name)
    _check_prompt(model, prompt, inputs)
    outputs = _whole(model, "output_count", 1 if count is None else count)
    if inputs:
        _check_inputs(model, inputs, outputs)
    previews = _whole(model, "partial_count", partials) if partials else 0
    if end_user is not None:
        _check_length(_schema(model, "end_user_id"), end_user)
    parameters: dict[str, Value] = {}
    for name, value in given.items():
        schema = model.parameters[name]
        checked = check_value(schema, value)
        if checked != schema.default:
            parameters[name] = checked
    for rule in model.rules:
        _check_rule(rule, model, given, parameters, has_inputs=bool(inputs))
    return Ask(
        model=model.id,
        kind=model.kind,
        prompt=prompt,
        inputs=tuple(inputs),
        count=outputs,
        partials=previews,
        parameters={**model.explicit, **parameters} if model.explicit else parameters,
        end_user=end_user,
    )


def price_facts(model: Model, ask: Ask) -> dict[str, str]:
    """What is known of *ask* that a price may depend on.

    `auto` is not known; only an `auto` size is of the smallest class, because no provider
    chooses a larger one by itself.
    """
    facts = {
        name: str(value)
        for name, value in {**model.defaults, **ask.parameters}.items()
        if value != "auto" and name not in OF_THEIR_OWN
    }
    if model.resolutions:
        facts["resolution"] = resolution_of(model, str(facts.get("size", "auto")))
    return facts


def seconds_of(model: Model, ask: Ask) -> int:
    """For how many seconds at most each output is billed; 0 if it is not sold by the second.

    Where the model chooses, it may choose its maximum (semantics.md 21).
    """
    schema = model.parameters.get("duration")
    if schema is None or not any(row.unit == "second" for row in model.prices):
        return 0
    value = ask.parameters.get("duration", schema.default)
    most = schema.maximum if value is None or value == schema.automatic else value
    assert isinstance(most, int | float), "the loader demands a default and a maximum"
    return ceil(most)


def price_units(ask: Ask, seconds: int = 0, delivered: int | None = None) -> dict[str, int]:
    """How many units of each kind *ask* costs, at most or for what was *delivered*.

    *seconds* is how long each output lasts, where it is sold by the second: `seconds_of`
    beforehand.
    """
    count = ask.count if delivered is None else delivered
    return {"second": seconds * count} if seconds else {"image": count}


def resolution_of(model: Model, size: str) -> str:
    """The class of a valid size: `1k`, `2k` or `4k`."""
    match = _SIZE.fullmatch(size)
    pixels = int(match[1]) * int(match[2]) if match else 0
    for name, limit in model.resolutions.items():
        if pixels <= limit:
            return name
    raise AssertionError("the catalogue's classes hold every size that its schema accepts")


def _unknown(name: str) -> GatewayError:
    if not _NAME.fullmatch(name):
        return GatewayError(
            Reason.UNKNOWN_PARAMETER, "There is a parameter that the model does not know."
        )
    return GatewayError(
        Reason.UNKNOWN_PARAMETER, f"The model has no parameter `{name}`.", parameter=name
    )


def _schema(model: Model, name: str) -> ParameterSchema:
    schema = model.parameters.get(name)
    if schema is None:
        raise _unknown(name)
    return schema


def _invalid(name: str, message: str, reason: Reason = Reason.INVALID_PARAMETER) -> GatewayError:
    return GatewayError(reason, message, parameter=name)


def _whole(model: Model, name: str, value: int) -> int:
    """Check a count; one that the model has no parameter for must be its plain default."""
    if name not in model.parameters and value == (1 if name == "output_count" else 0):
        return value
    schema = _schema(model, name)
    _check_range(schema, value)
    return value


def _check_prompt(model: Model, prompt: Body[str], inputs: Sequence[Input]) -> None:
    schema = model.parameters.get("prompt")
    if schema is None:
        if prompt:
            raise _unknown("prompt")
    elif prompt:
        _check_length(schema, prompt)
    elif schema.required or not inputs:
        raise _invalid("prompt", "`prompt` is required.", Reason.MISSING_PARAMETER)


def _check_length(schema: ParameterSchema, text: Body[str] | str) -> None:
    low, high = schema.minimum or 0, schema.maximum
    if len(text) < low or (high is not None and len(text) > high):
        limit = f"{_plain(low)} or more" if high is None else f"{_plain(low)} to {_plain(high)}"
        raise _invalid(schema.name, f"`{schema.name}` must have {limit} characters.")


def check_value(schema: ParameterSchema, value: object) -> Value:
    """Give *value* if the parameter accepts it; raises GatewayError."""
    match schema.type:
        case ParameterType.STRING if isinstance(value, str):
            if schema.values and value not in schema.values:
                raise _invalid(
                    schema.name, f"`{schema.name}` must be one of: {', '.join(schema.values)}."
                )
            _check_length(schema, value)
            return value
        case ParameterType.SIZE if isinstance(value, str):
            if value not in schema.values:
                _check_size(schema, value)
            return value
        case ParameterType.INTEGER if isinstance(value, int) and not isinstance(value, bool):
            if value != schema.automatic:
                _check_range(schema, value)
            return value
        case ParameterType.NUMBER if isinstance(value, int | float) and not isinstance(value, bool):
            _check_range(schema, value)
            return value
        case ParameterType.BOOLEAN if isinstance(value, bool):
            return value
    raise _invalid(schema.name, f"`{schema.name}` must be {_A[schema.type]}.", Reason.INVALID_TYPE)


_A: Mapping[ParameterType, str] = {
    ParameterType.STRING: "a string",
    ParameterType.SIZE: "a string",
    ParameterType.INTEGER: "an integer",
    ParameterType.NUMBER: "a number",
    ParameterType.BOOLEAN: "a boolean",
}


def _check_range(schema: ParameterSchema, value: float) -> None:
    low, high = schema.minimum, schema.maximum
    is_finite = isinstance(value, int) or isfinite(value)
    if is_finite and (low is None or value >= low) and (high is None or value <= high):
        return
    bounds = [f"at least {_plain(low)}"] if low is not None else []
    bounds += [f"at most {_plain(high)}"] if high is not None else []
    rule = " and ".join(bounds) or "finite"
    if schema.automatic is not None:
        rule += f", or {schema.automatic} to let the model choose"
    raise _invalid(schema.name, f"`{schema.name}` must be {rule}.")


def _plain(number: float) -> str:
    """Write a bound without a needless fraction or exponent."""
    return str(int(number)) if number == int(number) else str(number)


def _check_size(schema: ParameterSchema, value: str) -> None:
    match = _SIZE.fullmatch(value)
    if match is not None:
        width, height = int(match[1]), int(match[2])
        long, short = max(width, height), min(width, height)
        if (
            width % schema.multiple_of == 0
            and height % schema.multiple_of == 0
            and (schema.maximum_ratio is None or long <= schema.maximum_ratio * short)
            and (schema.maximum_side is None or long <= schema.maximum_side)
            and (schema.maximum_pixels is None or width * height <= schema.maximum_pixels)
        ):
            return
    raise _invalid(schema.name, f"`{schema.name}` must be {_size_rule(schema)}.")


def _size_rule(schema: ParameterSchema) -> str:
    """Say what sizes are accepted."""
    parts = ["WIDTHxHEIGHT in pixels"]
    if schema.multiple_of > 1:
        parts.append(f"both divisible by {schema.multiple_of}")
    if schema.maximum_ratio is not None:
        ratio = _plain(schema.maximum_ratio)
        parts.append(f"with a ratio from 1:{ratio} to {ratio}:1")
    if schema.maximum_side is not None:
        parts.append(f"no side longer than {schema.maximum_side}")
    if schema.maximum_pixels is not None:
        parts.append(f"at most {schema.maximum_pixels} pixels in all")
    words = "".join(f"{value} or " for value in schema.values)
    return words + ", ".join(parts)


def _check_rule(
    rule: Rule,
    model: Model,
    given: Mapping[str, object],
    parameters: Mapping[str, Value],
    *,
    has_inputs: bool,
) -> None:
    name = rule.parameter
    if rule.forbidden_with_inputs and has_inputs and name in given:
        raise _invalid(
            name, f"`{name}` cannot be used together with input files.", Reason.UNKNOWN_PARAMETER
        )
    if name not in parameters or (rule.value and parameters[name] != rule.value):
        return
    effective = {**model.defaults, **parameters}
    for other, allowed in rule.requires.items():
        if effective.get(other) not in allowed:
            subject = f"`{name}` {rule.value}" if rule.value else f"`{name}`"
            raise _invalid(name, f"{subject} needs `{other}` to be one of: {', '.join(allowed)}.")


def _check_inputs(model: Model, inputs: Sequence[Input], outputs: int) -> None:
    by_role: dict[str, list[Input]] = {}
    for item in inputs:
        rule, name = model.inputs.get(item.role), item.parameter or item.role
        if rule is None:
            raise _invalid(name, f"The model takes no `{item.role}`.")
        peers = by_role.setdefault(item.role, [])
        peers.append(item)
        if len(peers) > rule.maximum:
            raise _invalid(name, f"The model takes at most {rule.maximum} `{item.role}`.")
        _check_file(rule, item, name)
    for rule in model.inputs.values():
        for item in by_role.get(rule.role, []):
            _check_company(rule, item, by_role)
            _check_same_size(rule, item, by_role)
    most = model.maximum_together
    if most is not None and len(inputs) + outputs > most:
        raise _invalid("output_count", f"Inputs and `output_count` together may be at most {most}.")


def _check_file(rule: InputRule, item: Input, name: str) -> None:
    if item.media_type not in rule.media_types:
        accepted = ", ".join(rule.media_types)
        raise _invalid(name, f"`{name}` must be one of: {accepted}.", Reason.INVALID_INPUT)
    if len(item.data) > rule.maximum_bytes:
        raise GatewayError(
            Reason.REQUEST_TOO_LARGE,
            f"`{name}` may have at most {rule.maximum_bytes} bytes.",
            parameter=name,
            metadata={"limit": str(rule.maximum_bytes)},
        )

    if item.width and item.height:
        _check_pixels(rule, item, name)


def _check_pixels(rule: InputRule, item: Input, name: str) -> None:
    long, short = max(_pixels(item)), min(_pixels(item))
    for is_wrong, limit in (
        (short < (rule.minimum_side or 0), f"no side shorter than {rule.minimum_side} pixels"),
        (long > (rule.maximum_side or long), f"no side longer than {rule.maximum_side} pixels"),
        (
            rule.maximum_ratio is not None and long > rule.maximum_ratio * short,
            f"no side more than {rule.maximum_ratio} times as long as the other",
        ),
    ):
        if is_wrong:
            raise _invalid(name, f"`{name}` must have {limit}.", Reason.INVALID_INPUT)


def _check_company(rule: InputRule, item: Input, by_role: Mapping[str, list[Input]]) -> None:
    """Check which other inputs there must, and must not, be."""
    name = item.parameter or item.role
    if rule.needs is not None and rule.needs not in by_role:
        raise _invalid(name, f"`{name}` needs a `{rule.needs}`.")
    for role in rule.excludes:
        if role in by_role:
            raise _invalid(name, f"`{name}` cannot be used together with `{role}`.")


def _check_same_size(rule: InputRule, item: Input, by_role: Mapping[str, list[Input]]) -> None:
    if rule.same_size_as is None:
        return
    name = item.parameter or item.role
    peers = by_role.get(rule.same_size_as)
    if not peers:
        raise _invalid(name, f"`{name}` needs an `{rule.same_size_as}`.")
    if item.width and peers[0].width and _pixels(item) != _pixels(peers[0]):
        raise _invalid(
            name,
            f"`{name}` must have the same size as the first `{rule.same_size_as}`.",
            Reason.INVALID_INPUT,
        )


def _pixels(item: Input) -> tuple[int, int]:
    return item.width, item.height
