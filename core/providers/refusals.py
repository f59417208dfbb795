"""Makes failures of what providers say, where nothing about one of them is special. Pure."""

from core.body import Body
from core.errors import Fault, UpstreamError
from core.providers.faults import fault_of, retry_after
from core.providers.wire import Reply


def refused(
    fault: Fault | None,
    reply: Reply | None,
    said: Body[str] | None = None,
    *,
    stage: str = "",
    parameter: str = "",
) -> UpstreamError:
    """The failure of a call, or of a job where *reply* is None.

    Without a *fault* the HTTP status decides; a 4xx that blames the request, with nothing
    that could be read, is a page of something in between and no verdict: INVALID_RESPONSE.
    *stage* is `input` or `output` of moderation, *parameter* ours that is to blame.
    """
    status = reply.status if reply is not None else 200
    if fault is None:
        fault = fault_of(status)
        if fault is Fault.BAD_REQUEST and said is None:
            fault = Fault.INVALID_RESPONSE
    return UpstreamError(
        fault,
        http_status=status,
        retry_after=retry_after(reply.headers, reply.received_at) if reply is not None else None,
        stage=stage if fault is Fault.CONTENT_POLICY else "",
        parameter=parameter if fault is Fault.BAD_REQUEST else "",
        detail=said,
    )
