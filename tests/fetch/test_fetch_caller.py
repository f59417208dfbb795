"""Files of callers, fetched from a peer on loopback that plays the open internet."""

import asyncio
from ipaddress import ip_network

import pytest

from core.body import Body
from core.errors import GatewayError
from core.fetch.caller import CallerFetch
from tests.fetch.fetching import LIMITS, fetch, port_of, refused, url_of
from tests.fetch.peers import LOOPBACK, Names, certificate
from tests.fix_upstream import chunked, http


async def test_a_file_is_fetched_whole(upstream):
    data = bytes(range(256)) * 1000
    upstream.plays(http(200, data, media_type="image/png"))
    sizes = []

    assert await fetch(url_of(upstream, "/x%2Fy?s=a%2Bb"), took=sizes.append) == data
    (request,) = upstream.requests
    assert (request.method, request.path) == ("GET", "/x%2Fy?s=a%2Bb")
    assert sum(sizes) == len(data)


async def test_a_chunked_file_is_fetched_whole(upstream):
    upstream.plays(chunked(200, b"one", b"two"))

    assert await fetch(url_of(upstream)) == b"onetwo"


async def test_a_server_learns_nothing_but_the_url(upstream):
    upstream.plays(http(302, headers={"Location": "/b", "Set-Cookie": "a=b"}), http(200, b"x"))
    await fetch(url_of(upstream))

    for request in upstream.requests:
        assert {name: value for name, value in request.headers.items() if name} == {
            "host": f"a.example:{port_of(upstream)}",
            "accept": "*/*",
            "accept-encoding": "identity",
            "user-agent": "reapi",
            "connection": "close",
        }


async def test_a_name_that_leads_inside_is_refused_before_a_connection(upstream):
    words = await refused(url_of(upstream), a_example=[["10.0.0.1"]])

    assert words == "`image[1]` must be at a public http or https URL."
    assert upstream.connections == 0


@pytest.mark.parametrize("other", ["10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1"])
async def test_one_bad_address_among_good_ones_is_enough(upstream, other):
    words = await refused(url_of(upstream), a_example=[["127.0.0.1", other]])

    assert "public" in words
    assert upstream.connections == 0


async def test_names_are_resolved_once_so_rebinding_changes_nothing(upstream):
    upstream.plays(http(200, b"x"))
    names = Names(a_example=[["127.0.0.1"], ["10.0.0.1"]])
    async with CallerFetch(LIMITS, resolver=names, networks=LOOPBACK) as made:
        found = await made.fetch(Body(url_of(upstream)), "image", lambda size: None)

    assert found.reveal() == b"x"
    assert names.asked == ["a.example"]


async def test_a_name_that_rebinds_between_redirects_is_refused(upstream):
    upstream.plays(http(302, headers={"Location": "/b"}), http(200, b"secret"))
    words = await refused(url_of(upstream), a_example=[["127.0.0.1"], ["10.0.0.1"]])

    assert "public" in words
    assert upstream.connections == 1


async def test_a_name_nobody_knows_reads_like_one_that_leads_inside():
    unknown = await refused("http://b.example/")

    assert unknown == await refused("http://b.example/", b_example=[["10.0.0.1"]])


async def test_without_an_allowed_network_loopback_is_out_of_reach(upstream):
    upstream.plays(http(200, b"x"))
    for url in (f"http://{upstream.address}/", url_of(upstream)):
        async with CallerFetch(LIMITS, resolver=Names(a_example=[["127.0.0.1"]])) as made:
            with pytest.raises(GatewayError):
                await made.fetch(Body(url), "image", lambda size: None)

    assert upstream.connections == 0


async def test_the_socket_is_the_last_to_judge_an_address(upstream, monkeypatch):
    """Were the checks of URL and name both fooled, no connection would be made all the same."""
    monkeypatch.setattr(
        "core.fetch.guard._Gate.resolve", lambda self, *a, **k: self._inner.resolve(*a, **k)
    )

    assert "public" in await refused("http://a.example/", a_example=[["10.0.0.1"]])


@pytest.mark.parametrize("url", ["http://localhost/", "ftp://a.example/", "http://a:b@a.example/"])
async def test_a_url_that_may_not_be_fetched_is_refused(url):
    assert "public" in await refused(url)


async def test_redirects_are_followed_to_other_names(upstream):
    upstream.plays(
        http(301, headers={"Location": url_of(upstream, "/b", "b.example")}), http(200, b"x")
    )
    names = {"a_example": [["127.0.0.1"]], "b_example": [["127.0.0.1"]]}

    assert await fetch(url_of(upstream), **names) == b"x"
    assert upstream.requests[1].headers["host"].startswith("b.example:")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://b.example/",
        "file:///etc/passwd",
        "http://a:b@a.example/",
    ],
)
async def test_a_redirect_inside_is_refused(upstream, status, location):
    upstream.plays(http(status, headers={"Location": location}))
    words = await refused(url_of(upstream), a_example=[["127.0.0.1"]], b_example=[["10.0.0.1"]])

    assert "public" in words
    assert upstream.connections == 1


async def test_a_redirect_loop_ends(upstream):
    upstream.plays(http(302, headers={"Location": "/again"}))

    assert "too many redirects" in await refused(url_of(upstream))
    assert len(upstream.requests) == LIMITS.redirects + 1


async def test_a_redirect_to_nowhere_is_an_answer_like_any_other(upstream):
    upstream.plays(http(302))

    assert "302" in await refused(url_of(upstream))


async def test_tls_is_verified_against_the_name_and_not_the_address(tmp_path):
    server_tls, client_tls = certificate(tmp_path, "a.example")
    served = []

    async def serve(reader, writer):
        served.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        writer.write(http(200, b"secure"))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_tls)
    port = server.sockets[0].getsockname()[1]
    names = Names(a_example=[["127.0.0.1"]], b_example=[["127.0.0.1"]])
    async with (
        server,
        CallerFetch(LIMITS, resolver=names, tls=client_tls, networks=LOOPBACK) as made,
    ):
        good = await made.fetch(Body(f"https://a.example:{port}/"), "image", lambda size: None)
        with pytest.raises(GatewayError) as caught:
            await made.fetch(Body(f"https://b.example:{port}/"), "image", lambda size: None)

    assert good.reveal() == b"secure"
    assert "no valid TLS certificate" in caught.value.message
    assert len(served) == 1


async def test_an_unknown_certificate_is_refused(tmp_path):
    server_tls, _ = certificate(tmp_path, "a.example")
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0, ssl=server_tls)
    port = server.sockets[0].getsockname()[1]
    async with server:
        assert "TLS" in await refused(f"https://a.example:{port}/")


async def test_the_real_resolver_is_checked_all_the_same():
    async with CallerFetch(LIMITS, networks=(ip_network("10.0.0.0/8"),)) as made:
        with pytest.raises(GatewayError) as caught:
            await made.fetch(Body("http://localhost.localdomain/"), "image", lambda size: None)

    assert "public" in caught.value.message
