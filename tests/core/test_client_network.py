"""Core believes its own bridge, and bridges elsewhere by their token; nobody else.

Who lies about where it is is nowhere, and is counted all the same.
"""

from accounts.networks import NOWHERE
from core.body import Secret
from core.caller import Whence
from core.client_network import BRIDGE, CLIENT_IP, USER_AGENT, Clients

TOKEN = "t" * 32
TOLD = {CLIENT_IP: "198.51.100.1", USER_AGENT: "Firefox"}
KNOWN = Whence("198.51.100.1", "Firefox", "198.51.100.1/32", is_believed=True)


def test_a_bridge_in_this_process_is_believed() -> None:
    assert Clients().whence(TOLD, "local:") == KNOWN
    assert Clients().whence({}, "local:") == Whence("", "", NOWHERE, is_believed=True)


def test_a_bridge_elsewhere_is_believed_by_its_token() -> None:
    clients = Clients(Secret(TOKEN))

    assert clients.whence({**TOLD, BRIDGE: TOKEN}, "ipv4:10.0.0.5:40") == KNOWN
    assert clients.whence({**TOLD, BRIDGE: TOKEN}, "unix:") == KNOWN


def test_who_tells_an_address_without_the_token_is_nowhere_but_counted_where_it_is() -> None:
    for clients in (Clients(), Clients(Secret(TOKEN))):
        for shown in ({}, {BRIDGE: ""}, {BRIDGE: "wrong"}, {BRIDGE: b"bytes"}):
            lies = {**TOLD, **shown}
            assert clients.whence(lies, "ipv4:10.0.0.5:40") == Whence("", "", "10.0.0.5/32")
            assert clients.whence(lies, "unix:") == Whence("", "", NOWHERE)


def test_a_native_caller_is_where_its_connection_comes_from() -> None:
    clients = Clients(Secret(TOKEN))

    for peer, address, network in (
        ("ipv4:203.0.113.9:4711", "203.0.113.9", "203.0.113.9/32"),
        ("ipv6:%5B2001:db8::9%5D:4711", "2001:db8::9", "2001:db8::/64"),
        ("ipv6:[2001:db8::9]:4711", "2001:db8::9", "2001:db8::/64"),
    ):
        assert clients.whence({}, peer) == Whence(address, "", network)
    assert clients.whence({USER_AGENT: "x"}, "unix:") == Whence("", "", NOWHERE)
