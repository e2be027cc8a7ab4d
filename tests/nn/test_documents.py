"""Documents in one row attend as if each stood alone."""

import pytest
import torch

from triptych.nn.attention import attend
from triptych.nn.documents import NO_DOCUMENT, Documents, Looks, Run, runs_of
from triptych.nn.masks import (
    branch_mask,
    document_mask,
    last_image_mask,
    mutual_mask,
    window_mask,
)

IDS = torch.tensor([[0, 0, 0, 1, 1, 1, 1, -1], [0, 0, 0, 0, 0, 1, 2, 2]])
BRANCHES = torch.tensor([[0, 1, 2, 0, 0, 0, 0, -1], [0, 0, 1, 2, 2, 0, 0, 1]])
MUTUAL = torch.tensor([[1, 0, 0, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0]], dtype=torch.bool)


def vectors(num_heads: int, seed: int) -> torch.Tensor:
    drawn = torch.randn(2, num_heads, 8, 4, generator=torch.Generator().manual_seed(seed))
    return drawn.requires_grad_()


def test_runs_are_the_documents_of_all_rows_and_the_padding():
    assert runs_of(IDS[:1]) == [Run(0, 0, 3, 0), Run(0, 3, 4, 1), Run(0, 7, 1, NO_DOCUMENT)]
    assert [run.row for run in runs_of(IDS)] == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("window", [None, 2])
@pytest.mark.parametrize("branches", [None, BRANCHES], ids=["plain", "branches"])
@pytest.mark.parametrize("mutual", [None, MUTUAL], ids=["causal", "mutual"])
def test_documents_see_what_a_mask_over_the_whole_row_lets_them_see(window, branches, mutual):
    query, key, value = vectors(4, 1), vectors(2, 2), vectors(2, 3)
    documents = Documents(IDS, branches=branches, mutual=mutual, window=window)
    same = IDS[:, None, :, None] == IDS[:, None, None, :]
    mask = document_mask(IDS) if branches is None else branch_mask(branches)
    if mutual is not None:
        mask = mask | mutual_mask(mutual)
    mask = mask & same & (IDS >= 0)[:, None, None]
    if window is not None:
        mask = mask & window_mask(8, 8, window)
    found = documents.attend(query, key, value)
    expected = attend(query, key, value, mask=mask)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(4))
    for own, theirs in zip(
        torch.autograd.grad((found * weights).sum(), (query, key, value)),
        torch.autograd.grad((expected * weights).sum(), (query, key, value)),
        strict=True,
    ):
        torch.testing.assert_close(own, theirs, rtol=1e-5, atol=1e-6)


def test_padding_becomes_zero():
    found = Documents(IDS).attend(vectors(4, 1), vectors(2, 2), vectors(2, 3))
    assert not found[0, :, 7].any()
    assert found[:, :, :7].any(dim=-1).all()


def test_tokens_look_at_the_picture_that_a_mask_lets_them_see():
    counts = torch.tensor([[0, 1, 1, 0, 2, 2, 3, 3], [0, 0, 0, 0, 0, 1, 1, 0]])
    query = vectors(4, 1)
    generator = torch.Generator().manual_seed(2)
    # Three pictures a row, the second row's last two being padding, of two keys each.
    key, value = (torch.randn(2, 2, 6, 4, generator=generator).requires_grad_() for _ in range(2))
    found = Looks(counts, num_images=3, tokens_per_image=2).attend(query, key, value)
    expected = attend(query, key, value, mask=last_image_mask(counts, 3, 2))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert not found[:, :, 0].any() and found[0, :, 1].any()
    for own, theirs in zip(
        torch.autograd.grad(found.square().sum(), (query, key, value)),
        torch.autograd.grad(expected.square().sum(), (query, key, value)),
        strict=True,
    ):
        torch.testing.assert_close(own, theirs, rtol=1e-5, atol=1e-5)
