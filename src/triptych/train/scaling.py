"""Scaling of losses, so that gradients fit into float16.

The smallest gradients would be zero there. So the loss is multiplied by a large number before its
gradient is made, which is divided by it afterwards. Where that overflows the step is left out and
the number halved; after 2,000 steps that went well it is doubled.

Mixed precision training: https://arxiv.org/abs/1710.03740
"""

import torch
from torch import Tensor

from triptych.train.checkpoints import Progress

INITIAL = 2.0**16
"""The scale that a run begins with."""

LEAST = 1.0
"""A gradient that is no number at this scale or below is none for other reasons."""


class LossScale:
    """The scale of a run's losses; 1 where it does not learn in float16."""

    def __init__(self, optimizer: torch.optim.Optimizer, device: str, *, enabled: bool) -> None:
        """`device` is where the gradients are."""
        self._optimizer = optimizer
        self._scaler = torch.amp.GradScaler(device, init_scale=INITIAL, enabled=enabled)
        self._is_used = False

    @property
    def now(self) -> float:
        """The scale."""
        return float(self._scaler.get_scale())

    def scaled(self, loss: Tensor) -> Tensor:
        """The loss to make a gradient of."""
        self._is_used = True
        return self._scaler.scale(loss)

    def unscale(self) -> None:
        """Divide the gradients by the scale."""
        self._scaler.unscale_(self._optimizer)

    def update(self) -> bool:
        """Choose the scale of the next step; whether this one overflowed and must be left out."""
        before = self.now
        if self._is_used:
            self._scaler.update()
        self._is_used = False
        return self.now < before and before > LEAST

    def save(self, progress: Progress) -> None:
        """Write down what going on needs."""
        progress.loss_scale = self._scaler.state_dict() or None

    def load(self, progress: Progress) -> None:
        """Take up what `save` wrote down."""
        if progress.loss_scale is not None and self._scaler.is_enabled():
            self._scaler.load_state_dict(progress.loss_scale)
