"""What a proof says: what was sent, where it looked, what it could not see, what it found. Pure."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from core.signing import Signature
from gateway.proof.search import Finding

FORMAT: Final = "reapi-privacy-proof-1"
NOT_HERE: Final[Mapping[str, str]] = {
    "providers, payment and mail services": "what they keep is not on this machine",
    "backups and replicas": "they are not on this machine",
    "memory of processes": "a request is there until it has ended",
    "contents of outputs": "they may show what was asked for",
}
"""What no proof looks at."""


@dataclass(frozen=True, slots=True)
class Report:
    """One proof."""

    rest: str
    version: str
    started: str
    """ISO 8601, UTC."""
    ended: str
    fields: int
    """Texts of the contract that were sent."""
    canaries: int
    calls: Mapping[str, int]
    """How calls of the contract ended, by code; `left`: without waiting for the answer."""
    requests: Mapping[str, int]
    """The same of REST, by status."""
    aside: Sequence[str]
    """Calls that were made as nobody: they would have changed the account."""
    searched: Mapping[str, tuple[int, int]]
    """Things and bytes that were looked at, by kind of place."""
    not_searched: Mapping[str, str]
    """Why not, by place."""
    findings: Sequence[Finding]
    left_behind: Sequence[str]
    callers: Sequence[str] = field(default=())
    """Who called: `key`, `session`, `operator`."""

    def payload(self) -> bytes:
        """What is signed: JSON, UTF-8, keys sorted, without spaces."""
        told = {"format": FORMAT, **asdict(self)}
        return json.dumps(told, sort_keys=True, separators=(",", ":")).encode()

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"{self.canaries:,} canaries in {self.fields:,} texts of the contract and all routes"
        yield f"calls: {_counts(self.calls)}"
        yield f"requests: {_counts(self.requests)}"
        for place, (items, size) in sorted(self.searched.items()):
            yield f"searched     {place:22}{items:>9,} things{size:>16,} bytes"
        for place, why in sorted(self.not_searched.items()):
            yield f"not searched {place}: {why}"
        for call in self.aside:
            yield f"as nobody    {call}: it would have changed the account"
        for what in self.left_behind:
            yield f"left behind  {what}"
        for finding in self.findings:
            yield f"FOUND        {finding.field} in {finding.sink} {finding.place}"
        yield "something was found" if self.findings else "nothing was found"


def signed(report: Report, signature: Signature | None) -> dict[str, Any]:
    """The file of a report: the report to read, and the very bytes that were signed."""
    payload = report.payload()
    told: dict[str, Any] = {"report": json.loads(payload)}
    if signature is not None:
        told |= {
            "signed_payload": base64.b64encode(signature.payload).decode(),
            "signature": base64.b64encode(signature.value).decode(),
            "ledger_key": f"ledger_keys/{signature.key_id}",
        }
    return told


def _counts(found: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(found.items())) or "none"
