"""Questions reach the model in batches of one size, and answers come back in order."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from heatproof.score.queries import grouped, outputs


def doubled(pixels):
    return pixels.flatten(1)[:, :1] * 2


@given(
    st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), max_size=6).filter(lambda x: all(map(sum, x))),
    st.integers(1, 9),
)
def test_answers_come_in_order_whatever_the_blocks_and_the_batch(stacks, batch_size):
    batches, number = [], iter(range(1000))

    def forward(pixels):
        batches.append(len(pixels))
        return doubled(pixels)

    made = [[torch.tensor([next(number) for _ in range(block)]).view(-1, 1, 1, 1) for block in s] for s in stacks]
    expected = [[2 * n for block in s for n in block.flatten().tolist()] for s in made]
    found = list(outputs(forward, iter(made), batch_size))
    assert [logits.flatten().tolist() for logits in found] == expected
    assert all(logits.dtype == torch.float64 for logits in found)
    total = sum(map(sum, stacks))
    assert batches == [batch_size] * (total // batch_size) + [total % batch_size] * bool(total % batch_size)


def test_blocks_are_made_when_the_model_gets_to_them():
    asked, ahead = 0, []

    def forward(pixels):
        nonlocal asked
        asked += len(pixels)
        return doubled(pixels)

    def blocks():
        for n in range(20):
            ahead.append(n + 1 - asked)
            yield torch.zeros(1, 1, 1, 1)

    list(outputs(forward, [blocks()], 4))
    assert max(ahead) == 4


def test_no_batch_is_cut_across_an_end():
    batches = []

    def forward(pixels):
        batches.append(pixels.flatten().tolist())
        return doubled(pixels)

    one, two, three = (torch.arange(n).float().view(-1, 1, 1, 1) + 10 * n for n in (3, 1, 5))
    found = list(outputs(forward, [None, [one], [two], None, None, [three], None], 4))
    assert batches == [[30, 31, 32, 10], [50, 51, 52, 53], [54]]
    assert [logits.flatten().tolist() for logits in found] == [[60, 62, 64], [20], [100, 102, 104, 106, 108]]


def test_no_gradient_is_kept():
    weight = torch.ones(1, requires_grad=True)
    (found,) = outputs(lambda x: doubled(x) * weight, [[torch.ones(2, 1, 1, 1)]], 4)
    assert not found.requires_grad


@pytest.mark.parametrize("size", [1, 3, 10])
def test_grouped(size):
    found = list(grouped(iter(range(7)), size))
    assert [n for some in found for n in some] == list(range(7))
    assert all(len(some) == size for some in found[:-1]) and 0 < len(found[-1]) <= size
