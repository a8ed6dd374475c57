from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.base import Engine, EngineSpec, Request, Sampling
from operators.engines import build_engine
from operators.fake_answers import answer_text
from operators.fake_engine import FakeEngine, pixel_digest
from schemas.failure import EngineError, FailureCode, ItemFailure, UsageError
from tests.fixtures.engines import picture, video

SCHEMA = {
    "type": "object",
    "properties": {"caption": {"type": "string", "maxLength": 60}},
    "required": ["caption"],
    "additionalProperties": False,
}


def request(key: str = "item", *, id: str = "", schema=SCHEMA, shade: int = 0) -> Request:
    return Request(
        request_id=id or key,
        prompt="Describe it.",
        frames=picture(20, 10, shade),
        sampling=Sampling(max_tokens=64, json_schema=schema),
        media_key=key,
    )


def started(**options) -> FakeEngine:
    engine = FakeEngine(**options)
    engine.start()
    return engine


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    running = started()
    yield running
    running.shutdown()


def test_an_answer_tells_whose_pixels_it_is_made_of(engine: FakeEngine) -> None:
    asked, other = request("a"), request("a", id="b", shade=9)
    caption = json.loads(engine.submit(asked).result().text)["caption"]
    assert caption.startswith(pixel_digest(asked.frames))
    assert not caption.startswith(pixel_digest(other.frames))


def test_the_same_request_has_the_same_answer(engine: FakeEngine) -> None:
    first = engine.submit(request("a", id="1")).result()
    assert engine.submit(request("a", id="2")).result() == first
    assert engine.submit(request("c", id="3")).result().text != first.text


def test_image_tokens_are_those_of_the_family(engine: FakeEngine) -> None:
    completion = engine.submit(replace(request(), frames=video(5, 4, 4))).result()
    assert completion.image_tokens == 5 * 64
    assert completion.prompt_tokens > completion.image_tokens


def test_a_refused_item_fails_alone() -> None:
    engine = started(behaviours={"bad": "refuse"})
    good, bad = engine.submit(request("good")), engine.submit(request("very-bad-one"))
    with pytest.raises(ItemFailure) as caught:
        bad.result()
    assert caught.value.code is FailureCode.ENGINE_REFUSED
    assert good.result().finish_reason == "stop"
    engine.shutdown()


def test_a_dying_engine_takes_all_it_holds_with_it() -> None:
    engine = started(behaviours={"slow": "die"}, latency_s=0.3, concurrency=8)
    held = [engine.submit(request(key)) for key in ("slow-killer", "x", "y")]
    failures = [future.exception(timeout=5) for future in held]
    assert isinstance(failures[0], EngineError)
    assert not engine.alive
    later = engine.submit(request("z")).exception(timeout=5)
    assert isinstance(later, EngineError)
    engine.shutdown()


def test_garbage_is_given_a_counted_number_of_times() -> None:
    engine = started(behaviours={"odd": "garbage"}, garbage_tries=2)
    texts = [engine.submit(request("odd", id=str(n))).result().text for n in range(3)]
    for text in texts[:2]:
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)
    assert json.loads(texts[2])["caption"]
    engine.shutdown()


def test_a_cut_answer_and_a_blind_one_say_so() -> None:
    engine = started(behaviours={"cut": "cut", "blind": "blind"})
    assert engine.submit(request("cut")).result().finish_reason == "length"
    assert engine.submit(request("blind")).result().image_tokens == 0
    engine.shutdown()


def test_latency_and_concurrency_are_kept() -> None:
    engine = started(latency_s=0.1, concurrency=2)
    began = time.monotonic()
    for future in [engine.submit(request(str(n))) for n in range(6)]:
        future.result()
    assert 0.3 <= time.monotonic() - began < 2
    engine.shutdown()


def test_before_its_start_and_after_its_end_it_takes_nothing() -> None:
    engine = FakeEngine()
    assert isinstance(engine.submit(request()).exception(timeout=5), EngineError)
    engine.start()
    assert engine.alive
    engine.shutdown()
    engine.shutdown()
    assert isinstance(engine.submit(request()).exception(timeout=5), EngineError)


def test_what_is_in_flight_at_shutdown_fails() -> None:
    engine = started(latency_s=5)
    future = engine.submit(request())
    engine.shutdown()
    assert isinstance(future.exception(timeout=2), EngineError)


def test_a_schema_that_it_cannot_answer_is_not_swallowed(engine: FakeEngine) -> None:
    future = engine.submit(request(schema={"type": "object", "properties": {"x": {}}}))
    with pytest.raises(ValueError, match="cannot answer the schema"):
        future.result(timeout=5)


def test_it_is_built_by_name_and_wrong_options_are_refused() -> None:
    engine: Engine = build_engine(EngineSpec("fake", {"latency_s": 0.0}))
    assert isinstance(engine, FakeEngine)
    for spec, words in (
        (EngineSpec("fake", {"latency": 1}), "latency"),
        (EngineSpec("fake", {"behaviours": {"a": "explode"}}), "explode"),
        (EngineSpec("triton", {}), "choose from vllm, fake"),
    ):
        with pytest.raises(UsageError, match=words):
            build_engine(spec)


names = st.sampled_from(["a", "b", "c"])
leaves = st.one_of(
    st.builds(
        lambda least, extra: {"type": "string", "minLength": least, "maxLength": least + extra},
        st.integers(0, 50),
        st.integers(0, 50),
    ),
    st.builds(
        lambda least, extra: {"type": "integer", "minimum": least, "maximum": least + extra},
        st.integers(-9, 9),
        st.integers(0, 9),
    ),
    st.sampled_from(
        [
            {"type": "boolean"},
            {"type": "null"},
            {"type": "number"},
            {"enum": ["x", "y", 3]},
            {"const": 4},
        ]
    ),
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.dictionaries(names, inner).map(
            lambda parts: {
                "type": "object",
                "properties": parts,
                "required": sorted(parts),
                "additionalProperties": False,
            }
        ),
        st.builds(
            lambda items, least, extra: {
                "type": "array",
                "items": items,
                "minItems": least,
                "maxItems": least + extra,
            },
            inner,
            st.integers(0, 3),
            st.integers(0, 3),
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda several: {"anyOf": several}),
    ),
    max_leaves=8,
)


@given(schemas, st.text(max_size=20))
def test_answers_are_valid_against_their_schema(schema: dict, seed: str) -> None:
    text = answer_text(schema, prefix="deadbeef", seed=seed)
    jsonschema.validate(json.loads(text), schema)
    assert text == answer_text(schema, prefix="deadbeef", seed=seed)
