"""Operations are counted as they are done, and counting changes no number."""

import torch
from tests.train.tiny_run import tiny_run
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from triptych.objectives.language_modelling import language_modelling
from triptych.train.effort import OperationCounter, gemm_rate


def test_a_linear_layer_takes_two_operations_a_weight_and_row_and_twice_that_backward() -> None:
    layer, rows = nn.Linear(7, 11), torch.ones(5, 7, requires_grad=True)
    with OperationCounter() as counter:
        out = layer(rows)
    assert counter.operations == 2 * 5 * 7 * 11
    with OperationCounter() as counter:
        out.sum().backward()
    assert counter.operations == 2 * (2 * 5 * 7 * 11)


def test_a_layer_without_gradients_is_counted_too_whoever_multiplies() -> None:
    layer, rows = nn.Linear(7, 11), torch.ones(2, 5, 7)
    with torch.inference_mode(), OperationCounter() as counter:
        layer(rows)
        torch.ops.mkldnn._linear_pointwise(rows, layer.weight, layer.bias, "none", [], "")
    assert counter.operations == 2 * (2 * 10 * 7 * 11)


def test_attention_is_its_two_products_and_five_backward() -> None:
    query, key, value = (torch.randn(2, 3, 5, 4, requires_grad=True) for _ in range(3))
    product = 2 * (2 * 3) * 5 * 5 * 4
    with OperationCounter() as counter:
        out = scaled_dot_product_attention(query, key, value)
    assert counter.operations == 2 * product
    with OperationCounter() as counter:
        out.sum().backward()
    assert counter.operations == 5 * product


def test_counting_changes_no_gradient() -> None:
    run = tiny_run()
    batch = run.processor.collate([run.source.sample(0, torch.Generator())])
    gradients: list[list[torch.Tensor]] = []
    for counter in (None, OperationCounter()):
        run.model.zero_grad()
        torch.manual_seed(0)
        if counter is None:
            language_modelling(run.model.train(), batch).total.backward()
        else:
            with counter:
                language_modelling(run.model.train(), batch).total.backward()
            assert counter.operations > 1000
        gradients.append([p.grad.clone() for p in run.model.parameters() if p.grad is not None])
    assert all(map(torch.equal, *gradients))


def test_the_peak_is_a_speed_that_a_machine_can_have() -> None:
    state = torch.random.get_rng_state()
    assert 1e8 < gemm_rate(torch.float32, torch.device("cpu")) < 1e15
    assert torch.equal(torch.random.get_rng_state(), state)
