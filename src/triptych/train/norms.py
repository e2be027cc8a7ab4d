"""How far the gradient of a step reaches, panel by panel, and how far open the gates are.

The norm of all is that of the panels' norms, so every gradient is read once:

    vision 0.3   connector 0.4   language 1.2   ->   sqrt(0.09 + 0.16 + 1.44) = 1.3
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from triptych.fusion.gated import Gated
from triptych.train.optimizer import trained_parameters
from triptych.train.passes import Trained
from triptych.train.splitting import is_split, own_rows, whole_of


@dataclass(frozen=True, slots=True)
class Norms:
    """Euclidean norms of a gradient before it was clipped."""

    whole: float
    panels: Mapping[str, float]
    """Of what moves in each panel."""


def clip_gradients(model: Trained, largest: float) -> Norms:
    """Scale the gradient of everything that moves down to a norm of at most `largest`."""
    moving = trained_parameters(model)
    gradients: dict[str, list[Tensor]] = {}
    for name, parameter in moving.items():
        if parameter.grad is not None:
            gradients.setdefault(name.partition(".")[0], []).append(parameter.grad)
    if not gradients:
        return Norms(0.0, {})
    of_panels = [_norm(each) for each in gradients.values()]
    whole = nn.utils.get_total_norm(of_panels)
    _clip(moving.values(), largest, whole)
    # One look at the device for all of them.
    total, *norms = cast(list[float], torch.stack([whole, *of_panels]).tolist())
    return Norms(total, dict(zip(gradients, norms, strict=True)))


def _norm(gradients: Sequence[Tensor]) -> Tensor:
    """Of gradients that are here, and of those that are split over ranks, which all ask at once."""
    kinds = ([each for each in gradients if is_split(each) == split] for split in (False, True))
    norms = [whole_of(nn.utils.get_total_norm(each)) for each in kinds if each]
    return norms[0] if len(norms) == 1 else nn.utils.get_total_norm(norms)


def _clip(parameters: Collection[nn.Parameter], largest: float, norm: Tensor) -> None:
    split = [each for each in parameters if is_split(each)]
    others = [each for each in parameters if not is_split(each)]
    nn.utils.clip_grads_with_norm_(others, largest, norm)
    for parameter in split:
        if parameter.grad is not None:
            own_rows(parameter.grad).mul_((largest / (norm + 1e-6)).clamp(max=1.0))


def gates_of(model: Trained) -> dict[str, float]:
    """Openings of a gated model's gates by their names in the record; of any other model none."""
    fusion = getattr(model, "fusion", None)
    if not isinstance(fusion, Gated):
        return {}
    openings: dict[str, float] = {}
    for layer, (attention, mlp) in fusion.gates().items():
        openings[f"gate_attention_{layer}"] = attention
        openings[f"gate_mlp_{layer}"] = mlp
    return openings
