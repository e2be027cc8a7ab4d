"""The loss in chunks: what it is, what it teaches, and that one chunk is all there ever is."""

import pytest
import torch
from torch.nn import functional

from triptych.errors import TrainingError
from triptych.language import OutputTable
from triptych.objectives.cross_entropy import summed_loss, token_losses

NUM_LABELS, DIM, COMMON, EXTRA = 13, 6, 17, 3
ROWS = 4 * (COMMON + EXTRA) * 5
"""Bytes of five rows of logits: thirteen labels are three chunks, the last of them short."""


def made(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return drawn.to(dtype).requires_grad_()


def problem(dtype: torch.dtype = torch.float64):
    hidden = made(NUM_LABELS, DIM, seed=1, dtype=dtype)
    tables = (
        OutputTable(made(COMMON, DIM, seed=2, dtype=dtype), made(COMMON, seed=3, dtype=dtype)),
        OutputTable(made(EXTRA, DIM, seed=4, dtype=dtype), None),
    )
    generator = torch.Generator().manual_seed(5)
    targets = torch.randint(COMMON + EXTRA, (NUM_LABELS,), generator=generator)
    weights = torch.randn(NUM_LABELS, generator=generator)
    return hidden, tables, targets, weights


def learned(hidden, tables):
    return [hidden, tables[0].weight, tables[0].bias, tables[1].weight]


def whole(hidden, tables, targets, weights, smoothing):
    logits = torch.cat([functional.linear(hidden, *table) for table in tables], dim=1)
    each = functional.cross_entropy(logits, targets, reduction="none", label_smoothing=smoothing)
    return (each * weights).sum(), functional.cross_entropy(logits, targets, reduction="sum")


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("chunk_bytes", [1, ROWS, 1 << 20], ids=["one row", "five rows", "all"])
def test_a_sum_in_chunks_is_the_sum_and_so_are_its_gradients(smoothing, chunk_bytes):
    hidden, tables, targets, weights = problem()
    total, nll = summed_loss(
        hidden,
        targets,
        tables,
        weights=weights,
        label_smoothing=smoothing,
        chunk_bytes=chunk_bytes,
    )
    expected, plain = whole(hidden, tables, targets, weights, smoothing)
    assert float(total.detach()) == pytest.approx(float(expected.detach()), rel=1e-12)
    assert nll == pytest.approx(float(plain.detach()), rel=1e-12)
    # What the sum is multiplied by afterwards reaches the gradients too.
    found = torch.autograd.grad(total / 7, learned(hidden, tables))
    for own, theirs in zip(
        found, torch.autograd.grad(expected / 7, learned(hidden, tables)), strict=True
    ):
        torch.testing.assert_close(own, theirs, rtol=1e-10, atol=1e-12)


def test_gradients_are_finite_differences():
    hidden, tables, targets, weights = problem()

    def loss(moved: torch.Tensor) -> float:
        total, _ = summed_loss(moved, targets, tables, weights=weights, label_smoothing=0.2)
        return float(total.detach())

    total, _ = summed_loss(hidden, targets, tables, weights=weights, label_smoothing=0.2)
    total.backward()
    step = 1e-6
    for row, col in ((0, 0), (5, 3), (12, 5)):
        moved = torch.zeros_like(hidden)
        moved[row, col] = step
        slope = (loss(hidden + moved) - loss(hidden - moved)) / (2 * step)
        assert float(hidden.grad[row, col]) == pytest.approx(slope, rel=1e-6)


def test_what_is_frozen_gets_no_gradient():
    hidden, tables, targets, _ = problem()
    frozen = tuple(OutputTable(t.weight.detach(), t.bias) for t in tables)
    total, _ = summed_loss(hidden, targets, frozen)
    total.backward()
    assert frozen[0].weight.grad is None
    assert float(tables[0].bias.grad.abs().sum()) > 0
    assert float(hidden.grad.abs().sum()) > 0


def test_without_gradients_the_sum_is_the_same_and_learns_nothing():
    hidden, tables, targets, weights = problem()
    with torch.no_grad():
        total, nll = summed_loss(hidden, targets, tables, weights=weights)
    expected, plain = whole(hidden, tables, targets, weights, 0.0)
    assert not total.requires_grad
    assert float(total) == pytest.approx(float(expected.detach()), rel=1e-12)
    assert nll == pytest.approx(float(plain.detach()), rel=1e-12)


def test_no_labels_are_no_loss():
    hidden, tables, targets, _ = problem()
    total, nll = summed_loss(hidden[:0], targets[:0], tables)
    total.backward()
    assert (float(total.detach()), nll) == (0.0, 0.0)


def test_a_second_backward_pass_is_refused():
    hidden, tables, targets, _ = problem()
    total, _ = summed_loss(hidden, targets, tables)
    total.backward(retain_graph=True)
    with pytest.raises(TrainingError, match="asked for twice"):
        total.backward()


def test_half_precision_learns_what_single_precision_learns():
    hidden, tables, targets, weights = problem(torch.float32)
    total, _ = summed_loss(hidden, targets, tables, weights=weights)
    expected = torch.autograd.grad(total, learned(hidden, tables))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half, _ = summed_loss(hidden, targets, tables, weights=weights, chunk_bytes=ROWS)
    assert half.dtype == torch.float32
    for own, theirs in zip(
        torch.autograd.grad(half, learned(hidden, tables)), expected, strict=True
    ):
        assert own.dtype == torch.float32
        # Three digits of bfloat16; measured worst case 0.02 of numbers up to 5.
        torch.testing.assert_close(own, theirs, rtol=0.02, atol=0.05)


def test_only_one_chunk_of_logits_is_ever_there(monkeypatch):
    hidden, tables, targets, _ = problem(torch.float32)
    seen: list[int] = []
    linear = functional.linear

    def watched(rows, weight, bias=None):
        seen.append(len(rows))
        return linear(rows, weight, bias)

    monkeypatch.setattr(functional, "linear", watched)
    summed_loss(hidden, targets, tables, chunk_bytes=ROWS)[0].backward()
    # Two tables; five, five and three rows; none again for the gradient.
    assert seen == [5, 5, 5, 5, 3, 3]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("chunk_rows", [4, 64])
def test_losses_one_by_one_are_the_cross_entropy_and_so_are_their_gradients(smoothing, chunk_rows):
    hidden, tables, targets, weights = problem()

    def head(rows):
        return torch.cat([functional.linear(rows, *table) for table in tables], dim=-1)

    found = token_losses(hidden, targets, head, label_smoothing=smoothing, chunk_rows=chunk_rows)
    # A loss that is no sum.
    total = (found * weights).exp().mean()
    each = functional.cross_entropy(
        head(hidden), targets, reduction="none", label_smoothing=smoothing
    )
    expected = (each * weights).exp().mean()
    torch.testing.assert_close(found, each, rtol=1e-12, atol=1e-12)
    for own, theirs in zip(
        torch.autograd.grad(total, learned(hidden, tables)),
        torch.autograd.grad(expected, learned(hidden, tables)),
        strict=True,
    ):
        torch.testing.assert_close(own, theirs, rtol=1e-10, atol=1e-12)
