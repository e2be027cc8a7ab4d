"""Which panels save memory by computing their blocks a second time."""

from collections.abc import Iterator

from torch import nn

from triptych.errors import ConfigError
from triptych.nn.recompute import Recomputable
from triptych.train.config import TrainConfig
from triptych.train.optimizer import panels_of
from triptych.train.passes import Trained


def set_recomputed(model: Trained, config: TrainConfig) -> None:
    """Have the blocks of the panels that `checkpointing` names recomputed, and no others.

    Raises:
        ConfigError: a panel has no blocks, or the model has no such panel.
    """
    blocks = {panel: list(_blocks(getattr(model, panel))) for panel in panels_of(model)}
    for panel in config.checkpointing:
        if not blocks.get(panel):
            raise ConfigError(
                f"{panel} has no blocks of this model that could be computed anew; leave it out of "
                "checkpointing"
            )
    for panel, layers in blocks.items():
        for layer in layers:
            layer.is_recomputed = panel in config.checkpointing


def _blocks(panel: nn.Module) -> Iterator[Recomputable]:
    return (each for each in panel.modules() if isinstance(each, Recomputable))
