"""What simulated accounts with hosted results have in common."""

from simulator.hosting import Shelf
from simulator.images import ImageCache
from simulator.limits import TokenBucket
from simulator.videos import VideoCache


class Account:
    """A rate limit, and a shelf with results. Subclasses know their key and their jobs."""

    def __init__(self, images: ImageCache, videos: VideoCache) -> None:
        self._requests = TokenBucket(1.0)
        self._shelf = Shelf(images, videos)

    def serve_at(self, base_url: str) -> None:
        """Host results below *base_url*."""
        self._shelf.links.base_url = base_url

    async def close(self) -> None:
        """Nothing runs in the background."""
