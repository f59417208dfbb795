"""Which URLs may be fetched, and which addresses may be connected to."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.fetch.addresses import NotAllowedError, Rules, is_private, is_public, origin, rules_for

ANYBODY = Rules()

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "168.63.129.15",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.167.255.255",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:4860:4860::8888",
    "2001:200::1",
    "2003::1",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
]
FORBIDDEN = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700:4700::1111%1",
    "fec0::1",
    "ff02::1",
]

FETCHABLE = {
    "https://example.com": "https://example.com/",
    "http://example.com/a": "http://example.com/a",
    "HTTPS://EXAMPLE.COM./a#part": "https://example.com/a",
    "https://example.com:443/a": "https://example.com/a",
    "https://example.com:8443/a": "https://example.com:8443/a",
    "http://example.com:/a": "http://example.com/a",
    "http://1.1.1.1/a": "http://1.1.1.1/a",
    "http://[2606:4700:4700::1111]:8080/a": "http://[2606:4700:4700::1111]:8080/a",
    "https://a_b.example.com/": "https://a_b.example.com/",
    # Signatures cover path and query as they are.
    "https://b.example.com/%7Ea%2fb?X-Sig=a%2Fb%2bc+d&e=~": "https://b.example.com/%7Ea%2fb?X-Sig=a%2Fb%2bc+d&e=~",
    "https://bücher.example/ä?q=ü": "https://xn--bcher-kva.example/%C3%A4?q=%C3%BC",
    "https://ex。ample.com/": "https://ex.ample.com/",
}

REFUSED = [
    "",
    "example.com",
    "//example.com/",
    "/etc/passwd",
    "file:///etc/passwd",
    "ftp://example.com/",
    "gopher://example.com/",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
    "unix:///var/run/docker.sock",
    "http:",
    "http:/example.com/",
    "http:example.com",
    "http:///example.com",
    "http://",
    "http://:80/",
    "http://user@example.com/",
    "http://user:secret@example.com/",
    "http://:@example.com/",
    "http://@example.com/",
    "http://1.1.1.1@127.0.0.1/",
    "http://127.0.0.1%2f@example.com/",
    "http://example.com\\@127.0.0.1/",
    "http://example.com\\.evil.example/",
    " http://example.com/",
    "http://example.com/ ",
    "http://example.com/a b",
    "http://example.com/\r\nHost: x",
    "http://example.com/\t",
    "http://example.com/\x00",
    "http://exa mple.com/",
    "http://exa%6dple.com/",
    "http://example.com:0/",
    "http://example.com:99999/",
    "http://example.com:-1/",
    "http://example.com:x/",
    "http://example.com:22/",
    "http://example.com:25/",
    "http://example.com:81/",
    "http://example.com:1023/",
    "http://example.com:6000/",
    "http://example.com:6667/",
    "http://example.com:10080/",
    "http://localhost/",
    "http://localhost./",
    "http://app.localhost/",
    "http://intranet/",
    "http://printer.local/",
    "http://metadata.google.internal/",
    "http://METADATA.GOOGLE.INTERNAL./",
    "http://router.home.arpa/",
    "http://x.onion/",
    "http://.example.com/",
    "http://example..com/",
    "http://-example.com/",
    "http://" + "a" * 64 + ".com/",
    "http://" + "a." * 130 + "com/",
    "http://example.com/" + "a" * 9000,
    # Addresses in every spelling that some library takes for one.
    "http://127.0.0.1/",
    "http://127.0.0.1./",
    "http://127.1/",
    "http://127.0.1/",
    "http://0/",
    "http://0x7f.1/",
    "http://0x7f000001/",
    "http://0x7f.0x0.0x0.0x1/",
    "http://0177.0.0.1/",
    "http://127.0.0.01/",
    "http://2130706433/",
    "http://017700000001/",
    "http://1.1.1.1.1/",
    "http://8.8.2056/",
    "http://256.1.1.1/",
    "http://example.0x/",
    "http://①②⑦.⓪.⓪.①/",
    "http://１２７.0.0.1/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[0:0:0:0:0:ffff:7f00:1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://[::1/",
    "http://[1::2::3]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
]


@pytest.mark.parametrize("text", PUBLIC)
def test_addresses_of_the_open_internet_are_public(text):
    assert is_public(ip_address(text))
    assert ANYBODY.admits("example.com", 443, ip_address(text))


@pytest.mark.parametrize("text", FORBIDDEN)
def test_addresses_that_reach_inside_are_not_public(text):
    assert not is_public(ip_address(text))
    assert not ANYBODY.admits("example.com", 443, ip_address(text))


@given(st.ip_addresses(v=4))
def test_no_address_is_public_that_python_knows_as_private(address: IPv4Address):
    if address.is_private or address.is_multicast or address.is_reserved or address.is_link_local:
        assert not is_public(address)


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_is_public_that_python_knows_as_private(address: IPv6Address):
    private = address.is_private or address.is_multicast or address.is_link_local
    if private or address.ipv4_mapped or address.sixtofour or address.teredo:
        assert not is_public(address)


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_hides_in_an_ipv6_form(address: IPv4Address):
    number = int(address)
    forms = (
        number,
        0xFFFF << 32 | number,
        0xFFFF << 48 | number,
        0x64_FF9B << 96 | number,
        0x64_FF9B_0001 << 80 | number,
        0x2002 << 112 | number << 80,
        0x2001 << 112 | number << 64,
    )
    assert not any(is_public(IPv6Address(form)) for form in forms)


@given(st.ip_addresses())
def test_no_address_is_both_public_and_private(address):
    assert not (is_public(address) and is_private(address))


@pytest.mark.parametrize(("text", "target"), FETCHABLE.items())
def test_a_public_url_is_taken_as_it_is(text, target):
    assert str(ANYBODY.target(text)) == target


@pytest.mark.parametrize("text", REFUSED)
def test_a_url_that_leads_elsewhere_is_refused(text):
    with pytest.raises(NotAllowedError) as refused:
        ANYBODY.target(text)

    assert str(refused.value) == ""  # says nothing of the URL


@given(st.one_of(st.text(max_size=60), st.text(max_size=40).map(lambda rest: f"http://{rest}")))
def test_any_text_is_a_target_or_refused(text):
    try:
        url = ANYBODY.target(text)
    except NotAllowedError:
        return
    assert url.scheme in {"http", "https"}
    assert (url.user, url.password, url.fragment) == (None, None, "")
    assert url.raw_host
    assert str(ANYBODY.target(str(url))) == str(url)


@given(st.ip_addresses(), st.sampled_from(["http://{}/", "https://{}:8443/x"]))
def test_a_literal_address_is_a_target_only_if_it_is_public(address, form):
    host = f"[{address}]" if address.version == 6 else str(address)
    try:
        ANYBODY.target(form.format(host))
    except NotAllowedError:
        assert not is_public(address)
    else:
        assert is_public(address)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b?c", "https://example.com/b?c"),
        ("b", "https://example.com/x/b"),
        ("?c", "https://example.com/x/y?c"),
        ("//other.example/b", "https://other.example/b"),
        ("https://other.example/%7e?s=%2B", "https://other.example/%7e?s=%2B"),
        ("https://other.example/ä", "https://other.example/%C3%A4"),
    ],
)
def test_a_redirect_is_followed_like_a_url_of_its_own(location, target):
    assert str(ANYBODY.follow(ANYBODY.target("https://example.com/x/y"), location)) == target


@pytest.mark.parametrize(
    "location",
    [
        "http://example.com/",  # downgrade
        "https://127.0.0.1/",
        "//169.254.169.254/",
        "file:///etc/passwd",
        "https://a@example.org/",
        "https://example.com:22/",
        "data:,x",
        "\udcff\udcfe",
        "https://[",
    ],
)
def test_a_redirect_elsewhere_is_refused(location):
    with pytest.raises(NotAllowedError):
        ANYBODY.follow(ANYBODY.target("https://example.com/x/y"), location)


CHANNEL = rules_for(
    "http://127.0.0.1:9000/v1", frozenset({"files.corp", "*.cdn.example", "10.0.0.7:8080", "::1"})
)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9000/files/a",
        "https://files.corp/a",
        "https://a.b.cdn.example/a",
        "http://10.0.0.7:8080/a",
        "http://[::1]:8080/a",
        "https://example.com/a",
    ],
)
def test_a_channel_reaches_what_its_operator_named_and_the_open_internet(url):
    CHANNEL.target(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9001/a",
        "http://127.0.0.2:9000/a",
        "http://10.0.0.7:8081/a",
        "http://corp/a",
        "https://files.corp:22/a",
        "https://a%2f.cdn.example/",
        "http://169.254.169.254/a",
    ],
)
def test_a_channel_reaches_nothing_else_inside(url):
    with pytest.raises(NotAllowedError):
        CHANNEL.target(url)


@pytest.mark.parametrize(
    ("host", "port", "address", "admitted"),
    [
        ("files.corp", 443, "10.1.2.3", True),
        ("files.corp", 443, "fd12::1", True),
        ("a.cdn.example", 443, "192.168.1.1", True),
        ("cdn.example", 443, "192.168.1.1", False),
        ("evilcdn.example", 443, "192.168.1.1", False),
        ("example.com", 443, "10.1.2.3", False),
        ("127.0.0.1", 9000, "127.0.0.1", True),
        ("files.corp", 443, "169.254.169.254", False),
        ("files.corp", 443, "fe80::1", False),
        ("files.corp", 443, "fd00:ec2::254", False),
        ("files.corp", 443, "100.100.100.200", False),
        ("files.corp", 443, "168.63.129.16", False),
        ("files.corp", 443, "::ffff:10.0.0.1", False),
        ("files.corp", 443, "224.0.0.1", False),
    ],
)
def test_named_hosts_may_be_private_but_never_metadata(host, port, address, admitted):
    assert CHANNEL.admits(host, port, ip_address(address)) is admitted


def test_tests_may_allow_a_network():
    rules = Rules(networks=(ip_network("127.0.0.0/8"),))

    assert rules.admits("example.com", 80, ip_address("127.0.0.1"))
    assert not rules.admits("example.com", 80, ip_address("10.0.0.1"))


def test_the_origin_has_the_default_port():
    assert origin(ANYBODY.target("https://Example.com/a")) == ("https", "example.com", 443)
