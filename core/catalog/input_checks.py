"""Checks the files of a request against what the model takes. Pure.

Errors name the file as the caller calls it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from core.catalog.entries import InputRule, Model
from core.errors import GatewayError, Reason
from core.model import Input, Role

ROUNDING = 0.1
"""Seconds by which a file may be longer than a whole number of them: frames and sound differ."""


def with_roles(model: Model, inputs: Sequence[Input]) -> tuple[Input, ...]:
    """The *inputs* as the model means them: to some, a lone image is the first frame.

    Raises INVALID_PARAMETER for more images than there are frames, where they are nothing else.
    """
    most = len(model.images_as)
    if not inputs or not most or any(item.role is not Role.IMAGE for item in inputs):
        return tuple(inputs)
    if len(inputs) > most:
        if Role.IMAGE not in model.inputs:
            name = inputs[most].parameter or Role.IMAGE
            raise _invalid(name, f"The model takes at most {most} `{Role.IMAGE}`.")
        return tuple(inputs)
    roles = model.images_as[len(inputs) - 1]
    return tuple(replace(item, role=role) for item, role in zip(inputs, roles, strict=True))


def check_inputs(model: Model, inputs: Sequence[Input], outputs: int) -> None:
    """Refuse files that the model does not take, alone or together; raises GatewayError."""
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
        peers = by_role.get(rule.role, [])
        if len(peers) < rule.minimum:
            message = f"The model needs {rule.minimum} `{rule.role}` at least."
            raise _invalid(rule.role, message, Reason.MISSING_PARAMETER)
        if not peers:
            continue
        for item in peers:
            _check_company(rule, item, by_role)
            _check_same_size(rule, item, by_role)
        _check_together(rule, peers, by_role)
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
    if item.seconds:
        _check_length(rule, item, name)


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


def _check_length(rule: InputRule, item: Input, name: str) -> None:
    low, high = rule.minimum_seconds, rule.maximum_seconds
    if low is not None and item.seconds < low - ROUNDING:
        raise _invalid(name, f"`{name}` must last {low:g} seconds or more.", Reason.INVALID_INPUT)
    if high is not None and item.seconds > high + ROUNDING:
        raise _invalid(name, f"`{name}` may last {high:g} seconds at most.", Reason.INVALID_INPUT)


def _check_together(
    rule: InputRule, peers: Sequence[Input], by_role: Mapping[str, list[Input]]
) -> None:
    """Check how many there are beside others, and how long they are in all."""
    last = peers[-1]
    name = last.parameter or last.role
    for role, most in rule.maximum_with.items():
        if role in by_role and len(peers) > most:
            message = f"The model takes at most {most} `{rule.role}` together with a `{role}`."
            raise _invalid(name, message)
    most_seconds = rule.maximum_total_seconds
    if most_seconds is None or sum(item.seconds for item in peers) <= most_seconds + ROUNDING:
        return
    message = f"All `{rule.role}` together may last {most_seconds:g} seconds at most."
    raise _invalid(name, message, Reason.INVALID_INPUT)


def _check_company(rule: InputRule, item: Input, by_role: Mapping[str, list[Input]]) -> None:
    """Check which other inputs there must, and must not, be."""
    name = item.parameter or item.role
    if rule.needs and by_role.keys().isdisjoint(rule.needs):
        raise _invalid(name, f"`{name}` needs a `{'` or a `'.join(rule.needs)}`.")
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


def _invalid(name: str, message: str, reason: Reason = Reason.INVALID_PARAMETER) -> GatewayError:
    return GatewayError(reason, message, parameter=name)
