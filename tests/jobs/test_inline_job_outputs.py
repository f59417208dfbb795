"""A job may answer a look with its whole output: those bytes are in memory, and are counted."""

from core.body import Body, Secret
from core.engine.attempts import Attempts
from core.engine.course import Course
from core.model import EMPTY_REPORT, Channel, Final, Kind
from core.providers.jobs import Made
from tests.films import INDEX_FIRST, INDEX_LAST


class Ended:
    """Jobs of which every one has made two films."""

    async def follow(self, pursuit):
        finals = [Final(0, Body(INDEX_LAST)), Final(1, Body(INDEX_FIRST))]
        return Made(finals, EMPTY_REPORT)


class Pursued:
    channel = Channel("a", "veo_vertex", "veo", "http://provider", Secret("key"))


async def test_the_bytes_that_a_look_brought_are_counted():
    counted: list[int] = []
    attempts = Attempts(upstream=None, jobs=Ended(), mirror=None, emit=lambda _event: None)
    course = Course(0.0, entry=None, kind=Kind.VIDEO, asked=2, count=counted.append)
    made = await attempts.pursue(Pursued(), course)

    assert counted == [len(INDEX_LAST), len(INDEX_FIRST)]
    assert [found.seconds for _, found in made.outputs] == [1.0, 1.0]
