"""How a model is trained: which panels move, how fast, for how long."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from triptych.adapters import LoraConfig
from triptych.errors import ConfigError
from triptych.objectives.mixture import Objectives, PairObjectives

Panel: TypeAlias = Literal["vision", "connector", "fusion", "language"]
"""A panel, or the hinge."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PanelRates:
    """Peak learning rate of each panel; 0 freezes it (and keeps its dropout off)."""

    vision: float = 0.0
    connector: float = 0.0
    fusion: float = 0.0
    language: float = 0.0

    def __post_init__(self) -> None:
        for name in ("vision", "connector", "fusion", "language"):
            if getattr(self, name) < 0:
                raise ConfigError(f"the learning rate of {name} must be >= 0, 0 freezes it")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """One stage of training."""

    learning_rates: PanelRates
    """Which panels are trained, and how fast."""

    epochs: int
    """Passes over the training samples."""

    batch_size: int
    """Samples of one forward pass."""

    accumulate: int = 1
    """Forward passes of one step; the loss is normalised by the supervised tokens of all."""

    pack_tokens: int = 0
    """Longest row that several samples may share, none of which sees another; 0 for one sample a
    row. With it the `batch_size * accumulate` samples of a step are laid into as few rows as they
    need, and a row is a forward pass, so nothing is padding."""

    max_steps: int = 0
    """Stop after so many steps, before the epochs are over; 0 means never."""

    optimizer: Literal["adamw", "muon"] = "adamw"
    """AdamW for everything, or Muon for the matrices of blocks and AdamW for the rest. Muon learns
    more from a step, and its learning rates are those of AdamW."""

    matrix_boost: float = 1.0
    """How many times faster than the rest Muon moves the matrices of blocks. What is trained from
    scratch bears about 6."""

    lora: LoraConfig = LoraConfig()
    """Adapters: of which panels only small changes are learned. The run's folder gets `adapter`
    with them and with all else that was trained; what goes on afterwards has them merged."""

    checkpointing: tuple[Panel, ...] = ()
    """Panels whose blocks keep only what goes in and are computed anew for the gradient, which
    takes less memory and about a third more time. It changes no number."""

    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the matrix products; weights, gradients and optimizer stay in float32 either way. In
    float16 the loss is scaled up before its gradient is made, by as much as its numbers bear."""

    sharded: bool = False
    """Whether processes share the model instead of each holding it: every one keeps its rows of the
    matrices, of gradients, optimizer state and weight average, and one block is whole at a time
    (FSDP2). Changes nothing in a single process."""

    weight_decay: float = 0.05
    """Decoupled; on matrices only, never on norms, biases, gates and embeddings."""

    beta_1: float = 0.9
    beta_2: float = 0.98

    warmup_steps: int = 100
    """Steps over which the learning rate rises linearly from zero."""

    schedule: Literal["cosine", "constant", "trapezoid"] = "cosine"
    """What the learning rate does after warm-up: fall along a cosine, stay, or stay and then fall
    in a straight line over the last `decay_steps`."""

    decay_steps: int = 0
    """Steps over which a trapezoid falls at the end."""

    final_rate: float = 0.01
    """Where cosine and trapezoid end, as a share of the peak."""

    clip_norm: float = 1.0
    """Largest gradient norm; larger gradients are scaled down."""

    objectives: Objectives | PairObjectives = Objectives()
    """What is learned, and how much each of it counts; of a matcher `PairObjectives`."""

    ema_decay: float = 0.0
    """Decay of the moving average of the weights that is validated and saved; 0 means none."""

    validate_every: int = 0
    """Steps between validations; 0 means once an epoch."""

    num_shown: int = 0
    """Samples, at most 8, that the model answers at every validation for people to read, in
    `samples.png` and `samples.jsonl` of the run's folder; it changes no number of the run."""

    checkpoint_every: int = 200
    """Steps between checkpoints."""

    max_bad_steps: int = 5
    """Steps in a row whose loss or gradient may be NaN or infinite before the run stops; such a
    step changes nothing, and the record names its samples."""

    num_workers: int = 0
    """Processes that make samples ahead of the step that needs them; 0 makes them in between. They
    change nothing but the time it takes."""

    prefetch_steps: int = 2
    """Steps whose samples workers may make ahead."""

    worker_timeout_s: float = 300.0
    """Longest time a worker may take over one sample before it counts as hanging."""

    writers: tuple[Literal["tensorboard", "wandb"], ...] = ()
    """Programs that get the numbers of the record, too, in files in the run's folder."""

    device: str = ""
    """Where the model is brought before training, like cuda, cuda:1 or cpu; empty to leave it where
    it is. Afterwards it stays there."""

    seed: int = 0
    """Decides fresh weights, order, augmentation and dropout."""

    def __post_init__(self) -> None:
        positive = ("epochs", "batch_size", "accumulate", "checkpoint_every")
        positive += ("max_bad_steps", "prefetch_steps")
        for name in positive:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("max_steps", "decay_steps", "num_workers", "pack_tokens", "num_shown"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must be at least 0, got {getattr(self, name)}")
        if self.worker_timeout_s <= 0:
            raise ConfigError(f"worker_timeout_s must be above 0, got {self.worker_timeout_s}")
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(f"ema_decay must be in [0, 1), got {self.ema_decay}")
        if self.sharded and self.precision == "float16":
            raise ConfigError(
                "processes that share a model do not scale losses for float16; set precision to "
                "bfloat16 or float32, or sharded to false"
            )
        for panel in self.lora.panels:
            if not getattr(self.learning_rates, panel):
                raise ConfigError(
                    f"{panel} has adapters and no learning rate to train them with; give it one, "
                    f"or set lora.{panel} to []"
                )
