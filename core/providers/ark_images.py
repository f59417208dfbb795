"""ByteDance's Seedream on Volcengine Ark and BytePlus ModelArk: `/images/generations`.

Source: ModelArk's API reference, image generation and its streaming response (providers.md
3.2). There is no idempotency key, and a call that is abandoned is still made and billed. Of a
group the model decides how many images it makes, at most as many as were asked for.

The answer to a stream begins with its first image: the channel's `acknowledge` deadline must
leave the time that an image takes (10 to 35 s).
"""

from collections.abc import Sequence

import orjson

from core.body import Body
from core.model import Ask, Channel, Piece, Role
from core.providers.ark_errors import refusal
from core.providers.ark_groups import Group, GroupReader
from core.providers.ark_sizes import size_of
from core.providers.files import data_url
from core.providers.reading import section
from core.providers.wire import Call, EventReader, Reply, bearer


class ArkImages:
    """The dialect. Outputs are numbered by the order in which they are finished."""

    def encode(self, ask: Ask, channel: Channel) -> Call:
        fields: dict[str, object] = {
            "model": channel.upstream_model,
            "prompt": ask.prompt.reveal(),
            "size": size_of(ask.parameters),
            "response_format": "url",
            "watermark": ask.parameters.get("watermark", False),
        }
        for name in ("output_format", "seed"):
            if name in ask.parameters:
                fields[name] = ask.parameters[name]
        images = [data_url(item) for item in ask.inputs if item.role is Role.IMAGE]
        if images:
            fields["image"] = images if len(images) > 1 else images[0]
        streams = ask.count > 1
        if streams:
            fields["stream"] = True
            fields["sequential_image_generation"] = "auto"
            fields["sequential_image_generation_options"] = {"max_images": ask.count}
        body = Body(orjson.dumps(fields))
        return Call("POST", "/images/generations", bearer(channel), body, streams)

    def read(self, reply: Reply, ask: Ask) -> Sequence[Piece]:
        document = reply.document() or {}
        if document.get("error") or not 200 <= reply.status < 300:
            raise refusal(section(document, "error"), ask, reply)
        data = document.get("data")
        items = [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []
        group = Group(ask)
        return [piece for item in items for piece in group.add(item)] + [group.report(document)]

    def reader(self, ask: Ask) -> EventReader:
        return GroupReader(ask)
