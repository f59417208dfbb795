"""Every channel can say what is left of a limit, whatever protocol it speaks."""

import aiohttp
import pytest

from simulator import Knobs, SimulatedChannel, Simulator


@pytest.mark.parametrize("dialect", ["openai", "ark", "gemini"])
async def test_answers_say_what_is_left_once_that_is_set(dialect: str) -> None:
    async with (
        Simulator([SimulatedChannel("c", "sk-sim", dialect)]) as simulator,
        aiohttp.ClientSession() as session,
    ):

        async def said() -> tuple[str | None, str | None]:
            async with session.get(f"{simulator.base_url('c')}/v1/models") as answer:
                headers = answer.headers
                return headers.get("ratelimit-remaining"), headers.get("ratelimit-reset")

        assert await said() == (None, None)
        url = f"{simulator.url}/_settings/c"
        async with session.put(url, json={"limit_remaining": 0, "limit_reset_s": 7}) as answer:
            assert answer.status == 200
        assert await said() == ("0", "7")
        async with session.put(url, json={"limit_remaining": -1}) as answer:
            assert answer.status == 400
        simulator.turn_knobs("c", Knobs())
        assert await said() == (None, None)
