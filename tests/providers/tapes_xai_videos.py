"""What xAI's video endpoints send for Grok Imagine, and what it means.

No answer here was recorded: bodies are composed from the fields of xAI's SDK and @ai-sdk/xai, as
written down in providers.md 6.2. What only comes with another status than 200 is in
test_xai_videos.py.
"""

from collections.abc import Mapping
from uuid import UUID

import orjson

from core.body import Body
from core.errors import Fault, UpstreamError
from core.model import Ask, FieldRule, Hosted, Kind, Mode, Report
from core.providers.jobs import Broken, Made, Working
from tests.providers.job_tape import JobTape

ASK = Ask("grok-imagine-1.0-video", Kind.VIDEO, Body("a red fox runs"))
MARK = UUID("6f1ad3f0-8c57-4a2e-9d54-0b6c7e8f9a10")
ID = "a3d1f0e2-5b6c-4d7e-8f90-1a2b3c4d5e6f"
VIDEO = f"https://vidgen.x.ai/xai-vidgen-bucket/xai-video-{ID}.mp4"
NEW = frozenset(Mode) - {Mode.VIDEO}
FIELDS: Mapping[str, FieldRule] = {
    "prompt": FieldRule("prompt"),
    "duration": FieldRule("duration", modes=NEW),
    "aspect_ratio": FieldRule("aspect_ratio", modes=NEW, omit=frozenset({"auto"})),
    "resolution": FieldRule("resolution", modes=NEW),
    "end_user_id": FieldRule("user"),
    "input:first_frame": FieldRule("image.url"),
    "input:image": FieldRule("reference_images[].url", modes=NEW),
    "input:video": FieldRule("video.url"),
}


def done(**fields: object) -> dict[str, object]:
    return {
        "status": "done",
        "video": {"url": VIDEO, "duration": 8, "respect_moderation": True},
        "model": "grok-imagine-video",
        "usage": {"cost_in_usd_ticks": 4_000_000_000},
        "progress": 100,
        **fields,
    }


MADE = Made([Hosted(0, Body(VIDEO))], Report(seconds=8.0))

TAPES = (
    JobTape(
        "Grok's video",
        "xai_videos",
        ASK,
        orjson.dumps({"request_id": ID}),
        ID,
        {
            "running": (orjson.dumps({"status": "pending", "progress": 37}), Working(percent=37)),
            "just begun": (orjson.dumps({"status": "pending"}), Working()),
            "done": (orjson.dumps(done()), MADE),
            "done, without saying so": (
                orjson.dumps({"video": {"url": VIDEO, "duration": 8}}),
                MADE,
            ),
            "done without a video": (
                orjson.dumps(done(video={})),
                Broken(UpstreamError(Fault.INVALID_RESPONSE)),
            ),
            "kept back": (
                orjson.dumps(done(video={"url": "", "respect_moderation": False})),
                Broken(UpstreamError(Fault.CONTENT_POLICY)),
            ),
            "failed": (
                orjson.dumps({"status": "failed", "error": {"code": "internal", "message": "no"}}),
                Broken(UpstreamError(Fault.SERVER_ERROR)),
            ),
            "expired": (
                orjson.dumps({"status": "expired"}),
                Broken(UpstreamError(Fault.SERVER_ERROR)),
            ),
        },
        b"",
        MARK,
        b"",
        fields=FIELDS,
        is_marked=False,
    ),
)
