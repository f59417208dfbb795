"""The errors of Alibaba's DashScope (Model Studio, Bailian). Pure.

Source: Model Studio's page of error messages; providers.md 4.4. A refusal is flat:
`{"code", "message", "request_id"}`; the `output` of a failed task holds the same two.
"""

from collections.abc import Mapping

from core.body import Body
from core.errors import Fault, UpstreamError
from core.providers.reading import message, word
from core.providers.refusals import refused
from core.providers.wire import Reply

# fmt: off
FAULTS: Mapping[str, Fault] = {
    "InvalidParameter":              Fault.BAD_REQUEST,
    "BadRequest":                    Fault.BAD_REQUEST,
    "InvalidURL":                    Fault.BAD_REQUEST,
    "UnsupportedOperation":          Fault.BAD_REQUEST,
    "UnsupportedFileFormat":         Fault.BAD_REQUEST,
    "BadRequest.EmptyModel":         Fault.NOT_FOUND,      # the channel chose that name
    "DataInspectionFailed":          Fault.CONTENT_POLICY,
    "IPInfringementSuspect":         Fault.CONTENT_POLICY,
    "FaqRuleBlocked":                Fault.CONTENT_POLICY,
    "CustomRoleBlocked":             Fault.CONTENT_POLICY,
    "InvalidApiKey":                 Fault.AUTH,
    "AccessDenied":                  Fault.AUTH,
    "Model.AccessDenied":            Fault.AUTH,
    "Workspace.AccessDenied":        Fault.AUTH,
    "Arrearage":                     Fault.QUOTA,
    "AccessDenied.Unpurchased":      Fault.QUOTA,
    "AllocationQuota.FreeTierOnly":  Fault.QUOTA,
    "Throttling.AllocationQuota":    Fault.QUOTA,
    "PrepaidBillOverdue":            Fault.QUOTA,
    "PostpaidBillOverdue":           Fault.QUOTA,
    "CommodityNotPurchased":         Fault.QUOTA,
    "ModelNotFound":                 Fault.NOT_FOUND,
    "WorkSpaceNotFound":             Fault.NOT_FOUND,
    "Throttling":                    Fault.RATE_LIMITED,
    "LimitRequests":                 Fault.RATE_LIMITED,
    "ModelUnavailable":              Fault.OVERLOADED,
    "RequestTimeOut":                Fault.SERVER_ERROR,
    "InternalError":                 Fault.SERVER_ERROR,
    "SystemError":                   Fault.SERVER_ERROR,
    "RewriteFailed":                 Fault.SERVER_ERROR,
    "ModelServiceFailed":            Fault.SERVER_ERROR,
}
"""What a `code` means whatever the HTTP status; it also stands for codes that add `.Something`."""
# fmt: on

_STAGES = ("input", "output")


def refusal(error: Mapping[str, object], reply: Reply | None = None) -> UpstreamError:
    """The failure that an answer, or the output of a failed task, tells of."""
    code, said = word(error, "code"), message(error, "message")
    fault, words = _by_code(code), _words(said)
    if fault is Fault.SERVER_ERROR and "invalidparameter" in words:
        # `InternalError.Algo` is also what the model itself says of an input.
        fault = Fault.BAD_REQUEST
    elif fault is Fault.BAD_REQUEST and "model not exist" in words:
        # Seen instead of ModelNotFound; the channel chose that name, not the caller.
        fault = Fault.NOT_FOUND
    stage = next((stage for stage in _STAGES if f"{stage} data" in words), "")
    return refused(fault, reply, said, stage=stage)


def _by_code(code: str) -> Fault | None:
    """What a code means: all of it, else what is left without its last suffixes."""
    while code:
        if code in FAULTS:
            return FAULTS[code]
        code = code.rpartition(".")[0]
    return None


def _words(said: Body[str] | None) -> str:
    return said.reveal().lower() if said is not None else ""
