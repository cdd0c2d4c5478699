"""A broker that takes nothing is started anew; one that is blocked, starts or is slow is left alone."""

from __future__ import annotations

import subprocess
from itertools import pairwise
from typing import Any

import pytest

from deploy.broker_watch import LONGEST_PAUSE_S, ROW, WELL, Answer, BrokerWatch

STUCK = (Answer.REFUSES, Answer.SILENT)
LEFT_ALONE = [each for each in Answer if each not in STUCK]


class Bed:
    """A broker that gives these answers, and says this of itself."""

    def __init__(self) -> None:
        self.answer, self.says, self.now = Answer.TAKES, WELL, 0.0
        self.queues: list[str] = []
        self.ended: list[str] = []
        broker: Any = self
        self.watch = BrokerWatch(broker, self.ended.append, ask=self.ask, clock=lambda: self.now)

    def ask(self, _broker: object, queue: str, _deadline_s: float) -> Answer:
        self.queues.append(queue)
        return self.answer

    def ctl(self, *arguments: str) -> str:
        if self.says == "nothing":
            raise subprocess.CalledProcessError(69, arguments)
        return self.says

    def looks(self, times: int, answer: Answer) -> None:
        self.answer = answer
        for _ in range(times):
            self.now += 10
            self.watch.look()


@pytest.fixture
def bed() -> Bed:
    return Bed()


@pytest.mark.parametrize("answer", STUCK)
def test_one_that_takes_nothing_several_times_in_a_row_is_ended_and_it_is_said_why(bed: Bed, answer: Answer) -> None:
    bed.looks(ROW - 1, answer)
    assert not bed.ended
    bed.looks(1, answer)
    assert bed.ended == [f"it lives and {answer}, {ROW} times in a row, and no alarm stands"]


@pytest.mark.parametrize("answer", LEFT_ALONE)
def test_one_that_is_blocked_or_away_or_well_is_left_alone(bed: Bed, answer: Answer) -> None:
    bed.looks(100, answer)
    assert not bed.ended


def test_one_that_is_away_in_between_is_no_better(bed: Bed) -> None:
    for _ in range(ROW):
        bed.looks(1, Answer.REFUSES)
        bed.looks(5, Answer.AWAY)
    assert len(bed.ended) == 1


@pytest.mark.parametrize("between", [Answer.TAKES, Answer.BLOCKED])
def test_only_a_row_counts(bed: Bed, between: Answer) -> None:
    for _ in range(10):
        bed.looks(ROW - 1, Answer.REFUSES)
        bed.looks(1, between)
    assert not bed.ended


@pytest.mark.parametrize("says", ["{false,[]}", "{true,[{{resource_limit,disk,n@h},[]}]}", "nothing", ""])
def test_what_it_says_of_itself_counts_more(bed: Bed, says: str) -> None:
    bed.says = says
    bed.looks(20, Answer.REFUSES)
    assert not bed.ended
    bed.says = "{true,\n []}\n"
    bed.looks(1, Answer.REFUSES)
    assert len(bed.ended) == 1


def test_where_starting_does_not_help_it_is_tried_less_and_less_on_a_new_queue(bed: Bed) -> None:
    at: list[float] = []
    while len(at) < 9:
        bed.looks(1, Answer.REFUSES)
        at += [bed.now] * (len(bed.ended) - len(at))
    pauses = [later - before for before, later in pairwise(at)]
    assert pauses == sorted(pauses)
    assert pauses[0] >= 60
    assert pauses[-1] == LONGEST_PAUSE_S
    assert len(set(bed.queues)) == 9


def test_once_it_takes_events_after_the_pause_the_next_time_is_a_first_time(bed: Bed) -> None:
    for _ in range(5):
        bed.looks(ROW, Answer.REFUSES)
        bed.looks(10, Answer.TAKES)
    assert len(bed.ended) == 5


def test_one_that_takes_a_single_event_after_each_start_is_not_ended_each_time(bed: Bed) -> None:
    for _ in range(500):
        bed.looks(ROW, Answer.REFUSES)
        bed.looks(1, Answer.TAKES)
    assert len(bed.ended) < 200


def test_a_watch_lives_on_whatever_happens(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_broker: object, queue: str, _deadline_s: float) -> Answer:
        bed.queues.append(queue)
        raise KeyboardInterrupt if len(bed.queues) == 3 else ValueError("a torn frame")

    monkeypatch.setattr("deploy.broker_watch.EVERY_S", 0)
    bed.watch.ask = failing
    with pytest.raises(KeyboardInterrupt):
        bed.watch._run()
