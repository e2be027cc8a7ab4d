"""Exponential moving average of the weights: less noise than the last step's weights.

    average = decay * average + (1 - decay) * weights

The decay is ramped up at the beginning, so that the average is not held back by fresh weights.
"""

from collections.abc import Generator, Iterable
from contextlib import contextmanager

import torch
from torch import Tensor

from triptych.errors import CheckpointError
from triptych.train.optimizer import trained_parameters
from triptych.train.passes import Trained


class WeightAverage:
    """The moving average of every trained parameter; with decay 0, the weights themselves."""

    def __init__(self, model: Trained, decay: float) -> None:
        self.model = model
        self.decay = decay
        parameters = trained_parameters(model) if decay else {}
        self.average = {name: each.detach().clone() for name, each in parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after step 0, 1, ..."""
        if not self.decay:
            return
        decay = min(self.decay, (1 + step) / (10 + step))
        parameters = trained_parameters(self.model)
        for name, average in self.average.items():
            average.lerp_(parameters[name], 1 - decay)

    @contextmanager
    def in_place(self) -> Generator[None]:
        """The model carries the average inside this block, its own weights after it."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        parameters = trained_parameters(self.model)
        for name, average in self.average.items():
            held = parameters[name].detach().clone()
            parameters[name].copy_(average)
            average.copy_(held)

    def state(self) -> dict[str, Tensor]:
        """Named tensors for a checkpoint."""
        return dict(self.average)

    def check(self, names: Iterable[str]) -> None:
        """Find out whether a checkpoint has averages of all these weights.

        Raises:
            CheckpointError: it was written with other panels moving, or with no average at all.
        """
        if missing := sorted(set(self.average) - set(names)):
            raise CheckpointError(
                f"the checkpoint holds no weight average of {missing[0]}; resume with the "
                "ema_decay and learning_rates that the run was started with"
            )

    def keep(self) -> None:
        """Leave the average in the model for good."""
        self._swap()
        self.average = {}
