from __future__ import annotations

import signal
import threading

import pytest

from jobs.stopping import stopping
from pipeline.report import StopSignal


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_a_second_sigint_leaves(signum):
    stop, told, left = StopSignal(), [], []
    with stopping(stop, told.append, lambda: left.append(True), 30.0):
        signal.raise_signal(signum)
        assert (stop.requested, stop.signum, left) == (True, signum, [])
        signal.raise_signal(signal.SIGTERM)
        assert left == []
        signal.raise_signal(signal.SIGINT)
        assert left == [True]
    assert stop.signum == signum
    [message] = told
    assert "for up to 30 s" in message


def test_handlers_are_as_before_afterwards():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with stopping(StopSignal(), print, lambda: None, 30.0):
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_signal_in_the_middle_of_a_write_waits_for_its_end():
    writing, told = threading.Lock(), []

    def tell(message: str) -> None:
        with writing:
            told.append(message)

    with stopping(StopSignal(), tell, lambda: None, 30.0), writing:
        signal.raise_signal(signal.SIGINT)
        assert told == []
    assert len(told) == 1
