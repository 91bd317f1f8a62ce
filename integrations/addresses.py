"""Which addresses on the internet a fetch may go to."""

import ipaddress
import socket

_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
# A list of our own: `ipaddress.is_global` is true of multicast, NAT64 and, before Python 3.13, 6to4 and 192.0.0.8.
_DENIED_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
_DENIED_V6 = tuple(
    ipaddress.IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)


def is_public(address: str) -> bool:
    """Whether `address`, as the resolver spells it, belongs to a host on the public internet.

    Of IPv6 only 2000::/3 is public, which leaves out every form that carries an IPv4 address but 6to4 and Teredo.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return not any(parsed in network for network in _DENIED_V4)
    return parsed in _PUBLIC_V6 and not any(parsed in network for network in _DENIED_V6)


def resolve(host: str) -> list[str]:
    """The addresses of `host` in the system's order of preference; none if the name cannot be resolved."""
    try:
        answers = socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))
