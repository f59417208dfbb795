"""How much this process takes on at once: calls and bytes, refused early and cheaply."""

from types import TracebackType
from typing import Self

from core.errors import GatewayError, Reason

RETRY_SECONDS = 1.0


class Slot:
    """One admitted request's share of the process; give it back with `release`."""

    __slots__ = ("_admission", "_bytes", "_open")

    def __init__(self, admission: "Admission") -> None:
        self._admission = admission
        self._bytes = 0
        self._open = True

    @property
    def size(self) -> int:
        """How many bytes it holds."""
        return self._bytes

    def grow(self, size: int) -> None:
        """Make the share at least *size* bytes; raises OVERLOADED when that is too much."""
        more = size - self._bytes
        if more > 0:
            self._admission.take(more)
            self._bytes = size

    def count(self, size: int) -> None:
        """Add *size* bytes that came from a provider: they are here, whatever the budget."""
        if self._open:
            self._bytes += size
            self._admission.bytes += size

    def release(self) -> None:
        """Give everything back; repeating it changes nothing."""
        if self._open:
            self._open = False
            self._admission.give(self._bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.release()


class Admission:
    """The process's budget."""

    def __init__(self, maximum_calls: int, maximum_bytes: int) -> None:
        self._maximum_calls = maximum_calls
        self._maximum_bytes = maximum_bytes
        self.calls = 0
        self.bytes = 0
        self._closed = False

    def enter(self) -> Slot:
        """Admit one request; raises OVERLOADED when the process is full or stopping."""
        if self._closed:
            raise _refusal("shutdown", "This process is shutting down; try again.")
        if self.calls >= self._maximum_calls:
            raise _refusal("requests", "The gateway is at capacity; try again in a moment.")
        self.calls += 1
        return Slot(self)

    def close(self) -> None:
        """Refuse everything from now on."""
        self._closed = True

    def take(self, size: int) -> None:
        """Add *size* bytes to what is in flight."""
        if self.bytes + size > self._maximum_bytes:
            raise _refusal("bytes_in_flight", "The gateway is at capacity; try again in a moment.")
        self.bytes += size

    def give(self, size: int) -> None:
        """End one request that held *size* bytes."""
        self.calls -= 1
        self.bytes -= size


def _refusal(resource: str, message: str) -> GatewayError:
    return GatewayError(
        Reason.OVERLOADED, message, retry_after=RETRY_SECONDS, metadata={"resource": resource}
    )
