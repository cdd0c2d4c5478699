"""Passwords: their hashes, each of which takes tens of milliseconds on purpose, and which are too easy to guess."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Sequence

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from services.workorders.domain.members import WrongCredentials
from shared.errors import Invalid

# OWASP's second recommendation for argon2id: 19 MiB, two passes, one lane.
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# The hash of a secret that nobody knows: looking an unknown name up takes as long as looking a known one up.
NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$YQyKIooEfb8xhgmhJL/A8A$wwN6LEf1RmWitYhRqZPW7HQqx7MTAY6VOuAvpS/FpuQ"


LEAST_GUESSES = 2 * 10**8
LEAST_LETTERS = 10  # different ones in a device's key
LOOKED_AT = 40  # characters: what follows makes it no weaker, and looking takes longer and longer
# What zxcvbn, whose lists are English, lacks: words and numbers that sound like words.
CHINESE = (
    "woaini", "woaiwojia", "woaizhongguo", "aini", "nihao", "mima", "zhongguo", "beijing", "shanghai", "guangzhou",
    "shenzhen", "wuhan", "chengdu", "hangzhou", "nanjing", "laopo", "laogong", "baobao", "baobei", "wangzhe",
    "5201314", "1314520", "521521", "520520", "147258369", "woaini1314", "admin888", "wo ai ni", "woshishui",
    "我爱你", "中国", "密码", "你好", "管理员", "路灯", "城管", "市政",
)  # fmt: skip
# Words in characters that are about cities and this trade; in pinyin, any few syllables are found by themselves.
TRADE = (
    "城市管理", "城管", "市政", "路灯", "照明", "井盖", "下水道", "排水", "防汛", "道路", "公路", "桥梁", "设施",
    "养护", "维修", "巡查", "调度", "值班", "指挥中心", "中心", "管理", "监控", "执法", "大队", "公司", "处", "局",
    "所", "科", "队", "城市", "市", "区", "县", "省", "街道", "中国", "北京", "上海", "天津", "重庆", "广州", "深圳",
    "长沙", "武汉", "南京", "杭州", "成都", "西安", "郑州", "济南", "青岛", "大连", "沈阳", "哈尔滨", "长春", "福州",
    "厦门", "南昌", "合肥", "昆明", "贵阳", "南宁", "海口", "太原", "石家庄", "兰州", "西宁", "银川", "拉萨",
    "乌鲁木齐", "呼和浩特", "苏州", "无锡", "宁波", "湖南", "湖北", "广东", "广西", "河南", "河北", "江苏", "浙江",
    "四川", "密码", "你好", "我爱你", "管理员", "年", "月", "日",
)  # fmt: skip
DIGITS = str.maketrans(
    {digit: str(value) for row in ("〇一二三四五六七八九", "零壹贰叁肆伍陆柒捌玖") for value, digit in enumerate(row)}
    | {"十": "10", "拾": "10"}
)
SYLLABLE = re.compile(
    "(?:[zcs]h|[bpmfdtnlgkhjqxrzcsyw])?(?:iang|iong|uang|ang|eng|ing|ong|ian|iao|uai|uan|ai|ei|ao|ou|an|en|in|un|ia|ie|iu"
    "|ua|ui|uo|ue|ve|er|a|o|e|i|u|v)"
)
DATE = re.compile(r"(?:19|20)\d\d[-./年 ]?(?:1[0-2]|0?[1-9])[-./月 ]?(?:[12]\d|3[01]|0?[1-9])?[日号]?")
YEAR = re.compile(r"(?:19|20)\d\d年?")
# Guesses. Of the names that three syllables can make, people bear few.
A_WORD, A_NAME, A_SYLLABLE, A_DATE = 30, 1_000, 100, 10_000
OURS = ("waywarden", "admin", "administrator", "streetlight", "dispatcher", "inspector", "operator", "controller")


class WeakPassword(Invalid):
    """This password is too easy to guess."""

    slug = "weak-password"
    zh = "密码过于简单"


def checked_and_hashed(password: str, name: str, field: str = "password") -> str:
    """The hash of a new password for this account. Raises WeakPassword."""
    check_strength(password, name, field)
    return hash_secret(password)


def check_strength(password: str, name: str, field: str = "password") -> None:
    """Raises WeakPassword where it is common, a pattern, or made of names, words of the trade, and numbers."""
    parts = [each for each in re.split(r"\W|_", name.lower()) if each]
    bare = [each.rstrip("0123456789") for each in parts]
    words = [name, *parts, "".join(parts), name[::-1], "".join(parts)[::-1], *bare, "".join(bare), *CHINESE, *OURS]
    text = unicodedata.normalize("NFKC", password[:LOOKED_AT]).lower().translate(DIGITS)[:LOOKED_AT]
    if len(set(password)) < 5 or min(guesses(text, words), guesses_by_parts(text, words)) < LEAST_GUESSES:
        raise WeakPassword("It is common, or follows a pattern. Some words in a row are better.", field=field)


def guesses(text: str, words: Sequence[str]) -> float:
    """How many tries it takes, as zxcvbn reckons."""
    from zxcvbn import zxcvbn  # here, since its lists take memory, and few ever change a password

    return float(zxcvbn(text, list(words))["guesses"])


def guesses_by_parts(text: str, words: Sequence[str]) -> float:
    """How many tries it takes where all letters are known words and syllables of pinyin; no end otherwise.

    zxcvbn takes 10,000 tries for each place where two words meet, so that a name with a date seems strong to it.
    """
    known = sorted(
        {each.lower() for each in (*words, *TRADE) if len(each) > 2 or not each.isascii()} | {*TRADE}, key=len
    )
    rest, dates = DATE.subn(" ", text)
    rest, years = YEAR.subn(" ", rest)
    rest, found = re.subn("|".join(map(re.escape, reversed(known))), " ", rest)
    syllables = [fewest_syllables(each) for each in re.findall("[a-z]+", rest)]
    if (rest == text and not syllables) or not all(syllables):
        return float("inf")
    letters = A_NAME * A_SYLLABLE ** max(sum(syllables) - 3, 0) if syllables else 1
    left = re.sub(r"[a-z\s_./-]+", "", rest)
    parts = letters * float(A_WORD) ** (found + years) * float(A_DATE) ** dates
    return parts * guesses(left, words) if left else parts


def fewest_syllables(letters: str) -> int:
    """How many syllables of pinyin these letters are, at the least; 0 when they are something else."""
    fewest = {0: 0}
    for end in range(1, len(letters) + 1):
        fits = [n for n in range(max(end - 6, 0), end) if n in fewest and SYLLABLE.fullmatch(letters, n, end)]
        if fits:
            fewest[end] = 1 + min(fewest[n] for n in fits)
    return fewest.get(len(letters), 0)


def check_key(key: str) -> None:
    """Raises WeakPassword where a device's key was hardly drawn at random: a quick hash does not protect such a one."""
    if len(set(key)) < LEAST_LETTERS:
        raise WeakPassword("It is not random. Leave it out, and one is made.", field="device_key")


def hash_secret(secret: str) -> str:
    return HASHER.hash(secret)


def check_secret(known: str | None, secret: str) -> None:
    """Compare a secret with the account's hash, ``None`` where there is no account. Raises WrongCredentials."""
    try:
        HASHER.verify(known or NOBODY, secret)
    except (VerifyMismatchError, InvalidHashError) as wrong:
        raise WrongCredentials() from wrong
    if known is None:
        raise WrongCredentials()


def new_device_key() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def new_password() -> str:
    """A password that nobody can guess: 120 bits, easy to copy."""
    return secrets.token_urlsafe(15)
