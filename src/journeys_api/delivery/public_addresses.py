"""Which addresses of the internet protocol belong to the public, and which to a machine, a network or nobody.

The table is our own: what Python calls global has changed from release to release, and lacks what clouds keep for
themselves.

Source: reliability S78, S81; the special-purpose address registries of IANA.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

SPECIAL_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host; 0.0.0.0 reaches the machine itself
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by a provider's customers (CGNAT); metadata of one cloud
        "127.0.0.0/8",  # the machine itself
        "168.63.129.16/32",  # a cloud's agent, public by number only
        "169.254.0.0/16",  # link-local; metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; metadata of one cloud
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved; broadcast
    )
)
SPECIAL_V6 = tuple(
    IPv6Network(network)
    for network in (
        "::/3",  # the machine itself, IPv4-compatible and -mapped (::ffff:), NAT64 (64:ff9b::), discard (100::)
        "2001::/23",  # Teredo, ORCHID, benchmarks, other protocol assignments
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: holds an IPv4 address
        "3fff::/20",  # documentation
        "4000::/2",  # not assigned; segment routing (5f00::)
        "8000::/1",  # unique local (fc00::), link-local (fe80::), site-local (fec0::), multicast (ff00::)
    )
)


def is_public(address: Address, *, allowed: Iterable[Network] = ()) -> bool:
    """Whether a call may go to the address though a tenant chose it.

    Args:
        allowed: networks that the operator lets them reach although they are special.
    """
    if any(address in network for network in allowed if network.version == address.version):
        return True
    if isinstance(address, IPv4Address):
        return not any(address in network for network in SPECIAL_V4)
    return address.scope_id is None and not any(address in network for network in SPECIAL_V6)
