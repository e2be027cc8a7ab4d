"""Every mask, exactly as its docstring draws it."""

import pytest
import torch

from triptych.errors import ShapeError
from triptych.nn.masks import (
    branch_mask,
    causal_mask,
    document_mask,
    last_image_mask,
    mutual_mask,
    padding_mask,
    prefix_mask,
    window_mask,
)


def drawn(mask, batch_index=0):
    """The rows of one mask as text, a digit a key."""
    assert mask.dtype == torch.bool and mask.ndim == 4 and mask.shape[1] == 1
    return ["".join(str(int(cell)) for cell in row) for row in mask[batch_index, 0]]


def test_causal_sees_itself_and_what_came_before():
    assert drawn(causal_mask(4, 4)) == ["1000", "1100", "1110", "1111"]


def test_fewer_queries_than_keys_are_the_last_positions():
    assert drawn(causal_mask(2, 4)) == ["1110", "1111"]
    assert drawn(window_mask(2, 4, 2) & causal_mask(2, 4)) == ["0110", "0011"]


def test_a_window_forgets_what_is_too_old_and_says_nothing_of_what_comes():
    assert drawn(window_mask(4, 4, 2)) == ["1111", "1111", "0111", "0011"]
    assert drawn(window_mask(4, 4, 2) & causal_mask(4, 4)) == ["1000", "1100", "0110", "0011"]


@pytest.mark.parametrize("make", [causal_mask, lambda q, k: window_mask(q, k, 2)])
def test_more_queries_than_keys_are_refused(make):
    with pytest.raises(ShapeError, match="3 queries cannot be the last of 2 keys"):
        make(3, 2)


def test_a_prefix_sees_all_of_itself():
    mask = prefix_mask(torch.tensor([2, 0, 4]), 4)
    assert drawn(mask, 0) == ["1100", "1100", "1110", "1111"]
    assert drawn(mask, 1) == drawn(causal_mask(4, 4))
    assert drawn(mask, 2) == ["1111"] * 4


def test_documents_do_not_see_each_other():
    mask = document_mask(torch.tensor([[7, 7, 7, 8, 8], [1, 2, 3, 4, 5]]))
    assert drawn(mask, 0) == ["10000", "11000", "11100", "00010", "00011"]
    assert drawn(mask, 1) == ["10000", "01000", "00100", "00010", "00001"]


def test_branches_see_the_beginning_and_themselves():
    mask = branch_mask(torch.tensor([[0, 0, 1, 1, 2, 2]]))
    assert drawn(mask) == ["100000", "110000", "111000", "111100", "110010", "110011"]


def test_padding_is_seen_by_no_one():
    mask = padding_mask(torch.tensor([[False, True, True]]))
    assert drawn(mask) == ["011"]
    assert drawn(mask & causal_mask(3, 3)) == ["000", "010", "011"]


def test_a_token_sees_only_the_latest_image_at_or_before_it():
    mask = last_image_mask(torch.tensor([[0, 1, 1, 2], [0, 0, 0, 0]]), 2, 2)
    assert drawn(mask, 0) == ["0000", "1100", "1100", "0011"]
    assert drawn(mask, 1) == ["0000"] * 4


def test_mutual_tokens_see_each_other_and_nobody_else_by_that():
    is_mutual = torch.tensor([[False, True, True, False]])
    assert drawn(mutual_mask(is_mutual)) == ["0000", "0110", "0110", "0000"]
    assert drawn(mutual_mask(is_mutual) | causal_mask(4, 4)) == ["1000", "1110", "1110", "1111"]
