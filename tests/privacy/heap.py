"""What can be reached from an object in memory: the canaries that it still holds."""

import asyncio
import gc
from collections.abc import Iterable
from types import FrameType, FunctionType, MethodType, ModuleType
from typing import Any

from gateway.proof.canaries import Canaries

_LEFT_OUT = (type, ModuleType, FunctionType, FrameType)
"""Through these everything can be reached, the test itself too."""


def held(roots: Iterable[Any], canaries: Canaries) -> set[str]:
    """The fields whose canaries are held by *roots*, or by anything that they hold."""
    here = asyncio.current_task()  # it asks, so it knows them; its timeouts lead to it
    seen: dict[int, Any] = {id(each): each for each in (canaries, here)}
    ahead, found = list(roots), set[str]()
    while ahead:
        item = ahead.pop()
        if id(item) in seen or isinstance(item, _LEFT_OUT):
            continue
        seen[id(item)] = item
        if isinstance(item, str):
            found |= canaries.found_in(item.encode("utf-8", "surrogatepass"))
        elif isinstance(item, bytes | bytearray | memoryview):
            found |= canaries.found_in(bytes(item))
        elif isinstance(item, MethodType):
            ahead.append(item.__self__)
        else:
            ahead += gc.get_referents(item)
    return found
