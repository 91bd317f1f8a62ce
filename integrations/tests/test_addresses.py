import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.addresses import is_public, resolve


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.0.1.1", "223.255.255.254"],
)
def test_it_lets_public_ipv4_pass(address):
    assert is_public(address)


@pytest.mark.parametrize("address", ["2606:4700::6810:84e5", "2a00:1450:4001:82a::200e", "2001:4860:4860::8888"])
def test_it_lets_public_ipv6_pass(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.0.170",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
    ],
)
def test_it_stops_ipv4_that_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b:1::a00:1",
        "100::1",
        "2001::1",
        "2001:0:7f00:1::",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_it_stops_ipv6_that_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "text", ["", "localhost", "0177.0.0.1", "0x7f.1", "2130706433", "①②⑦.0.0.1", "1.1.1.1/32", "1.1.1"]
)
def test_it_stops_what_is_no_address(text):
    assert not is_public(text)


@settings(deadline=None, max_examples=200)
@given(st.ip_addresses())
def test_it_never_passes_what_the_library_calls_private(address):
    if (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
    ):
        assert not is_public(str(address))


@settings(deadline=None, max_examples=50)
@given(st.ip_addresses(v=4))
def test_it_never_passes_ipv4_in_the_clothes_of_ipv6(address):
    for prefix in ("::", "::ffff:0:0", "64:ff9b::"):
        disguised = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | int(address))
        assert not is_public(str(disguised))


def test_it_resolves_a_name_to_the_addresses_of_the_system():
    assert "127.0.0.1" in resolve("localhost")


@pytest.mark.parametrize("name", ["no-such-host.invalid", "a" * 300, "a..b", "\udcff"])
def test_it_has_no_address_for_a_name_that_does_not_resolve(name):
    assert resolve(name) == []
