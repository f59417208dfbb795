"""Networks of keys: read strictly, shown shortly, and never wider than they were meant."""

from ipaddress import ip_address

import pytest

from accounts.granting import NO_MODEL, both
from accounts.key_networks import contains, read_address, read_network, short, within


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7/32", "203.0.113.7"),
        ("203.0.113.0/24", "203.0.113.0/24"),
        (" 2001:DB8::/32 ", "2001:db8::/32"),
        ("2001:db8:0:0::1/128", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ("::/0", "::/0"),
    ],
)
def test_a_network_is_shown_in_its_short_form(text: str, shown: str) -> None:
    network = read_network(text)

    assert network is not None
    assert short(network) == shown


@pytest.mark.parametrize(
    "text",
    ["", "here", "203.0.113.7/24", "203.0.113.0/33", "1.2.3", "fe80::1%eth0", "1" * 50, "a b"],
)
def test_what_is_no_network_or_has_host_bits_is_refused(text: str) -> None:
    assert read_network(text) is None


def test_an_address_is_in_its_networks_however_it_is_written() -> None:
    networks = [found for found in map(read_network, ("203.0.113.0/24", "2001:db8::/32")) if found]
    for text in ("203.0.113.9", "::ffff:203.0.113.9", "2001:db8::5", "2001:db8::5%eth0"):
        address = read_address(text)
        assert address is not None
        assert contains(networks, address), text
    for text in ("203.0.114.1", "2001:db9::1", "::cb00:7109"):
        address = read_address(text)
        assert address is not None
        assert not contains(networks, address), text
    assert read_address("unknown") is None


def test_one_key_gives_another_no_network_that_it_has_not() -> None:
    home = [found for found in map(read_network, ("10.0.0.0/8", "2001:db8::/32")) if found]
    part = [found for found in map(read_network, ("10.1.0.0/16",)) if found]

    assert within(part, home)
    assert within(home, [])
    assert not within(home, part)
    assert not within([], home), "none means all"
    assert contains(home, ip_address("10.9.9.9"))


def test_a_key_uses_the_models_that_it_and_its_account_allow() -> None:
    assert both((), ()) == ()
    assert both(("a",), ()) == ("a",)
    assert both((), ("b",)) == ("b",)
    assert list(both(("a", "b"), ("b", "c"))) == ["b"]
    assert both(("a",), ("b",)) == NO_MODEL
