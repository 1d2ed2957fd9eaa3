"""Where a request comes from: the peer, or whom a proxy that is trusted says it speaks for."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from starlette.types import Scope

from gateway.engine.call import Address, Network


def address_of(scope: Scope, forwarded: str | None, proxies: Sequence[Network]) -> Address | None:
    """The address of whoever asks; None where it cannot be told.

    ``forwarded``, the text of ``X-Forwarded-For``, is read from its end, and only as far as
    every hop is a trusted proxy: whatever stands before that, anybody may have written.
    """
    client = scope.get("client")
    address = _parsed(client[0]) if client else None
    hops = [hop for hop in (forwarded or "").split(",") if hop.strip()]
    while hops and address is not None and any(address in proxy for proxy in proxies):
        address = _parsed(hops.pop())
    return address


@lru_cache(1024)
def _parsed(text: str) -> Address | None:
    """An address; one of IPv4 in IPv6's dress is one of IPv4."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
