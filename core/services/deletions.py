"""The receipt of a deletion: what was deleted and when, for anybody to check."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import orjson

from core.model import Asset
from core.services.convert import timestamp
from core.services.names import generation_name
from core.signing import Signer
from reapi.v1 import receipt_pb2 as pb


def deletion_receipt(
    signer: Signer, id_: UUID, outputs: Sequence[Asset], gone: Sequence[Asset], now: datetime
) -> pb.DeletionReceipt:
    """The signed receipt; docs/deletion.md gives the form of its payload."""
    deleted = [
        {
            "output_index": asset.output_index,
            "size_bytes": asset.size_bytes,
            "sha256": asset.sha256.hex(),
            "gone": asset in gone,
        }
        for asset in outputs
    ]
    facts = {
        "generation": generation_name(id_),
        "delete_time": now.isoformat(timespec="microseconds"),
        "outputs": deleted,
    }
    signed = signer.sign(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS))
    return pb.DeletionReceipt(
        generation=generation_name(id_),
        outputs=[
            pb.DeletedOutput(
                output_index=asset.output_index,
                size_bytes=asset.size_bytes,
                sha256=asset.sha256,
                gone=asset in gone,
            )
            for asset in outputs
        ],
        delete_time=timestamp(now),
        signed_payload=signed.payload,
        signature=signed.value,
        ledger_key=f"ledger_keys/{signed.key_id}",
    )
