"""Who sent a request: proxies of the operator are believed, and nobody else."""

from ipaddress import ip_network

import pytest

from rest_bridge.client_address import Proxies

PROXIES = Proxies([ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")])


def client(peer: str, *lines: str, proxies: Proxies = PROXIES) -> str:
    return proxies.client(peer, [(b"x-forwarded-for", line.encode()) for line in lines])


@pytest.mark.parametrize(
    ("peer", "lines", "found"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1", "10.0.0.2"], "198.51.100.1"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("2001:db8::1", ["[2001:db9::7]:443"], "2001:db9::7"),
        ("10.0.0.1", ["198.51.100.1:55012"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1, unknown"], ""),
        ("10.0.0.1", ["198.51.100.1,"], ""),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_the_rightmost_address_that_is_no_proxy_is_the_caller(
    peer: str, lines: list[str], found: str
) -> None:
    assert client(peer, *lines) == found


def test_without_proxies_the_connection_decides() -> None:
    assert client("203.0.113.9", "198.51.100.1", proxies=Proxies()) == "203.0.113.9"


def test_peers_without_end_are_not_remembered_without_end() -> None:
    proxies = Proxies([ip_network("10.0.0.0/8")])
    for number in range(3_000):
        client(f"203.0.{number // 250}.{number % 250}", proxies=proxies)

    assert len(proxies._known) <= 1_000
