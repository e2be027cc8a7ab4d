"""Pictures of several shapes in one row are seen as each is alone."""

from dataclasses import replace

import torch

from triptych.vision import ViT, qwen2_vl_vit
from triptych.vision.together import encode_in_one_row, encode_stacks


def _vision() -> ViT:
    torch.manual_seed(0)
    return replace(qwen2_vl_vit(), dim=32, depth=2, num_heads=2, ffn_dim=48).build()


def _stacks() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = [(2, 3, 28, 56), (1, 3, 84, 28), (3, 3, 56, 56)]
    return [torch.randn(shape, generator=generator) for shape in shapes]


def test_pictures_in_one_row_are_seen_as_alone() -> None:
    vision, stacks = _vision(), _stacks()
    for row, stack in zip(encode_in_one_row(vision, stacks), stacks, strict=True):
        alone = vision(stack)
        assert row.cells.shape == alone.cells.shape
        assert row.prefix.shape == alone.prefix.shape
        assert torch.allclose(row.cells, alone.cells, atol=1e-5)


def test_their_gradients_are_those_of_each_alone() -> None:
    vision, stacks = _vision(), _stacks()
    gradients: list[list[torch.Tensor]] = []
    for features in (encode_in_one_row(vision, stacks), encode_stacks(vision, stacks)):
        loss = sum((each.cells.sin().sum() for each in features), torch.zeros(()))
        gradients.append(list(torch.autograd.grad(loss, list(vision.parameters()))))
    for row, alone in zip(*gradients, strict=True):
        assert torch.allclose(row, alone, atol=1e-4)


def test_on_a_cpu_each_shape_has_a_pass_of_its_own() -> None:
    vision, stacks = _vision(), _stacks()
    for features, stack in zip(encode_stacks(vision, stacks), stacks, strict=True):
        assert torch.equal(features.cells, vision(stack).cells)
