"""Videos and stored outputs as a scripted core tells them."""

from reapi.v1 import generation_pb2
from tests.bridge.scripted_core import CREATED, generation


def video(**changes: object) -> generation_pb2.Generation:
    """A video that succeeded, unless *changes* say otherwise."""
    given = {"model": "seedance-2.0", "kind": generation_pb2.KIND_VIDEO, "usage": None} | changes
    found = generation(**{"size": "1280x720", "quality": None, "background": None} | given)
    found.duration.seconds = 5
    if found.state >= generation_pb2.Generation.STATE_SUCCEEDED:
        found.end_time.seconds = CREATED + 60
    if found.state == generation_pb2.Generation.STATE_SUCCEEDED:
        found.assets.append(stored("video/mp4"))
    return found


def stored(media_type: str, index: int = 0) -> generation_pb2.Asset:
    """An output in the bucket."""
    extension = media_type.partition("/")[2]
    asset = generation_pb2.Asset(
        output_index=index,
        uri=f"http://media.test/media/tasks/x/y/{index}.{extension}",
        media_type=media_type,
    )
    asset.expire_time.seconds = CREATED + 86_400
    return asset
