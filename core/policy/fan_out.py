"""Outputs that several calls make: what each is asked for, and what they are together. Pure.

docs/decisions/0017-fan-out.md says why.
"""

from collections.abc import Sequence
from dataclasses import replace

from core.errors import GatewayError, Reason
from core.model import EMPTY_REPORT, Ask, Final, Hosted, Preview, Report, Sound, Usage

SHARDS_AT_ONCE = 10
"""Calls of one generation at a time: as many as the most outputs that a model makes."""
SEEDS = 1 << 31
"""Seeds are below that (the catalogue's `seed`, and every provider's)."""

_USEFUL = (
    Reason.CONTENT_POLICY_VIOLATION,
    Reason.UPSTREAM_REJECTED,
    Reason.CANCELLED,
    Reason.STORAGE_UNAVAILABLE,
    Reason.REQUEST_NOT_RETAINED,
    Reason.STREAM_INTERRUPTED,
    Reason.UPSTREAM_ERROR,
    Reason.UPSTREAM_TIMEOUT,
    Reason.DEADLINE_EXCEEDED,
    Reason.UPSTREAM_OVERLOADED,
    Reason.OVERLOADED,
)
"""What a caller can act on comes first; overload only where there is nothing else."""

Output = Preview | Sound | Final | Hosted


def part_of(ask: Ask, indices: Sequence[int]) -> Ask:
    """What a call is asked for that makes the outputs *indices* of *ask*.

    A seed counts up from output to output: the same one would make the same image again. Where
    what is left lies between what was made, it counts on from beyond all of them.
    """
    if len(indices) == ask.count:
        return ask
    seed = ask.parameters.get("seed")
    if not isinstance(seed, int) or seed < 0:
        return replace(ask, count=len(indices))
    is_gapped = indices[-1] - indices[0] >= len(indices)
    begin = seed + indices[0] + (ask.count if is_gapped else 0)
    parameters = {**ask.parameters, "seed": begin % SEEDS}
    return replace(ask, count=len(indices), parameters=parameters)


def placed(output: Output, indices: Sequence[int]) -> Output | None:
    """The same as an output of the whole; None for what nobody asked for."""
    if not 0 <= output.output_index < len(indices):
        return None
    return replace(output, output_index=indices[output.output_index])


def gapless(finals: Sequence[Final], taken: set[int]) -> tuple[Final, ...]:
    """The *finals* in their order, under the lowest numbers that are not *taken*."""
    free = iter([index for index in range(len(finals) + len(taken)) if index not in taken])
    return tuple([replace(final, output_index=next(free)) for final in finals])


def together(reports: Sequence[Report]) -> Report:
    """What providers say of all outputs: what they counted, added up, and the first one's words."""
    reports = [report for report in reports if report is not EMPTY_REPORT]
    if len(reports) < 2:
        return reports[0] if reports else EMPTY_REPORT
    counted = [report.usage for report in reports if report.usage is not None]
    return replace(reports[0], usage=_sum(counted) if counted else None)


def _sum(counted: Sequence[Usage]) -> Usage:
    images = [each.output_image_tokens for each in counted]
    known = [tokens for tokens in images if tokens is not None]
    return Usage(
        sum(each.input_text_tokens for each in counted),
        sum(each.input_image_tokens for each in counted),
        sum(each.output_tokens for each in counted),
        sum(known) if len(known) == len(images) else None,
    )


def most_useful(errors: Sequence[GatewayError], attempts: int) -> GatewayError:
    """Which of the failures of all parts the caller is told."""
    ranks = {reason: rank for rank, reason in enumerate(_USEFUL)}
    found = min(errors, key=lambda error: ranks.get(error.reason, len(ranks)))
    if "attempts" in found.metadata:
        found.metadata["attempts"] = str(attempts)
    return found
