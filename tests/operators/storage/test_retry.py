import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.storage.retry import LONGEST_PAUSE_S, Retry, pause_s


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def make_retry(clock: Clock, timeout_s: float, draw: float = 0.5) -> Retry:
    return Retry(
        timeout_s,
        lambda error: isinstance(error, ConnectionError),
        clock=clock,
        sleep=clock.sleep,
        draw=lambda: draw,
    )


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_pauses_stay_within_their_bounds(attempt: int, draw: float) -> None:
    assert 0 <= pause_s(attempt, draw) < LONGEST_PAUSE_S
    assert pause_s(attempt, draw) <= pause_s(attempt + 1, draw)


@given(st.integers(1, 8))
def test_it_goes_on_until_it_succeeds(failures: int) -> None:
    seen: list[int] = []

    def attempt(number: int) -> str:
        seen.append(number)
        if number <= failures:
            raise ConnectionError
        return "done"

    assert make_retry(Clock(), 3600)(attempt) == "done"
    assert seen == list(range(1, failures + 2))


@given(st.floats(0.01, 300), st.floats(0.05, 0.999))
def test_it_gives_up_in_time_with_the_last_error(timeout_s: float, draw: float) -> None:
    clock, raised = Clock(), []

    def attempt(number: int) -> None:
        raised.append(ConnectionError(number))
        raise raised[-1]

    with pytest.raises(ConnectionError) as caught:
        make_retry(clock, timeout_s, draw)(attempt)
    assert caught.value is raised[-1]
    assert clock.now <= timeout_s


def test_what_cannot_be_mended_is_not_tried_again() -> None:
    calls = []

    def attempt(number: int) -> None:
        calls.append(number)
        raise KeyError

    with pytest.raises(KeyError):
        make_retry(Clock(), 3600)(attempt)
    assert calls == [1]


def test_a_pause_that_was_asked_for_is_kept_if_there_is_time() -> None:
    clock = Clock()
    retry = dataclasses.replace(make_retry(clock, 60), asked_s=lambda _: 25.0)
    with pytest.raises(ConnectionError):
        retry(_always_down)
    assert clock.now == 50.0


def _always_down(_: int) -> None:
    raise ConnectionError
