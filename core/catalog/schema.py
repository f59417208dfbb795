"""The one place where parameters are checked and made canonical. Pure.

Errors name the parameter, in backticks and by its name in `reapi.v1`, and what is accepted;
they never repeat what was given.
"""

import re
from collections.abc import Mapping, Sequence
from math import ceil, isfinite

from billing.pricing import TIME_UNITS, started
from core.body import Body
from core.catalog.entries import Model, ParameterSchema, ParameterType, Rule, Value
from core.catalog.input_checks import ROUNDING, check_inputs, with_roles
from core.catalog.vocabulary import canonical
from core.errors import GatewayError, Reason
from core.model import MODES, Ask, Input, Kind, Mode, Role

OF_THEIR_OWN = frozenset({"prompt", "output_count", "partial_count", "end_user_id"})
"""Parameters that have fields of their own in `Ask`."""

FEW = 128
"""Values of a parameter that can be listed."""

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
    inputs = with_roles(model, inputs)
    mode = Ask(model.id, model.kind, prompt, inputs).mode if inputs else Mode.TEXT
    _check_prompt(model, prompt, mode, has_inputs=bool(inputs))
    outputs = _whole(model, "output_count", 1 if count is None else count)
    check_inputs(model, inputs, outputs)
    previews = _whole(model, "partial_count", partials) if partials else 0
    if end_user is not None:
        _check_length(_schema(model, "end_user_id"), end_user)
    parameters: dict[str, Value] = {}
    texts: dict[str, Body[str]] = {}
    for name, value in given.items():
        schema = model.parameters[name]
        checked = check_value(schema, value)
        if mode not in schema.modes:
            continue
        if schema.type is ParameterType.TEXT:
            if checked:
                texts[name] = Body(str(checked))
        elif checked != schema.default:
            parameters[name] = checked
    for rule in model.rules:
        if rule.parameter in given or rule.input is not None:
            _check_rule(rule, model, given, parameters, inputs)
    if model.explicit:
        told = {
            name: value
            for name, value in model.explicit.items()
            if mode in model.parameters[name].modes
        }
        parameters = told | parameters
    return Ask(
        model=model.id,
        kind=model.kind,
        prompt=prompt,
        inputs=inputs,
        count=outputs,
        partials=previews,
        parameters=parameters,
        end_user=end_user,
        texts=texts,
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
    if any("mode" in row.conditions for row in model.prices):
        facts["mode"] = ask.mode
    if model.resolutions:
        facts["resolution"] = resolution_of(model, str(facts.get("size", "auto")))
    return facts


def seconds_of(model: Model, ask: Ask) -> int:
    """For how many seconds at most each output is billed; 0 if it is not sold by its length.

    Where the model chooses, it may choose its maximum (semantics.md 21). Raises INVALID_INPUT
    where a video that is paid by its length does not tell it.
    """
    if not any(row.unit in TIME_UNITS for row in model.prices):
        return 0
    if _is_by_source(model, ask):
        return _source_seconds(model, ask)
    return _longest(model, ask)


def counted_seconds(model: Model, ask: Ask) -> int:
    """How many of them follow from how long the output is; 0 where the source decides."""
    return 0 if _is_by_source(model, ask) else seconds_of(model, ask)


def _is_by_source(model: Model, ask: Ask) -> bool:
    return model.source_seconds is not None and ask.mode is Mode.VIDEO


def _longest(model: Model, ask: Ask) -> int:
    schema = model.parameters["duration"]
    value = ask.parameters.get("duration", schema.default)
    most = schema.maximum if value is None or value == schema.automatic else value
    assert isinstance(most, int | float), "the loader demands a default and a maximum"
    return ceil(most)


def _source_seconds(model: Model, ask: Ask) -> int:
    rule, total = model.source_seconds, 0.0
    assert rule is not None
    for item in ask.inputs:
        if item.role is not Role.VIDEO:
            continue
        if not item.seconds:
            name = item.parameter or item.role
            message = f"`{name}` does not tell how long it is, and is paid by its length."
            raise _invalid(name, message, Reason.INVALID_INPUT)
        total += item.seconds
    billed = rule.times * max(1, ceil(min(total, rule.maximum or total) - ROUNDING))
    if not rule.plus_duration:
        return billed
    schema = model.parameters["duration"]
    if ask.parameters.get("duration", schema.default) == schema.automatic:
        message = "`duration` must be a number of seconds where there is a video."
        raise _invalid("duration", message)
    return billed + _longest(model, ask)


def price_units(
    ask: Ask, seconds: int = 0, delivered: int | None = None, unit: str = "second"
) -> dict[str, int]:
    """How many units of each kind *ask* costs, at most or for what was *delivered*.

    *seconds* is how long each output lasts, where it is sold by its length: `seconds_of`
    beforehand; a started *unit* of each counts. Other sounds are sold by the characters that
    are to be said.
    """
    count = ask.count if delivered is None else delivered
    if seconds:
        return {unit: started(seconds, TIME_UNITS[unit]) * count}
    if ask.kind is Kind.AUDIO:
        return {"character": len(ask.prompt) * count}
    return {"image": count}


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


def _check_prompt(model: Model, prompt: Body[str], mode: Mode, *, has_inputs: bool) -> None:
    schema = model.parameters.get("prompt")
    if schema is None:
        if prompt:
            raise _unknown("prompt")
    elif prompt:
        _check_length(schema, prompt)
    elif schema.required or mode in schema.required_in or not has_inputs:
        raise _invalid("prompt", "`prompt` is required.", Reason.MISSING_PARAMETER)


def _check_length(schema: ParameterSchema, text: Body[str] | str) -> None:
    size, low, high = len(text), schema.minimum or 0, schema.maximum
    if size < low or (high is not None and size > high):
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
        case ParameterType.TEXT if isinstance(value, str):
            _check_length(schema, value)
            return value
        case ParameterType.SIZE if isinstance(value, str):
            if value not in schema.values:
                _check_size(schema, value)
            return value
        case ParameterType.INTEGER if isinstance(value, int) and not isinstance(value, bool):
            if value != schema.automatic:
                _check_range(schema, value)
                _check_step(schema, value)
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
    ParameterType.TEXT: "a string",
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


def _check_step(schema: ParameterSchema, value: int) -> None:
    if value % schema.multiple_of:
        message = f"`{schema.name}` must be a multiple of {schema.multiple_of}."
        raise _invalid(schema.name, message)


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
    inputs: Sequence[Input],
) -> None:
    name = rule.parameter
    if rule.input is not None:
        name = next((item.parameter for item in inputs if item.role is rule.input), "")
        if not name:
            return
    elif rule.forbidden_with_inputs and inputs and name in given:
        raise _invalid(
            name, f"`{name}` cannot be used together with input files.", Reason.UNKNOWN_PARAMETER
        )
    elif name not in parameters or (rule.value and parameters[name] != rule.value):
        return
    effective = {**model.defaults, **parameters}
    for other, allowed in rule.requires.items():
        if str(effective.get(other)) not in allowed:
            subject = f"`{name}` {rule.value}" if rule.value else f"`{name}`"
            raise _invalid(name, f"{subject} needs `{other}` to be one of: {', '.join(allowed)}.")


def modes_of(model: Model) -> frozenset[Mode]:
    """What its requests may start from."""
    modes = {Mode.TEXT} if not any(rule.minimum for rule in model.inputs.values()) else set()
    return frozenset(modes | {MODES[role] for role in model.inputs})


def values_of(schema: ParameterSchema) -> tuple[str, ...] | None:
    """Every value of a parameter, as text; None where they are too many to list."""
    match schema.type:
        case ParameterType.BOOLEAN:
            return ("true", "false")
        case ParameterType.STRING if schema.values:
            return schema.values
        case ParameterType.INTEGER if schema.minimum is not None and schema.maximum is not None:
            low, high = (
                -(-int(schema.minimum) // schema.multiple_of) * schema.multiple_of,
                int(schema.maximum),
            )
            automatic = () if schema.automatic is None else (str(schema.automatic),)
            return (
                (*automatic, *map(str, range(low, high + 1, schema.multiple_of)))
                if high - low < FEW
                else None
            )
    return None
