"""Routes: models, what is not built, what does not exist, probes, CORS, mounts."""

import openai
import pytest

from rest_bridge.router import Router, parse_template
from rest_bridge.routes import NOT_BUILT, NOT_BUILT_TASKS
from tests.bridge.scripted_core import CREATED, FakeCore
from tests.fix_bridge import Bridge, StartBridge


async def test_the_sdk_lists_models_of_all_pages_on_one(bridge: Bridge) -> None:
    models = [model async for model in bridge.openai.models.list()]

    assert [model.id for model in models] == ["gpt-image-2", "acme/draw"]
    assert (models[0].object, models[0].owned_by, models[0].created) == ("model", "acme", CREATED)


async def test_a_model_id_may_contain_slashes_encoded_or_not(bridge: Bridge) -> None:
    by_sdk = await bridge.openai.models.retrieve("acme/draw")
    raw = await bridge.http.get("/v1/models/acme/draw")
    without_prefix = await bridge.http.get("/models/acme%2Fdraw")

    assert by_sdk.id == raw.json()["id"] == without_prefix.json()["id"] == "acme/draw"


async def test_an_unknown_model_is_a_not_found_error(bridge: Bridge) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await bridge.openai.models.retrieve("nope")

    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


async def test_every_route_that_is_not_built_says_so_after_authentication(bridge: Bridge) -> None:
    routes = [
        *((method, f"/v1{path}") for method, path in NOT_BUILT),
        *NOT_BUILT,
        *NOT_BUILT_TASKS,
    ]
    for method, template in routes:
        path = template.replace("{id}", "x1")
        answer = await bridge.http.request(method, path)
        assert answer.status_code == 404, path
        assert answer.json()["error"]["code"] == "endpoint_not_available", path

    bad = await bridge.http.post("/v1/videos", headers={"authorization": "Bearer wrong"})
    assert bad.status_code == 401


async def test_an_unknown_url_is_refused_in_openai_s_words(bridge: Bridge) -> None:
    for path in ("/v1/nope", "/nope", "/v1/", "/v1/models/", "/v1/images/generations/", "//"):
        answer = await bridge.http.post(path)

        assert answer.status_code == 404
        error = answer.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["type"] == "invalid_request_error"
        assert answer.headers["x-request-id"].startswith("req_")
    assert (await bridge.http.post("/v1/nope")).json()["error"]["message"] == (
        "Invalid URL (POST /v1/nope)"
    )


async def test_a_wrong_method_names_the_right_ones(bridge: Bridge) -> None:
    answer = await bridge.http.get("/v1/images/generations")
    several = await bridge.http.patch("/v1/videos/v1")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["error"]["code"] == "method_not_allowed"
    assert several.headers["allow"] == "DELETE, GET"


async def test_the_probes_tell_the_process_from_its_core(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    bare = {"authorization": ""}
    assert (await bridge.http.get("/healthz", headers=bare)).json() == {"status": "ok"}
    assert (await bridge.http.get("/readyz", headers=bare)).status_code == 200

    fake_core.serving = False

    assert (await bridge.http.get("/healthz")).status_code == 200
    answer = await bridge.http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "overloaded"
    assert (await bridge.http.head("/healthz")).status_code == 200


async def test_browsers_may_call_from_anywhere_without_cookies(bridge: Bridge) -> None:
    preflight = await bridge.http.options(
        "/v1/images/generations",
        headers={
            "origin": "https://app.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,x-stainless-lang",
        },
    )
    answer = await bridge.http.get("/v1/models", headers={"origin": "https://app.example"})
    plain = await bridge.http.get("/v1/models")

    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert preflight.headers["access-control-allow-headers"] == "authorization,x-stainless-lang"
    assert "access-control-allow-credentials" not in preflight.headers
    assert answer.headers["access-control-allow-origin"] == "*"
    exposed = answer.headers["access-control-expose-headers"]
    assert "x-reapi-credits" in exposed
    assert "x-request-id" in exposed
    assert "access-control-allow-origin" not in plain.headers


async def test_other_applications_are_mounted_beside_the_routes(start_bridge: StartBridge) -> None:
    def page(text: bytes):
        async def app(scope, receive, send) -> None:
            length = str(len(text)).encode()
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [(b"content-length", length)],
                }
            )
            await send({"type": "http.response.body", "body": text})

        return app

    bridge = await start_bridge(extra={"/": page(b"home"), "/metrics": page(b"numbers")})

    assert (await bridge.http.get("/metrics")).text == "numbers"
    assert (await bridge.http.get("/metrics/x")).text == "numbers"
    assert (await bridge.http.get("/anything")).text == "home"
    assert (await bridge.http.get("/v1/nope")).status_code == 404
    assert (await bridge.http.get("/v1/models")).json()["object"] == "list"


async def test_a_mount_that_fails_is_a_500_and_a_defect(start_bridge: StartBridge) -> None:
    async def broken(scope, receive, send) -> None:
        raise RuntimeError("secret")

    bridge = await start_bridge(extra={"/broken": broken})

    answer = await bridge.http.get("/broken")

    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert [defect.error_type for defect in bridge.defects] == ["RuntimeError"]


def test_templates_are_read_like_google_api_http_writes_them() -> None:
    template = parse_template("/api/v1/{name=generations/*/receipt}:check")

    assert template.segments == ("api", "v1", "generations", "*", "receipt")
    assert (template.variables[0].start, template.variables[0].end) == (2, 5)
    assert template.verb == "check"
    assert parse_template("/v1/models/{id=**}").variables[0].end is None


def test_a_literal_beats_a_variable_and_an_encoded_slash_separates_nothing() -> None:
    router: Router[str] = Router()
    router.add("GET", "/videos/{id}", "one")
    router.add("GET", "/videos/edits", "edits")
    router.add("POST", "/{name=videos/*}:cancel", "cancel")
    router.add("GET", "/videos/{id}/content", "content")

    def find(path: str, method: str = "GET") -> tuple[str, dict[str, str]] | None:
        found = router.find(path)
        if found is None or method not in found.routes:
            return None
        return found.routes[method], dict(found.arguments[method])

    assert find("/videos/edits") == ("edits", {})
    assert find("/videos/a%2Fb") == ("one", {"id": "a/b"})
    assert find("/videos/a:b") == ("one", {"id": "a:b"})
    assert find("/videos/a:cancel", "POST") == ("cancel", {"name": "videos/a"})
    assert find("/videos/a/content") == ("content", {"id": "a"})
    assert find("/videos/") is None
    assert find("/videos/a/b/c") is None
