from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from infra.demo.checkpoint.architecture import ARCHITECTURES, Architecture
from infra.demo.checkpoint.build import check_weights
from infra.demo.checkpoint.initial import regions
from infra.demo.checkpoint.network import MiniCPMV
from infra.demo.checkpoint.weights import random_weights, weight_shapes
from schemas.failure import UsageError

TINY = Architecture(
    "minicpm-v-2.6",
    2.6,
    "Qwen2",
    hidden=256,
    layers=2,
    intermediate=96,
    vision_hidden=64,
    vision_layers=2,
    scale_resolution=56,
    patch_size=7,
    query_num=4,
    vocabulary=50,
)
PATCH = 3 * TINY.patch_size**2


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Sums in the same order, whatever the machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def network() -> MiniCPMV:
    built = MiniCPMV(TINY)
    built.load_weights(random_weights(TINY, seed=3))
    return built


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def some_tokens(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(1, 50, shape, generator=torch.Generator().manual_seed(seed))


def close(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "architecture",
    [
        TINY,
        ARCHITECTURES["minicpm-v-2.6"],
        replace(TINY, hidden=384, heads=6, key_value_heads=3, scale_resolution=168),
    ],
)
def test_names_and_shapes_are_those_of_a_checkpoint(architecture: Architecture) -> None:
    parameters = dict(MiniCPMV(architecture).named_parameters())
    assert {n: tuple(p.shape) for n, p in parameters.items()} == weight_shapes(architecture)


def test_weights_go_in_and_come_out(network: MiniCPMV) -> None:
    given = random_weights(TINY, seed=5)
    network.load_weights(given)
    out = network.weights()
    check_weights(TINY, out)
    assert all(torch.equal(out[name], given[name]) for name in given)
    assert {weight.dtype for weight in out.values()} == {torch.bfloat16}
    del given["resampler.proj"]
    with pytest.raises(UsageError, match=r"resampler\.proj"):
        network.load_weights(given)


@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        (ARCHITECTURES["minicpm-v-4.5"], "only minicpm-v-2.6"),
        (replace(TINY, head_size=32), "4 heads of 32 do not make up the width 256"),
        (replace(TINY, hidden=192, heads=3, key_value_heads=1), "multiple of 128"),
    ],
)
def test_another_structure_is_refused(architecture: Architecture, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        MiniCPMV(architecture)


def test_queries_that_make_no_square_cannot_start() -> None:
    with pytest.raises(UsageError, match=r"6 queries.*4 or 9"):
        MiniCPMV(replace(TINY, query_num=6)).initialise(0)


def test_a_slice_looks_the_same_with_padding_and_with_others(network: MiniCPMV) -> None:
    sizes = torch.tensor([(8, 8), (3, 5), (12, 2), (3, 5)])
    counts = sizes.prod(1).tolist()
    patches = torch.zeros(4, 64, PATCH)
    for row, count in enumerate(counts):
        patches[row, :count] = noise(count, PATCH, seed=row)
    together = network.see(patches, sizes)
    assert together.shape == (4, TINY.query_num, TINY.hidden)
    for row, count in enumerate(counts):
        alone = network.see(patches[row : row + 1, :count], sizes[row : row + 1])
        assert close(together[row], alone[0])
    patches[1, 20:] = 7.0
    assert torch.equal(network.see(patches, sizes)[1], together[1])


def test_slices_of_as_many_patches_but_another_shape_differ(network: MiniCPMV) -> None:
    patches = noise(1, 12, PATCH).expand(3, -1, -1)
    sizes = torch.tensor([(3, 4), (4, 3), (2, 6)])
    together = network.see(patches, sizes)
    for row in range(3):
        alone = network.see(patches[:1], sizes[row : row + 1])
        assert close(together[row], alone[0])
    assert not close(together[0], together[1])


def test_a_slice_longer_than_the_position_table_is_seen(network: MiniCPMV) -> None:
    seen = network.see(noise(1, 80, PATCH), torch.tensor([(80, 1)]))
    assert torch.isfinite(seen).all()
    assert network.resampler.position_table.shape[:2] == (80, 80)


def test_patches_are_embedded_as_the_convolution_would(network: MiniCPMV) -> None:
    pixels = noise(1, 3, 14, 21)
    convolution = network.vpm.embeddings.patch_embedding
    by_hand = convolution(pixels).flatten(2).transpose(1, 2)
    cut = pixels.unflatten(2, (2, 7)).unflatten(4, (3, 7)).permute(0, 2, 4, 1, 3, 5)
    sizes = torch.tensor([(2, 3)])
    places = network.vpm.embeddings.places(sizes, 6)
    assert places.tolist() == [[0, 2, 5, 32, 34, 37]]
    positions = network.vpm.embeddings.position_embedding(places)
    assert close(network.vpm.embeddings(cut.reshape(1, 6, PATCH), sizes), by_hand + positions)


def test_image_embeddings_go_where_they_are_told(network: MiniCPMV) -> None:
    tokens = some_tokens(2, 9)
    places = torch.zeros(2, 9, dtype=torch.bool)
    places[0, 2:6] = places[1, 1:3] = places[1, 4:6] = True
    images = noise(2, 4, TINY.hidden).requires_grad_()
    embedded = network.embed(tokens, images, places)
    assert torch.equal(embedded[places], images.flatten(0, 1))
    assert torch.equal(embedded[~places], network.embed(tokens)[~places])
    embedded.sum().backward()
    assert images.grad is not None
    assert (images.grad == 1).all()
    with pytest.raises(ValueError, match="4 image embeddings for 8 places"):
        network.embed(tokens, images[:1], places)


def test_padding_on_the_right_changes_no_token_before_it(network: MiniCPMV) -> None:
    tokens = some_tokens(1, 12)
    padded = torch.cat([tokens, some_tokens(1, 7, seed=1)], dim=1)
    whole, part = network(padded), network(tokens)
    assert close(network.logits(whole[:, :12]), network.logits(part))


def plain_and_shared(network: MiniCPMV) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """Logits of the tokens after a prefix, and gradients of their loss: whole, then shared."""
    system, turns, targets = (
        some_tokens(11),
        some_tokens(3, 6, seed=1),
        some_tokens(3, 6, seed=2),
    )
    places = torch.zeros(3, 6, dtype=torch.bool)
    places[1, :4] = True
    patches, sizes = noise(1, 64, PATCH), torch.tensor([(8, 8)])
    before = torch.zeros(3, 11, dtype=torch.bool)
    for shared in (False, True):
        network.zero_grad()
        images = network.see(patches, sizes)
        if shared:
            hidden = network(turns, images, places, network.prefix(system))
        else:
            whole = torch.cat([system.expand(3, -1), turns], dim=1)
            hidden = network(whole, images, torch.cat([before, places], dim=1))[:, 11:]
        logits = network.logits(hidden)
        functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()
        gradients = {name: p.grad.clone() for name, p in network.named_parameters()}
        yield logits.detach(), gradients


def test_a_shared_prefix_equals_the_plain_computation(network: MiniCPMV) -> None:
    (plain, plain_gradients), (shared, shared_gradients) = plain_and_shared(network)
    assert close(plain, shared)
    assert plain_gradients.keys() == weight_shapes(TINY).keys()
    for name, gradient in plain_gradients.items():
        assert torch.allclose(gradient, shared_gradients[name], atol=1e-5, rtol=1e-3), name
    keys = "llm.model.layers.0.self_attn.k_proj.weight"
    assert plain_gradients[keys].abs().max() > 1e-4


def greedy(network: MiniCPMV, tokens: Tensor, steps: int) -> list[int]:
    """Answer by computing everything anew for each token."""
    answer: list[int] = []
    for _ in range(steps):
        following = torch.cat([tokens, torch.tensor(answer, dtype=torch.long)])
        answer.append(int(network.logits(network(following[None])[0, -1]).argmax()))
    return answer


@pytest.mark.parametrize("common", [0, 5])
@torch.no_grad()
def test_greedy_answers_equal_step_by_step_ones(network: MiniCPMV, common: int) -> None:
    system, rows = some_tokens(common), [some_tokens(n, seed=n) for n in (4, 9, 1)]
    expected = [greedy(network, torch.cat([system, row]), 8) for row in rows]
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    prefix = network.prefix(system) if common else None
    lengths = torch.tensor([len(row) for row in rows])
    answers = network.generate(padded, lengths, prefix=prefix, most=8, stop=())
    assert answers == expected
    stop = expected[0][3]
    cut = [one[: one.index(stop)] if stop in one else one for one in expected]
    assert network.generate(padded, lengths, prefix=prefix, most=8, stop={stop}) == cut
    assert len(cut[0]) <= 3


def test_a_seed_decides_the_start() -> None:
    first, same, other = MiniCPMV(TINY), MiniCPMV(TINY), MiniCPMV(TINY)
    for network, seed in ((first, 1), (same, 1), (other, 2)):
        network.initialise(seed)
    weights, others = first.weights(), other.weights()
    assert all(torch.equal(weight, same.weights()[name]) for name, weight in weights.items())
    assert not torch.equal(weights["llm.lm_head.weight"], others["llm.lm_head.weight"])
    assert all(torch.isfinite(weight).all() for weight in weights.values())


@pytest.mark.parametrize("side", [8, 12])
@torch.no_grad()
def test_each_query_starts_with_its_own_region(side: int) -> None:
    architecture = replace(ARCHITECTURES["minicpm-v-2.6"], scale_resolution=side * 14)
    network = MiniCPMV(architecture)
    network.initialise(0)
    sizes = torch.tensor([(side, side)] * 3)
    features = network.look(noise(3, side * side, 588), sizes)
    attention = network.resampler.attention(features, sizes)
    own = regions(16, side).flatten() == torch.arange(16).unsqueeze(1)
    mass = (attention * own).sum(-1)
    assert mass.mean() > 0.8
    assert mass.mean((0, 1)).min() > 0.65


@torch.no_grad()
def test_a_started_network_sees_where_something_is() -> None:
    """What changes in one region of a slice changes the embedding of that region most."""
    network = MiniCPMV(replace(TINY, scale_resolution=84, query_num=16))
    network.initialise(0)
    sizes = torch.tensor([(12, 12)])
    patches = noise(1, 144, PATCH)
    changed = patches.clone()
    region = (regions(16, 12) == 6).flatten()
    changed[0, region] = noise(9, PATCH, seed=9)
    change = (network.see(changed, sizes) - network.see(patches, sizes)).norm(dim=-1)
    assert int(change.argmax()) == 6


def test_it_learns_in_bfloat16(network: MiniCPMV) -> None:
    network.initialise(0)
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    patches, sizes = noise(4, 64, PATCH), torch.tensor([(8, 8)] * 4)
    answers = some_tokens(4, 3, seed=1)
    tokens = torch.cat([torch.zeros(4, 4, dtype=torch.long), answers], dim=1)
    places = (torch.arange(7) < 4).expand(4, -1)
    losses = []
    for _ in range(30):
        with torch.autocast("cpu", torch.bfloat16):
            prefix = network.prefix(torch.tensor([7, 8, 9]))
            hidden = network(tokens, network.see(patches, sizes), places, prefix)
            logits = network.logits(hidden[:, 3:6])
        loss = functional.cross_entropy(logits.float().flatten(0, 1), answers.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] > 3
    assert losses[-1] < 0.1
