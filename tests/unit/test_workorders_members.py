"""Accounts, and how guessing is slowed down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.workorders import passwords
from services.workorders.domain.members import (
    FORGET_AFTER,
    FREE_TRIES,
    LONGEST_DELAY,
    Member,
    RefreshToken,
    Role,
    TooManyTries,
    Tries,
    WrongCredentials,
    delay_after,
)
from shared.errors import Invalid

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def tries(kind: str = "account") -> Tries:
    return Tries(key=f"{kind}:admin", last_at=NOON, free_at=NOON)


def test_the_first_tries_are_free_and_the_next_ones_wait_longer_and_longer() -> None:
    assert [delay_after(n).total_seconds() for n in (0, 1, 2, 3, 4)] == [0, 1, 2, 4, 8]


def test_no_delay_is_longer_than_a_minute_so_that_nobody_is_locked_out() -> None:
    assert delay_after(10_000) == LONGEST_DELAY


def test_a_try_during_the_delay_is_refused_with_the_seconds_to_wait() -> None:
    guessed = tries()
    for _ in range(FREE_TRIES["account"] + 1):
        guessed.count(NOON)
    with pytest.raises(TooManyTries) as refused:
        guessed.count(NOON)
    assert refused.value.retry_after_s == 1
    guessed.count(NOON + timedelta(seconds=1))


def test_a_right_secret_clears_the_account_but_only_one_try_of_the_address() -> None:
    account, address = tries(), tries("address")
    for each in (account, address):
        each.count(NOON)
        each.count(NOON)
        each.forgive(NOON)
    assert (account.failures, address.failures) == (0, 1)


def test_failures_are_forgotten_after_a_while() -> None:
    guessed = tries()
    for _ in range(5):
        guessed.count(NOON)
    guessed.count(NOON + FORGET_AFTER + timedelta(seconds=1))
    assert guessed.failures == 1


def test_a_member_of_a_crew_names_the_crew() -> None:
    with pytest.raises(Invalid):
        Member(name="fitter", role=Role.CREW, secret_hash="", created_at=NOON)


@pytest.mark.parametrize("spent", ["used_at", "revoked_at"])
def test_a_refresh_token_works_once_and_not_for_ever(spent: str) -> None:
    token = RefreshToken(
        token_hash="", family=uuid4(), member_id=uuid4(), issued_at=NOON, expires_at=NOON + timedelta(days=1)
    )
    assert token.is_fresh(NOON)
    assert not token.is_fresh(NOON + timedelta(days=1))
    setattr(token, spent, NOON)
    assert not token.is_fresh(NOON)


def test_only_the_right_password_fits_its_hash() -> None:
    known = passwords.hash_secret("correct horse")
    passwords.check_secret(known, "correct horse")
    for wrong in ("Correct horse", ""):
        with pytest.raises(WrongCredentials):
            passwords.check_secret(known, wrong)


def test_nobodys_hash_costs_as_much_as_anybodys() -> None:
    assert passwords.NOBODY.split("$")[:4] == passwords.hash_secret("anybody").split("$")[:4]
    with pytest.raises(WrongCredentials):
        passwords.check_secret(None, "anything")


def test_the_first_password_cannot_be_guessed() -> None:
    assert len({passwords.new_password() for _ in range(100)}) == 100
    assert len(passwords.new_password()) >= 20
