"""The errors of Vidu's own API. Pure.

Source: Vidu's list of error codes, through its mirrors; providers.md 5.3. A refusal is
`{"code": 400, "reason": "CreditInsufficient", "message": "…", "metadata": {…}}`; some clients
found the name in `code` or `err_code`. A failed task has it in `err_code`, without a message.
"""

from collections.abc import Mapping

from core.errors import Fault, UpstreamError
from core.providers.reading import message, word
from core.providers.refusals import refused
from core.providers.wire import Reply

# fmt: off
FAULTS: Mapping[str, Fault] = {
    "BadRequest":                  Fault.BAD_REQUEST,
    "FieldLacking":                Fault.BAD_REQUEST,
    "FieldUnwanted":               Fault.BAD_REQUEST,
    "FieldInvalid":                Fault.BAD_REQUEST,
    "FieldItemCountOutOfRange":    Fault.BAD_REQUEST,
    "PageSizeOutOfRange":          Fault.BAD_REQUEST,
    "ImageSizeInvalid":            Fault.BAD_REQUEST,
    "ImageFormatInvalid":          Fault.BAD_REQUEST,
    "VideoFormatInvalid":          Fault.BAD_REQUEST,
    "ImageDownloadFailure":        Fault.BAD_REQUEST,
    "VideoDownloadFailure":        Fault.BAD_REQUEST,
    "ImageCheckBodyJointsFailed":  Fault.BAD_REQUEST,
    "ImageCheckFaceFailed":        Fault.BAD_REQUEST,
    "ImageObjectsUndetected":      Fault.BAD_REQUEST,
    "NoFaceDetected":              Fault.BAD_REQUEST,
    "MultiFaceDetected":           Fault.BAD_REQUEST,
    "FaceDetectNotPass":           Fault.BAD_REQUEST,
    "TaskPromptPolicyViolation":   Fault.CONTENT_POLICY,
    "AuditSubmitIllegal":          Fault.CONTENT_POLICY,
    "PhotoAuditNotPass":           Fault.CONTENT_POLICY,
    "CreationPolicyViolation":     Fault.CONTENT_POLICY,
    "AuditFailed":                 Fault.CONTENT_POLICY,
    "Unauthorized":                Fault.AUTH,
    "Forbidden":                   Fault.AUTH,
    "CreditInsufficient":          Fault.QUOTA,           # with the HTTP status 400
    "QuotaExceeded":               Fault.RATE_LIMITED,    # of tasks at a time
    "TooManyRequests":             Fault.RATE_LIMITED,
    "SystemThrottling":            Fault.RATE_LIMITED,
    "OperationInProcess":          Fault.RATE_LIMITED,
    "ModelUnavailable":            Fault.NOT_FOUND,
    "TaskNotFound":                Fault.NOT_FOUND,
    "CreationNotFound":            Fault.NOT_FOUND,
    "NotFound":                    Fault.NOT_FOUND,
    "Conflict":                    Fault.NOT_FOUND,
    "InternalServiceFailure":      Fault.SERVER_ERROR,
}
"""What a name means whatever the HTTP status."""

STAGES: Mapping[str, str] = {
    "TaskPromptPolicyViolation":  "input",
    "AuditSubmitIllegal":         "input",
    "PhotoAuditNotPass":          "input",
    "CreationPolicyViolation":    "output",
}
"""What moderation refused."""
# fmt: on


def refusal(error: Mapping[str, object], reply: Reply | None = None) -> UpstreamError:
    """The failure that an answer, or a failed task, tells of."""
    names = (word(error, field) for field in ("reason", "err_code", "code"))
    name = next(filter(None, names), "")
    said = message(error, "message")
    fault = FAULTS.get(name)
    return refused(fault, reply, said, stage=STAGES.get(name, ""))
