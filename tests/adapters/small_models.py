"""Small models to hang adapters on, and what is asked of them."""

import torch
from tests.train.tiny_run import TinyRun
from torch import Tensor, nn

from triptych.adapters import adapted_layers


class Toy(nn.Module):
    """Two panels of few layers."""

    def __init__(self) -> None:
        super().__init__()
        self.vision = nn.ModuleDict({"query": nn.Linear(4, 4), "key": nn.Linear(4, 4)})
        self.language = nn.ModuleDict(
            {"up": nn.Linear(4, 8), "subquery": nn.Linear(4, 4), "lm_head": nn.Linear(4, 50)}
        )


def logits(run: TinyRun) -> Tensor:
    samples = [run.source.sample(index, torch.Generator()) for index in range(3)]
    with torch.no_grad():
        return run.model.eval()(run.processor.collate(samples))


def stir(model: nn.Module) -> None:
    """Give fresh adapters something to say."""
    draw = torch.Generator().manual_seed(1)
    for layer in adapted_layers(model).values():
        layer.up.data = 0.05 * torch.randn(layer.up.shape, generator=draw)
