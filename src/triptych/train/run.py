"""What stays the same while a run goes on, made once at its beginning."""

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch

from triptych.adapters import Adapters, attach
from triptych.errors import ConfigError
from triptych.fusion.matching import Matcher
from triptych.fusion.vlm import VLM
from triptych.objectives.mixture import PairObjectives
from triptych.pairs import PairProcessor
from triptych.processor import Processor, Sample
from triptych.train.average import WeightAverage
from triptych.train.config import TrainConfig
from triptych.train.contents import check_shard_files
from triptych.train.meeting import Meeting
from triptych.train.optimizer import build_optimizer, freeze, panels_of
from triptych.train.order import Order
from triptych.train.passes import Pass, Passes, Trained
from triptych.train.ranks import Ranks
from triptych.train.recomputing import set_recomputed
from triptych.train.record import say
from triptych.train.scaling import LossScale
from triptych.train.sharding import Shards
from triptych.train.source import SampleSource

Rewrite = Callable[
    [VLM, Sequence[Sample], torch.Generator], tuple[Sequence[Sample], dict[str, float]]
]
"""Makes other samples of a step's samples with the help of the model, and says what it noticed."""

Validate = Callable[[Any], dict[str, float]]
"""Scores of a model on held-out samples; `val_loss` decides which checkpoint is best. Typed `Any`
because it is asked of the model that is trained, of whichever class that is."""


@dataclass(frozen=True, slots=True)
class Run:
    """A model, what it learns from, and how; where the run stands is its `Progress`."""

    model: Trained
    passes: Passes
    source: SampleSource
    config: TrainConfig
    validate: Validate
    rewrite: Rewrite | None
    order: Order
    optimizer: torch.optim.Optimizer
    average: WeightAverage
    adapters: Adapters | None
    scale: LossScale
    ranks: Ranks
    shards: Shards | None
    """The model, where the ranks share it."""

    @classmethod
    def prepare(
        cls,
        model: Trained,
        processor: Processor | PairProcessor,
        source: SampleSource,
        config: TrainConfig,
        validate: Validate,
        rewrite: Rewrite | None,
        ranks: Ranks,
    ) -> "Run":
        """Freeze what does not move, and make what moves the rest.

        Raises:
            ConfigError: nothing would be trained, model and objectives do not go together, or a
                sample does not fit into a row.
        """
        # Before the weights of a checkpoint are read: what is started from, not gone on from.
        is_preferring = "preferring" in config.objectives.learned
        reference = _frozen_copy(model) if is_preferring else None
        passes = Passes(model, processor, config, reference)
        order = replace(
            _order(processor, source, config, is_rewritten=rewrite is not None),
            rank=ranks.rank,
            num_ranks=ranks.num_ranks,
            together=_num_together(model, config, ranks),
        )
        set_recomputed(model, config)
        adapters = _adapters(model, config)
        freeze(model, config.learning_rates)
        shards = _shards(model, config, ranks)
        optimizer = build_optimizer(model, config)
        return cls(
            model,
            replace(passes, meeting=_meeting(model, config, ranks, shards)),
            source,
            config,
            validate,
            rewrite,
            order,
            optimizer,
            WeightAverage(model, config.ema_decay),
            adapters,
            LossScale(optimizer, model.device.type, enabled=config.precision == "float16"),
            ranks,
            shards,
        )

    @property
    def num_steps(self) -> int:
        """Steps of the whole run."""
        whole = self.config.epochs * self.order.steps_per_epoch
        return min(whole, self.config.max_steps) if self.config.max_steps else whole

    @property
    def validate_every(self) -> int:
        """Steps between two validations."""
        return self.config.validate_every or self.order.steps_per_epoch

    def passes_of(self, samples: Sequence[Sample], step: int) -> Sequence[Pass]:
        """The forward passes of a step, or this process's shares of them.

        Raises:
            TokenError: a sample is longer than a row of `pack_tokens`.
        """
        if self.passes.meeting is None:
            return self.passes.of(samples, self.order.step_generator(step))
        places = self.order.places(step, self.config.batch_size)
        return self.passes.of(samples, self.order.shared_generator(step), places)

    def precision(self) -> torch.autocast:
        """Matrix products in half precision where that is asked for.

        Entered anew for each step: it keeps copies of the weights, which a step changes. Not where
        ranks share the model, for there nobody has room for whole copies.
        """
        is_mixed = self.config.precision != "float32"
        half = torch.float16 if self.config.precision == "float16" else torch.bfloat16
        return torch.autocast(
            self.model.device.type,
            dtype=half,
            enabled=is_mixed,
            cache_enabled=self.shards is None,
        )

    def whole(self) -> AbstractContextManager[None]:
        """The model can be run as it is inside this block, where ranks share it, too."""
        return nullcontext() if self.shards is None else self.shards.whole()

    def in_contact(self) -> AbstractContextManager[None]:
        """What ranks that share the model compute together inside this block is not broken off."""
        return nullcontext() if self.shards is None else self.ranks.in_contact()

    def say(self, text: str) -> None:
        """Tell the person watching, once for all ranks."""
        if self.ranks.is_first:
            say(text)


def _order(
    processor: Processor | PairProcessor,
    source: SampleSource,
    config: TrainConfig,
    *,
    is_rewritten: bool,
) -> Order:
    """Which samples make up which step; of a packed run those of all lengths."""
    samples_per_step, lengths = config.batch_size * config.accumulate, source.lengths()
    if not config.pack_tokens:
        return Order(len(source), samples_per_step, config.seed, lengths)
    known = None if is_rewritten else lengths
    longest = processor.config.max_tokens if known is None else max(known)
    if longest > config.pack_tokens:
        raise ConfigError(
            f"pack_tokens is {config.pack_tokens}, but a sample "
            f"{'may have' if known is None else 'has'} {longest} tokens; make rows at least as "
            "long as that"
        )
    return Order(len(source), samples_per_step, config.seed)


def _num_together(model: Trained, config: TrainConfig, ranks: Ranks) -> int:
    """Samples that no two ranks may share out."""
    if not isinstance(model, Matcher) or not _stay_in_one_process(config):
        return 1
    if config.accumulate < ranks.num_ranks:
        raise ConfigError(
            f"the {config.batch_size} pairs of a forward pass stay in one process where vision "
            "learns from matching, for pictures of other processes carry no gradient; make "
            f"accumulate at least {ranks.num_ranks}, as many as there are processes, instead of "
            f"{config.accumulate}, or set learning_rates.vision or objectives.matching to 0"
        )
    return config.batch_size


def _stay_in_one_process(config: TrainConfig) -> bool:
    """Whether pairs that are compared may not be those of several ranks."""
    objectives = config.objectives
    is_matching = isinstance(objectives, PairObjectives) and objectives.matching > 0
    return is_matching and config.learning_rates.vision > 0


def _meeting(
    model: Trained, config: TrainConfig, ranks: Ranks, shards: Shards | None
) -> Meeting | None:
    """Where ranks compare the pairs of a forward pass that they share, if they do."""
    if not isinstance(model, Matcher) or ranks.num_ranks == 1 or _stay_in_one_process(config):
        return None
    objectives = config.objectives
    needs_features = isinstance(objectives, PairObjectives) and objectives.matching > 0
    wait = (lambda: None) if shards is None else shards.meet
    return Meeting(ranks, wait, model.device, needs_features)


def _shards(model: Trained, config: TrainConfig, ranks: Ranks) -> Shards | None:
    """Split the model of the first rank over all of them, if it is to be shared."""
    if not config.sharded or ranks.num_ranks == 1:
        return None
    check_shard_files()
    ranks.share(model.state_dict().values())
    return Shards(model, ranks)


def _adapters(model: Trained, config: TrainConfig) -> Adapters | None:
    """Hang adapters on the model, if it is to have some."""
    if not config.lora.panels:
        return None
    rates = config.learning_rates
    moving = [panel for panel in panels_of(model) if getattr(rates, panel)]
    whole = [panel for panel in moving if panel not in config.lora.panels]
    return attach(model, config.lora, config.seed, whole)


def _frozen_copy(model: Trained) -> VLM | None:
    copied = copy.deepcopy(model).requires_grad_(False).eval()
    return copied if isinstance(copied, VLM) else None
