"""The few ways a use case may refuse. Each has a stable slug for machines and a title in English and Chinese.

Subclass a kind in a service's ``domain.py``: the docstring is the English title, ``zh`` the Chinese one.
"""

from __future__ import annotations

from typing import Self


class Refused(Exception):
    """The request was refused."""

    slug = "refused"
    zh = "请求被拒绝"

    def __init__(self, detail: str = "", *, field: str | None = None, retry_after_s: int | None = None) -> None:
        """``field`` names the input at fault; ``retry_after_s`` says when another try makes sense."""
        super().__init__(detail or self.title())
        self.detail = detail or self.title()
        self.field = field
        self.retry_after_s = retry_after_s

    @classmethod
    def title(cls) -> str:
        return (cls.__doc__ or "").strip().splitlines()[0]


class Malformed(Refused):
    """The request could not be read."""

    slug = "malformed"
    zh = "请求无法解析"


class Unauthenticated(Refused):
    """A valid token is needed."""

    slug = "unauthenticated"
    zh = "需要有效的令牌"


class Forbidden(Refused):
    """This role may not do that."""

    slug = "forbidden"
    zh = "无权操作"


class NotFound(Refused):
    """There is no such thing."""

    slug = "not-found"
    zh = "未找到"
    foreign = False

    def but_there(self, there: bool) -> Self:
        """Note whether it is only not the caller's to see: for the audit trail, the answer is the same."""
        self.foreign = there
        return self


class MethodNotAllowed(Refused):
    """This address does not take that method."""

    slug = "method-not-allowed"
    zh = "不支持该方法"


class Conflict(Refused):
    """The request does not fit the present state."""

    slug = "conflict"
    zh = "与当前状态冲突"


class Repeated(Conflict):
    """This id was used before, with another request."""

    slug = "repeated-with-another-body"
    zh = "该编号已用于另一请求"


class Stale(Refused):
    """The thing has changed since it was read."""

    slug = "stale"
    zh = "数据已被更新，请重新读取"


class TooLarge(Refused):
    """The body is too large."""

    slug = "too-large"
    zh = "请求体过大"


class UnsupportedMedia(Refused):
    """The body is of a kind that is not read here."""

    slug = "unsupported-media-type"
    zh = "不支持的内容类型"


class Invalid(Refused):
    """The request breaks a rule."""

    slug = "invalid"
    zh = "请求不符合规则"


class TooMany(Refused):
    """Too many tries; wait a little."""

    slug = "too-many"
    zh = "请求过于频繁，请稍后再试"


class Unavailable(Refused):
    """The service cannot answer just now."""

    slug = "unavailable"
    zh = "服务暂不可用"


def expect(revision: int, expected: int | None) -> None:
    """Refuse with ``Stale`` when the caller read another revision than the present one (If-Match)."""
    if expected is not None and expected != revision:
        raise Stale(f"The revision is now {revision}, not {expected}.")
