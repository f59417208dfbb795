"""Recompute your account's ledger (docs/ledger.md), with Python >= 3.11 and `cryptography`:

python3 verify_my_ledger.py https://your.gateway [FILE] < file_with_your_api_key
FILE remembers how far the ledger was seen, to check next time that it still is the same.
"""

import base64
import hashlib
import json
import sys
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def download(gateway: str, api_key: str, what: str) -> Any:
    token = ""
    while True:
        url = f"{gateway}/api/v1/{what}?page_size=1000&page_token={token}"
        request = urllib.request.Request(url)  # noqa: S310 - yours to choose
        request.add_header("authorization", f"Bearer {api_key}")
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - as above
            page = json.load(answer)
        yield from page.get(what, [])
        if not (token := page.get("next_page_token", "")):
            return


def micros(time: str) -> int:
    return (datetime.fromisoformat(time) - EPOCH) // timedelta(microseconds=1)


def check_seal(seal: dict[str, Any], digest: bytes, previous: int, keys: dict[str, bytes]) -> None:
    signed = f"reapi-ledger-seal-1|customer|{seal['account'][9:]}|{seal['sequence']}|{digest.hex()}"
    signed += f"|{micros(seal['seal_time'])}|{previous}"
    try:
        key = Ed25519PublicKey.from_public_bytes(keys[seal["ledger_key"]])
        key.verify(base64.b64decode(seal["signature"]), signed.encode())
    except (InvalidSignature, KeyError):
        sys.exit(f"BAD: the seal at row {seal['sequence']} is not signed by the gateway")


def verify(gateway: str, api_key: str, seen: dict[str, Any]) -> dict[str, Any]:
    entries = list(download(gateway, api_key, "ledger_entries"))
    seals = {int(seal["sequence"]): seal for seal in download(gateway, api_key, "ledger_seals")}
    listed = download(gateway, api_key, "ledger_keys")
    keys = {key["name"]: base64.b64decode(key["public_key"]) for key in listed}
    digest, covered, totals = bytes(32), 0, [0, 0, 0]
    for number, row in enumerate(entries, start=1):
        moved = [int(row.get(f"{what}_micros", 0)) for what in ("posted", "held", "debt")]
        totals = [total + change for total, change in zip(totals, moved, strict=True)]
        kind = row["kind"].removeprefix("TRANSACTION_KIND_").lower()
        text = f"{number}|{row['transfer_id']}|{kind}|{moved[0]}|{moved[1]}|{moved[2]}"
        text += f"|{row.get('hold_transfer_id', '')}|{micros(row['create_time'])}"
        digest = hashlib.sha256(digest + text.encode()).digest()
        if int(row["sequence"]) != number or base64.b64decode(row["chain_sha256"]) != digest:
            sys.exit(f"BAD: row {number} (transfer {row['transfer_id']}) was changed")
        if number == seen.get("sequence") and digest.hex() != seen["digest"]:
            sys.exit(f"BAD: rows up to {number} are not those that you saw before")
        if number in seals:
            check_seal(seals[number], digest, covered, keys)
            covered = number
    if covered != len(entries) or covered < seen.get("sequence", 0):
        sys.exit(f"BAD: no seal covers row {covered + 1}")
    sys.stdout.write(f"good: {covered} rows; balance, held and debt in micro-dollars: {totals}\n")
    return {"sequence": covered, "digest": digest.hex()}


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(str(__doc__))
    memory = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    before = json.loads(memory.read_text()) if memory is not None and memory.exists() else {}
    state = verify(sys.argv[1].rstrip("/"), sys.stdin.readline().strip(), before)
    if memory is not None:
        memory.write_text(json.dumps(state))
