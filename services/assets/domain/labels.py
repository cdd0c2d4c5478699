"""Label sheets: where each label lies on an A4 page, and what stands on it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from unicodedata import normalize
from urllib.parse import quote, unquote, urlsplit

from shared.errors import NotFound

A4_MM = (210.0, 297.0)
MOST_LABELS = 1_000
EDGE_MM = 8.0  # what printers leave blank around a page


class NothingToPrint(NotFound):
    """No facility was found to print a label for."""

    slug = "nothing-to-print"
    zh = "没有可打印标签的设施"


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Labels in columns and rows; lengths in millimetres. ``across_mm`` and ``down_mm`` are the gaps between them."""

    columns: int
    rows: int
    width_mm: float
    height_mm: float
    left_mm: float
    top_mm: float
    across_mm: float = 0.0
    down_mm: float = 0.0

    @property
    def size(self) -> int:
        return self.columns * self.rows

    def places(self) -> Iterator[tuple[float, float]]:
        """The upper left corner of each label from the upper left of the page, (right, down), row by row."""
        for row in range(self.rows):
            for column in range(self.columns):
                yield (
                    self.left_mm + column * (self.width_mm + self.across_mm),
                    self.top_mm + row * (self.height_mm + self.down_mm),
                )


# Sheets as shops sell them, by columns, rows and the size of a label.
SHEETS = {
    "3x8-70x37": Sheet(columns=3, rows=8, width_mm=70, height_mm=37, left_mm=0, top_mm=0.5),
    "3x7-63.5x38.1": Sheet(columns=3, rows=7, width_mm=63.5, height_mm=38.1, left_mm=7.25, top_mm=15.15, across_mm=2.5),
    "2x7-99.1x38.1": Sheet(columns=2, rows=7, width_mm=99.1, height_mm=38.1, left_mm=4.65, top_mm=15.15, across_mm=2.5),
}
USUAL = "3x8-70x37"


def divided(columns: int, rows: int) -> Sheet:
    """A page without precut labels, divided evenly inside its printable edge."""
    width, height = A4_MM[0] - 2 * EDGE_MM, A4_MM[1] - 2 * EDGE_MM
    return Sheet(
        columns=columns, rows=rows, width_mm=width / columns, height_mm=height / rows, left_mm=EDGE_MM, top_mm=EDGE_MM
    )


@dataclass(frozen=True, kw_only=True)
class Label:
    """What stands on one label; ``opens`` is the address in its QR code."""

    code: str
    kind_zh: str
    kind_en: str
    street: str
    opens: str


def address_of(public_url: str, code: str) -> str:
    """The address that opens a facility, as short as can be: every letter makes the QR code finer."""
    return f"{public_url.rstrip('/')}/f/{quote(code, safe='')}"


class Reach(StrEnum):
    """Who can open the address in a QR code, as far as the address itself tells."""

    ANYBODY = "anybody"
    INSIDE = "inside"
    NOBODY = "nobody"


THIS_MACHINE = ("localhost", "localdomain", "ip6-localhost", "ip6-loopback")  # RFC 6761, Debian's /etc/hosts
EXAMPLES = ("example", "example.com", "example.net", "example.org", "invalid", "test")  # RFC 2606
# RFC 6762 (appendix G too), RFC 8375, and what ICANN keeps for private use.
PRIVATE = ("local", "internal", "intranet", "private", "corp", "home", "lan", "home.arpa")
SELF_ASSIGNED = ("is_loopback", "is_unspecified", "is_link_local", "is_multicast")

NOTICES = {
    Reach.NOBODY: (
        "请勿粘贴：手机扫码打不开这些标签。",
        "Do not put these labels up: no phone can open them.",
        "",
        "二维码中的地址，手机打不开：",
        "The QR codes hold an address that phones cannot open:",
        "{url}",
        "",
        "请把设置 WAYWARDEN_PUBLIC_URL 改为手机能打开的地址，重启后再打印。",
        "Set WAYWARDEN_PUBLIC_URL to one that phones reach, restart, print again.",
    ),
    Reach.INSIDE: (
        "请注意：这些标签只在内部网络中能打开。",
        "Mind: these labels open inside your own network only.",
        "",
        "二维码中的地址，手机用移动网络打不开：",
        "The QR codes hold an address that no phone can open over mobile data:",
        "{url}",
        "",
        "如供街上或公众扫码，请更改设置 WAYWARDEN_PUBLIC_URL，重启后再打印。",
        "If they are for the street, change WAYWARDEN_PUBLIC_URL, restart, print again.",
    ),
}


def notice_of(public_url: str) -> list[str]:
    """Lines to read before labels with this address are put up; none when anybody can open it."""
    return [line.format(url=public_url) for line in NOTICES.get(reach_of(public_url), ())]


def reach_of(public_url: str) -> Reach:
    """No name is looked up: what a name stands for here says nothing about what it does on the street."""
    host = _host(public_url)
    if address := _address(host):
        return _reach_of_address(address)
    if not host or _ends_in(host, THIS_MACHINE) or _ends_in(host, EXAMPLES):
        return Reach.NOBODY
    return Reach.INSIDE if "." not in host or _ends_in(host, PRIVATE) else Reach.ANYBODY


def _host(url: str) -> str:
    """As browsers read it: a host may be written with wide digits, ideographic dots or percent signs (WHATWG URL)."""
    try:
        return normalize("NFKC", unquote(urlsplit(url).hostname or "")).replace("。", ".").lower().rstrip(".")
    except ValueError:
        return ""


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """Also of an IPv4 address as browsers read it: 127.1, 0x7f000001, 2130706433."""
    try:
        found = ip_address(host)
    except ValueError:
        try:
            return IPv4Address(socket.inet_aton(host))
        except (OSError, ValueError):
            return None
    return getattr(found, "ipv4_mapped", None) or found


def _reach_of_address(address: IPv4Address | IPv6Address) -> Reach:
    if any(getattr(address, each) for each in SELF_ASSIGNED) or (address.version == 4 and address.is_reserved):
        return Reach.NOBODY
    return Reach.ANYBODY if address.is_global else Reach.INSIDE


def _ends_in(host: str, names: tuple[str, ...]) -> bool:
    return any(host == each or host.endswith(f".{each}") for each in names)
