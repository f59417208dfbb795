"""What a bucket's failures become: an OSError without anybody's words."""

import re
from typing import Any, Final

_CODE: Final = re.compile(r"[A-Za-z0-9.]{1,64}\Z")
_ABSENT: Final = frozenset({"NoSuchKey", "NotFound", "404", "NoSuchLifecycleConfiguration"})
_PASSING: Final = frozenset({408, 409, 425, 429})
"""Statuses below 500 that say: later."""


class BucketError(OSError):
    """A bucket did not do what it was asked.

    `operation` is the call of S3's API. `code` is S3's error code, or the name of the library's
    exception where no answer came; `status` is then 0.
    """

    def __init__(self, operation: str, code: str, status: int = 0) -> None:
        super().__init__(f"the bucket failed at {operation}: {code}")
        self.operation = operation
        self.code = code
        self.status = status

    @property
    def is_refusal(self) -> bool:
        """Whether asking again will not help: no such bucket, a bad credential, no permission."""
        return 400 <= self.status < 500 and self.status not in _PASSING


def failure_of(operation: str, error: Exception) -> OSError:
    """What *error*, raised by the library or the network during *operation*, is for us."""
    answer: Any = getattr(error, "response", None)
    if not isinstance(answer, dict):
        return BucketError(operation, type(error).__name__)
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    code = str(answer.get("Error", {}).get("Code", ""))
    if status == 404 and code in _ABSENT:
        return FileNotFoundError()
    return BucketError(operation, code if _CODE.match(code) else "Unknown", status)
