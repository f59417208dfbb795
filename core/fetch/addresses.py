"""Which URLs may be fetched, and which addresses may be connected to. Pure.

A URL that somebody else chose must not lead into the operator's own network. So a name is
never trusted: every address that it resolves to is judged, and the connection goes to an
address that was judged. Sources: the IANA special-purpose address registries (RFC 6890 and
what followed it), and the Fetch standard's list of bad ports.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from yarl import URL

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Origin = tuple[str, str, int]
"""Scheme, host and port."""

MAXIMUM_LENGTH = 8192
"""Characters of a URL; presigned ones take up to about 2,000."""


class NotAllowedError(Exception):
    """A URL or an address that may not be fetched. It says nothing more, on purpose."""


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


_UNICAST6 = IPv6Network("2000::/3")
"""The only IPv6 space that is given out. Mapped addresses (::ffff:0:0/96), NAT64
(64:ff9b::/96, 64:ff9b:1::/48), loopback, ULA, link-local, site-local and multicast are
all outside."""
_SPECIAL = _networks(
    "0.0.0.0/8",  # this network
    "10.0.0.0/8",
    "100.64.0.0/10",  # carrier-grade NAT; Alibaba's metadata is in it
    "127.0.0.0/8",
    "169.254.0.0/16",  # link-local; most clouds' metadata
    "172.16.0.0/12",
    "192.0.0.0/24",  # protocol assignments; Oracle's metadata
    "192.0.2.0/24",  # documentation
    "192.88.99.0/24",  # 6to4 relays
    "192.168.0.0/16",
    "198.18.0.0/15",  # benchmarks
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, and broadcast
    "168.63.129.16/32",  # Azure's host agent: of a public range, yet inside
    "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
    "2001:db8::/32",  # documentation
    "2002::/16",  # 6to4: holds any IPv4 address
    "3fff::/20",  # documentation
)
_PRIVATE = _networks(
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::1/128",
    "fc00::/7",
)
"""What an operator may mean by naming a host."""
_METADATA = frozenset(
    ip_address(text) for text in ("100.100.100.200", "fd00:ec2::254", "fd20:ce::254")
)
"""Credentials of the machine, inside private ranges: out of reach whoever names them."""

_BAD_PORTS = frozenset(
    {
        1719,
        1720,
        1723,
        2049,
        3659,
        4045,
        4190,
        5060,
        5061,
        6000,
        6566,
        6697,
        10080,
        *range(6665, 6670),
    }
)
"""Services that are not HTTP and can be hurt by a request."""

_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_][a-z0-9_-]{0,62}(\.[a-z0-9_][a-z0-9_-]{0,62})*\Z")
_NUMERIC = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)\Z")
"""`0x7f.1`, `2130706433`: an IPv4 address to a C library, whatever it looks like."""
_INSIDE = (".localhost", ".local", ".internal", ".home.arpa", ".onion")
"""Names that have a meaning only inside (RFC 6761, 6762, 7686, 8375, and ICANN's `internal`)."""
_ODD = re.compile(r"[\x00-\x20\x7f\\\ud800-\udfff]")
"""Never in a URL; the last are bytes of a header that were no UTF-8."""


def is_public(address: Address) -> bool:
    """Whether *address* belongs to the open internet, and to nothing that reaches inside."""
    if isinstance(address, IPv6Address) and (address.scope_id or address not in _UNICAST6):
        return False
    return not any(address in network for network in _SPECIAL)


def is_private(address: Address) -> bool:
    """Whether *address* is one that operators give their own machines."""
    if isinstance(address, IPv6Address) and address.scope_id:
        return False
    return address not in _METADATA and any(address in network for network in _PRIVATE)


def origin(url: URL) -> Origin:
    """The origin of a URL that `Rules.target` gave, or of a base URL of the catalogue."""
    return url.scheme, (url.raw_host or "").lower(), url.port or 0


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be fetched: the open internet, and what the operator named.

    `base` is the origin of a channel's base URL. `hosts` are its media hosts: `host`,
    `*.host` (any name below it), or either with `:port`. Only these may stand for private
    addresses; none of them ever for link-local addresses or a cloud's metadata. `networks`
    are allowed to everybody: for tests.
    """

    base: Origin | None = None
    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    def target(self, text: str) -> URL:
        """The URL in *text*, ready to be requested; raises NotAllowedError.

        http and https; ports 80, 443 and those from 1024 on that no browser refuses; no
        credentials; the host a full name or an address in its plain form. Path and query are
        kept as they are, because signatures may cover them; the fragment goes.
        """
        if len(text) > MAXIMUM_LENGTH or _ODD.search(text):
            raise NotAllowedError
        try:
            url = _plain(URL(text), URL(text, encoded=True), exact=text.isascii())
        except ValueError:
            url = None
        if url is None or not self._may_ask(url):
            raise NotAllowedError
        return url

    def follow(self, url: URL, location: str) -> URL:
        """Where a redirect from *url* leads; raises NotAllowedError.

        Never from https to http.
        """
        if _ODD.search(location):
            raise NotAllowedError
        try:
            joined = str(url.join(URL(location, encoded=location.isascii())))
        except ValueError:
            joined = ""
        target = self.target(joined)
        if url.scheme == "https" and target.scheme != "https":
            raise NotAllowedError
        return target

    def admits(self, host: str, port: int, address: Address) -> bool:
        """Whether *address* may be connected to for *host*, as in a URL of `target`."""
        if is_public(address) or any(address in network for network in self.networks):
            return True
        return is_private(address) and (self._is_base(host, port) or self._is_named(host, port))

    def _may_ask(self, url: URL) -> bool:
        host, port = url.raw_host or "", url.port or 0
        if self._is_base(host, port):
            return True
        if port not in {80, 443} and (port < 1024 or port in _BAD_PORTS):
            return False
        address = _address(host)
        if address is not None:
            return self.admits(host, port, address)
        if _NUMERIC.match(host) or not _HOST.match(host):
            return False
        if self._is_named(host, port):
            return True
        return "." in host and not host.endswith(_INSIDE)

    def _is_base(self, host: str, port: int) -> bool:
        return self.base is not None and self.base[1:] == (host, port)

    def _is_named(self, host: str, port: int) -> bool:
        return any(_matches(pattern.lower(), host, port) for pattern in self.hosts)


def rules_for(base_url: str, media_hosts: frozenset[str]) -> Rules:
    """The rules for results of a channel."""
    return Rules(origin(URL(base_url)), media_hosts)


def _plain(url: URL, raw: URL, *, exact: bool) -> URL | None:
    """The URL with its host in one form only; *raw* has path and query as they came."""
    host = (url.raw_host or "").lower().removesuffix(".")
    if url.scheme not in {"http", "https"} or not host or not url.port or "@" in raw.raw_authority:
        return None
    if ":" in host and _address(host) is None:
        return None
    source = raw if exact else url
    return URL.build(
        scheme=url.scheme,
        host=f"[{host}]" if ":" in host else host,
        port=url.port,
        path=source.raw_path or "/",
        query_string=source.raw_query_string,
        encoded=True,
    )


def _address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _matches(pattern: str, host: str, port: int) -> bool:
    forms = (host, f"{host}:{port}")
    if ":" in host:
        forms = (f"[{host}]", f"[{host}]:{port}")
    if pattern.startswith("*."):
        return _address(host) is None and any(form.endswith(pattern[1:]) for form in forms)
    return pattern in forms or pattern == host
