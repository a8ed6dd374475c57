from __future__ import annotations

import threading
import time

import pytest

from pipeline.polling import Polled


def test_everything_comes_in_order_and_the_waits_show_as_none():
    def slow():
        yield 1
        time.sleep(0.6)
        yield 2

    with Polled(slow()) as elements:
        got = list(elements)
    assert [element for element in got if element is not None] == [1, 2]
    assert None in got


def test_an_error_of_the_source_is_raised_where_it_is_consumed():
    def breaking():
        yield 1
        raise LookupError("gone")

    with Polled(breaking()) as elements:
        assert next(elements) == 1
        with pytest.raises(LookupError, match="gone"):
            list(elements)


def test_leaving_early_closes_the_source():
    closed = threading.Event()

    def endless():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    with Polled(endless()) as elements:
        assert next(elements) == 0
    assert closed.wait(5)


def test_leaving_early_ends_a_wait_for_the_next_element():
    asked, closed = threading.Event(), threading.Event()

    def waiting():
        try:
            yield 0
            assert asked.wait(30)
            raise LookupError("ended")
        finally:
            closed.set()

    began = time.monotonic()
    with Polled(waiting(), asked.set) as elements:
        assert next(elements) == 0
        assert next(elements) is None
    assert closed.is_set()
    assert time.monotonic() - began < 10
