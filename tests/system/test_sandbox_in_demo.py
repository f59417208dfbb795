"""In the demo, its own simulator serves test keys too."""

import httpx

from tests.fix_gateway import Gateway


def test_a_test_key_of_the_demo_is_served_for_nothing(gateway: Gateway) -> None:
    owner, live = gateway.account("5")
    made = httpx.post(
        f"{gateway.rest}/api/v1/api_keys", json={"mode": "MODE_TEST"}, headers=gateway.headers(live)
    )
    tester = {"authorization": f"Bearer {made.json()['secret']}"}
    body = {"model": "gpt-image-2", "prompt": "a pear"}
    before = gateway.balance(live)
    answer = httpx.post(f"{gateway.v1}/images/generations", json=body, headers=tester, timeout=60)

    assert owner
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-reapi-sandbox"] == "true"
    assert gateway.balance(live) == before
