"""A ledger in a file: JSON, one object a line. docs/ledger.md gives the form."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from billing.audit import BalanceLine, Line, LinkLine, LooseLine, SealLine
from billing.chain import Entry, Link, Seal, Standing
from billing.ledger import Transfer

FORMAT = "reapi-ledger-1"
KEY_BYTES = 32
"""Of a public key (RFC 8032)."""
_STANDING = ("posted", "held", "debt")
Fields = Mapping[str, Any]


class Unusable(Exception):
    """Not a whole dump; the message says where it is not."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(f"line {number}: {why}")


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a dump."""

    taken_us: int
    sealed_until_us: int
    keys: tuple[bytes, ...]
    """Public keys of who made the dump: whoever trusts the file trusts them."""

    def written(self) -> bytes:
        return _json(
            {
                "is": "header",
                "format": FORMAT,
                "taken_us": self.taken_us,
                "sealed_until_us": self.sealed_until_us,
                "keys": [key.hex() for key in self.keys],
            }
        )


def written(line: Line) -> bytes:
    """One line of a dump."""
    account = {"account": line.account_id.hex}
    match line:
        case BalanceLine(standing=standing):
            return _json({"is": "balance", **account, **_standing(standing)})
        case LinkLine(chain=chain, link=link, entry=entry):
            fields = {
                "is": "row",
                **account,
                "chain": chain,
                "sequence": link.sequence,
                "transfer": link.transfer_id.hex,
                "chain_sha256": link.chain_sha256.hex(),
                **_standing(link.standing),
                "row": None if entry is None else _entry(entry),
            }
            return _json(fields)
        case SealLine(chain=chain, seal=seal):
            fields = {
                "is": "seal",
                **account,
                "chain": chain,
                "sequence": seal.sequence,
                "chain_sha256": seal.chain_sha256.hex(),
                "sealed_us": seal.sealed_us,
                "signature": seal.signature.hex(),
                "key": seal.key_id,
            }
            return _json(fields)
        case LooseLine(entry=entry):
            return _json({"is": "unsealed", **account, "row": _entry(entry)})


def end(lines: int) -> bytes:
    """The last line, without which a dump is not whole."""
    return _json({"is": "end", "lines": lines})


def read(rows: Iterable[bytes]) -> tuple[Header, Iterator[Line]]:
    """The header, and what follows it; raises Unusable, the iterator too."""
    numbered = enumerate(iter(rows), start=1)
    number, first = next(numbered, (1, b""))
    fields = _fields(number, first)
    if fields.get("is") != "header" or fields.get("format") != FORMAT:
        raise Unusable(number, f"a dump starts with a header of the format {FORMAT}")
    try:
        keys = tuple([bytes.fromhex(key) for key in fields["keys"]])
        header = Header(_int(fields, "taken_us"), _int(fields, "sealed_until_us"), keys)
        if any(len(key) != KEY_BYTES for key in keys):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise Unusable(number, "a field of the header is missing or has a wrong value") from None
    return header, _lines(numbered)


def _lines(numbered: Iterator[tuple[int, bytes]]) -> Iterator[Line]:
    number = 1
    for number, row in numbered:
        fields = _fields(number, row)
        if fields.get("is") == "end":
            if fields.get("lines") != number - 2 or next(numbered, None) is not None:
                raise Unusable(number, "lines are missing from the dump, or were added")
            return
        try:
            yield _line(fields)
        except (KeyError, TypeError, ValueError):
            raise Unusable(number, "a field is missing or has a wrong value") from None
    raise Unusable(number + 1, "the dump is cut off")


def _line(fields: Fields) -> Line:
    account_id = UUID(hex=fields["account"])
    match fields["is"]:
        case "balance":
            return BalanceLine(account_id, _read_standing(fields))
        case "row":
            link = Link(
                _int(fields, "sequence"),
                UUID(hex=fields["transfer"]),
                bytes.fromhex(fields["chain_sha256"]),
                _read_standing(fields),
            )
            row = fields["row"]
            entry = None if row is None else _read_entry(account_id, row)
            return LinkLine(account_id, str(fields["chain"]), link, entry)
        case "seal":
            seal = Seal(
                _int(fields, "sequence"),
                bytes.fromhex(fields["chain_sha256"]),
                _int(fields, "sealed_us"),
                bytes.fromhex(fields["signature"]),
                str(fields["key"]),
            )
            return SealLine(account_id, str(fields["chain"]), seal)
        case "unsealed":
            return LooseLine(account_id, _read_entry(account_id, fields["row"]))
    raise ValueError


def _entry(entry: Entry) -> Fields:
    row = entry.transfer
    return {
        "transfer": row.id.hex,
        "kind": row.kind,
        "amount": row.amount_micros,
        "resolves": None if row.resolves is None else row.resolves.hex,
        "releases": row.releases_micros,
        "created_us": entry.created_us,
    }


def _read_entry(account_id: UUID, fields: Fields) -> Entry:
    resolves = fields["resolves"]
    row = Transfer(
        account_id,
        UUID(hex=fields["transfer"]),
        str(fields["kind"]),
        _int(fields, "amount"),
        None if resolves is None else UUID(hex=resolves),
        _int(fields, "releases"),
    )
    return Entry(row, _int(fields, "created_us"))


def _standing(standing: Standing) -> Fields:
    values = (standing.posted_micros, standing.held_micros, standing.debt_micros)
    return dict(zip(_STANDING, values, strict=True))


def _read_standing(fields: Fields) -> Standing:
    return Standing(*[_int(fields, name) for name in _STANDING])


def _int(fields: Fields, name: str) -> int:
    value = fields[name]
    if type(value) is not int:
        raise TypeError(name)
    return value


def _fields(number: int, row: bytes) -> Fields:
    try:
        fields = orjson.loads(row)
    except orjson.JSONDecodeError:
        raise Unusable(number, "is not JSON") from None
    if not isinstance(fields, dict):
        raise Unusable(number, "is not an object")
    return fields


def _json(fields: Mapping[str, object] | Sequence[object]) -> bytes:
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
