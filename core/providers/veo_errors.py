"""Why an operation of Veo that has ended holds no video. Pure.

Source: google.rpc.Status and observed answers (providers.md 2.4, 2.5). A failed operation holds
`{"code": 3, "message": "…"}`, with a number of google/rpc/code.proto; videos that the safety system
took away are counted in `raiMediaFilteredCount`, and their `raiMediaFilteredReasons` end in
support codes.
"""

import re
from collections.abc import Mapping

from core.errors import Fault, UpstreamError
from core.providers.gemini_errors import FAULTS
from core.providers.reading import count, message, section
from core.providers.refusals import refused

# fmt: off
CODES: Mapping[int, str] = {
    1: "CANCELLED", 2: "UNKNOWN", 3: "INVALID_ARGUMENT", 4: "DEADLINE_EXCEEDED", 5: "NOT_FOUND",
    7: "PERMISSION_DENIED", 8: "RESOURCE_EXHAUSTED", 9: "FAILED_PRECONDITION", 10: "ABORTED",
    11: "OUT_OF_RANGE", 12: "UNIMPLEMENTED", 13: "INTERNAL", 14: "UNAVAILABLE", 15: "DATA_LOSS",
    16: "UNAUTHENTICATED",
}
# fmt: on

_MODERATION = re.compile(r"support codes?:|usage guidelines|responsible ai|safety", re.IGNORECASE)


def failed(error: Mapping[str, object]) -> UpstreamError:
    """What the error of a failed operation means; a refused prompt is told apart by its words."""
    said = message(error, "message")
    if said is not None and _MODERATION.search(said.reveal()):
        return refused(Fault.CONTENT_POLICY, None, said, stage="input")
    fault = FAULTS.get(CODES.get(count(error, "code"), ""), Fault.SERVER_ERROR)
    return refused(fault, None, said)


def outputless(response: Mapping[str, object]) -> UpstreamError:
    """Why an operation that went well has made nothing: the safety system, or nobody knows."""
    # On the Developer API one level deeper.
    told = section(response, "generateVideoResponse") or response
    reasons = told.get("raiMediaFilteredReasons")
    if not count(told, "raiMediaFilteredCount") and not reasons:
        return refused(Fault.INVALID_RESPONSE, None)
    first = reasons[0] if isinstance(reasons, list) and reasons else None
    said = message({"reason": first}, "reason")
    return refused(Fault.CONTENT_POLICY, None, said, stage="output")
