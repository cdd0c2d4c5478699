"""So many reports of one address in an hour. Kept in memory, by each process for itself."""

from __future__ import annotations

import ipaddress
import time
from math import ceil

from shared.errors import TooMany

HOUR_S = 3_600.0
WIDE = 64  # bits of an IPv6 address that one household has in common (RFC 6177)


class TooManyReports(TooMany):
    """So many reports have come from this address within an hour."""

    slug = "too-many-reports"
    zh = "该地址一小时内上报次数过多"


class Hourly:
    """Counts by address; what is over an hour old is forgotten."""

    def __init__(self) -> None:
        self._times: dict[str, list[float]] = {}  # in the order of their last reports

    def take(self, address: str, most: int) -> None:
        """Count one more. Raises TooManyReports where there were ``most`` already."""
        now, key = time.monotonic(), _household(address)
        recent = [at for at in self._times.get(key, []) if at > now - HOUR_S]
        if len(recent) >= most:
            raise TooManyReports(retry_after_s=ceil(recent[0] + HOUR_S - now))
        self._times.pop(key, None)
        self._times[key] = [*recent, now]
        self._forget(now - HOUR_S)

    def _forget(self, before: float) -> None:
        while (first := next(iter(self._times))) and self._times[first][-1] <= before:
            del self._times[first]


def _household(address: str) -> str:
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    known = getattr(known, "ipv4_mapped", None) or known
    return str(ipaddress.ip_network((known, WIDE), strict=False)) if known.version == 6 else str(known)
