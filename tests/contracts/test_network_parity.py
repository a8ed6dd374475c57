"""The network that is trained and the engine that answers compute the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer
from torch import Tensor

from infra.demo.checkpoint.architecture import ARCHITECTURES
from infra.demo.checkpoint.build import build_checkpoint
from infra.demo.checkpoint.network import MiniCPMV
from infra.demo.checkpoint.prompting import EncodedPrompt, encode_prompt
from infra.demo.checkpoint.tokenizer import sentences, train_tokenizer
from infra.demo.checkpoint.weights import random_weights
from operators.base import Completion, Sampling
from operators.engine_media import as_images, as_video
from schemas.job import ModelSpec
from schemas.media import Frames, MediaKind
from tests.fixtures.engines import RunningEngine, picture, pictures, running_engine, video

ARCHITECTURE = ARCHITECTURES["minicpm-v-2.6"]
STEPS = 8
FRAMES = {
    "one full slice": picture(112, 112),
    "one narrow slice": picture(50, 90, shade=30),
    "many slices": picture(640, 480),
    "a long image": picture(2000, 90),
    "several images": pictures((640, 480), (100, 300), (30, 30)),
    "a video": video(5, 160, 90),
}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(sentences())


@pytest.fixture(scope="module")
def weights(tokenizer: Tokenizer) -> dict[str, Tensor]:
    """Random ones that answer in tokens whose text is the same whoever joins them."""
    weights = random_weights(ARCHITECTURE, seed=0)
    for token in range(ARCHITECTURE.vocabulary):
        text = tokenizer.decode([token])
        if not (text and text.isascii() and text.isprintable()):
            weights["llm.lm_head.weight"][token] = 0
    return weights


@pytest.fixture(scope="module")
def exact_engine(
    weights: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningEngine]:
    """An engine in float32, in which two ways to add up differ by little."""
    folder = build_checkpoint(tmp_path_factory.mktemp("parity") / "model", weights=weights)
    model = ModelSpec(path=str(folder), dtype="float32")
    with running_engine(folder, model=model) as running:
        yield running


@pytest.fixture(scope="module")
def network(weights: dict[str, Tensor]) -> MiniCPMV:
    built = MiniCPMV(ARCHITECTURE)
    built.load_weights(weights)
    return built


def asked_of_engine(running: RunningEngine, name: str, frames: Frames) -> Completion:
    sampling = Sampling(max_tokens=STEPS, measured=True)
    asked = running.request(frames, request_id=name, sampling=sampling)
    return running.engine.submit(asked).result(timeout=300)


def encoded(running: RunningEngine, frames: Frames, tokenizer: Tokenizer) -> EncodedPrompt:
    prompt = running.request(frames, request_id="", sampling=Sampling(max_tokens=1)).prompt
    is_video = frames.kind is MediaKind.VIDEO
    shown = (
        [Image.fromarray(one) for one in as_video(frames)] if is_video else as_images(frames)
    )
    return encode_prompt(prompt, shown, tokenizer, ARCHITECTURE, video=is_video)


@torch.no_grad()
def answer(network: MiniCPMV, prompt: EncodedPrompt) -> tuple[list[int], list[float]]:
    """The network's greedy tokens, and the logarithm of each one's probability."""
    images = network.see(prompt.patches, prompt.sizes)
    tokens, places = prompt.tokens[None], prompt.image_places[None]
    length = torch.tensor([len(prompt.tokens)])
    (ids,) = network.generate(tokens, length, images, places, most=STEPS, stop=())
    whole = torch.cat([tokens, torch.tensor([ids])], dim=1)
    there = torch.nn.functional.pad(places, (0, len(ids)))
    hidden = network(whole, images, there)[0, -len(ids) - 1 : -1]
    chances = network.logits(hidden).log_softmax(-1)
    return ids, chances[range(len(ids)), ids].tolist()


@pytest.mark.parametrize("name", FRAMES)
def test_the_network_answers_as_the_engine_does(
    exact_engine: RunningEngine, network: MiniCPMV, tokenizer: Tokenizer, name: str
) -> None:
    frames = FRAMES[name]
    prompt = encoded(exact_engine, frames, tokenizer)
    completion = asked_of_engine(exact_engine, name, frames)
    assert completion.prompt_tokens == len(prompt.tokens)
    assert completion.image_tokens == int(prompt.image_places.sum())
    ids, chances = answer(network, prompt)
    assert completion.text == tokenizer.decode(ids)
    measured = [chance.logprob for chance in completion.chances]
    assert measured == pytest.approx(chances, abs=1e-3)


@torch.no_grad()
def test_an_answer_depends_on_what_is_seen(
    exact_engine: RunningEngine, network: MiniCPMV, tokenizer: Tokenizer
) -> None:
    """Without this, agreement on random weights would say little of the vision tower."""
    prompt = encoded(exact_engine, FRAMES["one full slice"], tokenizer)
    seen = network.see(prompt.patches, prompt.sizes)
    other = network.see(prompt.patches.flip(1), prompt.sizes)
    tokens, places = prompt.tokens[None], prompt.image_places[None]
    first, second = (
        network.logits(network(tokens, images, places)[0, -1]).log_softmax(-1)
        for images in (seen, other)
    )
    assert (first - second).abs().max() > 0.02
