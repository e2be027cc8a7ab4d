"""Layers that need less memory to be trained, and a third more time.

Of a layer that is recomputed only what goes in is kept for the gradient; what it computes on the
way is made anew, with the same dropout, when the gradient gets there.

Training deep nets with sublinear memory cost: https://arxiv.org/abs/1604.06174
"""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from torch import nn
from torch.utils import checkpoint as checkpoints

_ANEW = cast(Callable[..., Any], partial(checkpoints.checkpoint, use_reentrant=False))


class Recomputable(nn.Module):
    """A layer whose inner results may be made anew for the gradient."""

    is_recomputed = False
    """Whether they are; outside of training it changes nothing."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call = super().__call__
        if self.is_recomputed and torch.is_grad_enabled():
            return _ANEW(call, *args, **kwargs)
        return call(*args, **kwargs)
