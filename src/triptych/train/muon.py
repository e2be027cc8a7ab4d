"""Muon: momentum whose singular values are all made one, for the matrices of a network.

The gradient of a matrix is dominated by a few directions. Muon keeps its directions and gives each
the same length, so rare directions are learned too:

    momentum = beta * momentum + gradient
    update   = U V^T of (gradient + beta * momentum) = U S V^T, by five Newton-Schulz steps
    matrix  -= rate * 0.2 * sqrt(max(rows, cols)) * update

The factor gives an update the root mean square that one of AdamW has, so both share their learning
rates and weight decay. Everything that is no hidden matrix (norms, biases, embeddings, patches) is
left to AdamW, in the same optimizer. Of a matrix that is split over ranks every rank computes the
whole update, and takes its rows.

Muon: https://kellerjordan.github.io/posts/muon/    The factor: https://arxiv.org/abs/2502.16982
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from triptych.train.splitting import split_like, whole_of

MOMENTUM = 0.95
"""Share of the momentum that a step keeps."""

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic that brings singular values in 0..1 near one fastest."""

UPDATE_RMS = 0.2
"""Root mean square of an update of AdamW, as measured in the paper."""


class Muon(torch.optim.Optimizer):
    """Muon for groups with `is_matrix`, AdamW for the others."""

    def __init__(
        self, groups: Iterable[dict[str, Any]], betas: tuple[float, float], eps: float = 1e-8
    ) -> None:
        """`betas` and `eps` are AdamW's."""
        super().__init__(groups, {"betas": betas, "eps": eps, "lr": 0.0, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            moving = [each for each in group["params"] if each.grad is not None]
            updates = self._momentum(moving) if group["is_matrix"] else self._adam(moving, group)
            for parameter, update in zip(moving, updates, strict=True):
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.sub_(update, alpha=group["lr"])

    def _momentum(self, parameters: Sequence[Tensor]) -> list[Tensor]:
        """Updates of matrices; those of one shape are made together, in a few large products."""
        by_shape: dict[torch.Size, list[int]] = defaultdict(list)
        for index, parameter in enumerate(parameters):
            by_shape[parameter.shape].append(index)
        updates = [torch.empty(0)] * len(parameters)
        for shape, indexes in by_shape.items():
            together = torch.stack([whole_of(self._pushed(parameters[index])) for index in indexes])
            scaled = orthogonal(together) * (UPDATE_RMS * max(shape) ** 0.5)
            for index, update in zip(indexes, scaled, strict=True):
                updates[index] = split_like(update, parameters[index])
        return updates

    def _pushed(self, parameter: Tensor) -> Tensor:
        """The gradient and the momentum that it gives another push, added up."""
        assert parameter.grad is not None
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum: Tensor = state["momentum"]
        momentum.mul_(MOMENTUM).add_(parameter.grad)
        return parameter.grad.add(momentum, alpha=MOMENTUM)

    def _adam(self, parameters: Sequence[Tensor], group: dict[str, Any]) -> Iterator[Tensor]:
        for parameter in parameters:
            assert parameter.grad is not None
            yield self._adam_update(parameter, parameter.grad, group)

    def _adam_update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["mean"] = torch.zeros_like(parameter)
            state["square"] = torch.zeros_like(parameter)
        beta_1, beta_2 = group["betas"]
        state["step"] += 1
        step = float(state["step"])
        mean: Tensor = state["mean"].lerp_(gradient, 1 - beta_1)
        square: Tensor = state["square"].lerp_(gradient.square(), 1 - beta_2)
        spread = (square / (1 - beta_2**step)).sqrt_().add_(group["eps"])
        return mean / (1 - beta_1**step) / spread


def orthogonal(
    matrices: Float[Tensor, "*matrix row col"], num_steps: int = 5
) -> Float[Tensor, "*matrix row col"]:
    """Nearly `U V^T` of the singular value decomposition `U S V^T` of each matrix.

    Singular values come out between about 0.7 and 1.2. Computed in bfloat16, which suffices.
    """
    a, b, c = NEWTON_SCHULZ
    is_tall = matrices.shape[-2] > matrices.shape[-1]
    x: Tensor = matrices.mT if is_tall else matrices
    x = (x / (x.square().sum(dim=(-2, -1), keepdim=True).sqrt() + 1e-7)).to(torch.bfloat16)
    for _ in range(num_steps):
        square = x @ x.mT
        x = a * x + (b * square + c * (square @ square)) @ x
    return (x.mT if is_tall else x).to(matrices.dtype)
