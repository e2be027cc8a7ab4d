"""What training will take of a device, told from configuration and lengths; and what it took.

    weights        4 bytes a number, of all panels
    gradients      4 bytes a number, of the panels that move
    optimizer      AdamW 8 bytes, Muon 4 for the matrices of blocks; the weight average 4 more
    activations    what each block of a panel keeps for its backward pass, for the largest batch
    program        Python and PyTorch

A panel keeps activations when it moves or stands behind one that does; a frozen vision panel in
front keeps none.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from triptych.architectures import Architecture
from triptych.errors import DataError
from triptych.fusion.vlm import PANELS, VLMConfig
from triptych.language import RotaryConfig
from triptych.preflight.looked import Looked
from triptych.train.config import TrainConfig
from triptych.train.record import read_record
from triptych.vision import ViTConfig
from triptych.xray.anatomy import build_on_meta
from triptych.xray.forecast import PROGRAM_BYTES

_FLOAT = 4
_LOGITS_BYTES = 3 * (128 << 20)
"""Logits, their softmax and its gradient, made in stretches of 128 MB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingForecast:
    """What a run will take; bytes unless said otherwise."""

    weights: int
    gradients: int
    optimizer: int
    """With the weight average, where there is one."""
    activations: int
    program: int
    checkpoint: int
    """One of them on the disk; a run keeps two."""
    num_steps: int
    tokens_per_step: float
    """Pictures included, padding not."""
    seconds_per_step: float | None = None
    """As measured; None where nothing was."""

    @property
    def total(self) -> int:
        """Memory at the highest point."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.program

    @property
    def hours(self) -> float | None:
        """Of the whole run."""
        a_step = self.seconds_per_step
        return None if a_step is None else a_step * self.num_steps / 3600

    def as_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        a_step = self.seconds_per_step
        return {
            "weight_bytes": self.weights,
            "gradient_bytes": self.gradients,
            "optimizer_bytes": self.optimizer,
            "activation_bytes": self.activations,
            "program_bytes": self.program,
            "total_bytes": self.total,
            "checkpoint_bytes": self.checkpoint,
            "steps": self.num_steps,
            "tokens_per_step": self.tokens_per_step,
            "steps_per_hour": None if a_step is None else 3600 / a_step,
            "hours": self.hours,
        }


def foresee_training(
    design: Architecture,
    train: TrainConfig,
    looked: Looked,
    num_samples: int,
    seconds_per_step: float | None = None,
) -> TrainingForecast:
    """Foresee one stage of training.

    Args:
        design: What is trained.
        train: How.
        looked: Its data, looked through.
        num_samples: Samples of one epoch.
        seconds_per_step: As it was measured.

    Raises:
        DataError: no sample of the data can be used.
    """
    if not looked.lengths:
        raise DataError("no sample can be used, so nothing can be foreseen; mend the data first")
    sizes = _parameters(design.model)
    moving = [panel for panel in PANELS if getattr(train.learning_rates, panel)]
    trained = sum(count for (panel, _), count in sizes.items() if panel in moving)
    matrices = sum(count for (panel, is_m), count in sizes.items() if panel in moving and is_m)
    is_muon = train.optimizer == "muon"
    moments = 8 * trained - (4 * matrices if is_muon else 0)
    average = _FLOAT * trained if train.ema_decay else 0
    weights = _FLOAT * sum(sizes.values())
    a_step = train.batch_size * train.accumulate
    steps = train.epochs * math.ceil(num_samples / a_step)
    mean_length = sum(looked.lengths) / len(looked.lengths)
    return TrainingForecast(
        weights=weights,
        gradients=_FLOAT * trained,
        optimizer=moments + average,
        activations=_activations(design.model, train, looked, moving),
        program=PROGRAM_BYTES,
        checkpoint=weights + moments + average,
        num_steps=min(steps, train.max_steps) if train.max_steps else steps,
        tokens_per_step=mean_length * min(a_step, num_samples),
        seconds_per_step=seconds_per_step,
    )


def compare_with_run(
    forecast: TrainingForecast, folder: Path, *, memory_gb: float = 0.0
) -> Mapping[str, tuple[float, float, float]]:
    """What was foreseen, what a finished run recorded, and the second over the first, by name.

    `memory_gb` is what it took at the highest point; without it that is read beside the record.

    Raises:
        DataError: the folder holds no record of a run.
    """
    lines = read_record(folder / "record.jsonl")
    if not lines:
        raise DataError(f"{folder} holds no record.jsonl of a run; name the folder of a stage")
    happened: dict[str, tuple[float, float]] = {
        "steps": (float(forecast.num_steps), float(len(lines))),
        "tokens a step": (
            forecast.tokens_per_step,
            sum(float(line["tokens"]) for line in lines) / len(lines),
        ),
    }
    if forecast.hours is not None:
        happened["hours"] = forecast.hours, float(lines[-1]["seconds"]) / 3600
    size = _checkpoint_bytes(folder)
    if size:
        happened["checkpoint GB"] = forecast.checkpoint / 1e9, size / 1e9
    memory = memory_gb or _recorded_memory(folder)
    if memory:
        happened["memory GB"] = forecast.total / 1e9, memory
    return {name: (f, h, h / f if f else math.nan) for name, (f, h) in happened.items()}


# -- steps ----------------------------------------------------------------------------------------


def _parameters(model: VLMConfig) -> dict[tuple[str, bool], int]:
    """Numbers by panel, and by whether Muon takes them for matrices of blocks."""
    found: dict[tuple[str, bool], int] = {}
    for name, parameter in build_on_meta(model).named_parameters():
        is_matrix = ".blocks." in name and parameter.ndim == 2 and name.endswith("weight")
        key = name.partition(".")[0], is_matrix
        found[key] = found.get(key, 0) + parameter.numel()
    return found


def _activations(
    model: VLMConfig, train: TrainConfig, looked: Looked, moving: Sequence[str]
) -> int:
    itemsize = _FLOAT if train.precision == "float32" else 2
    tokens = max(train.pack_tokens, max(looked.lengths))
    if not train.pack_tokens:
        tokens *= train.batch_size
    samples = max(1.0, tokens * len(looked.lengths) / max(1, sum(looked.lengths)))
    samples = samples if train.pack_tokens else train.batch_size
    pictures = samples * len(looked.image_sizes) / len(looked.lengths)
    anew: Sequence[str] = getattr(train, "checkpointing", ())
    kept = _language_floats(model) * tokens * itemsize if moving else 0
    if "language" in anew:
        kept = kept / model.language.depth + model.language.depth * model.language.dim * tokens * 4
    vision = _vision_floats(model, looked) * pictures * itemsize
    depth = getattr(model.vision, "depth", 1)
    is_kept = "vision" in moving and "vision" not in anew
    kept += vision if is_kept else vision / max(1, depth)
    logits = min(_LOGITS_BYTES, 3 * tokens * model.language.vocab_size * _FLOAT)
    pixels = pictures * _largest(looked) * 3 * _FLOAT
    return round(kept + logits + pixels)


def _largest(looked: Looked) -> int:
    """Pixels of the largest picture."""
    return max((height * width for height, width in looked.image_sizes), default=0)


def _language_floats(model: VLMConfig) -> int:
    """Numbers that the language panel keeps of a token for its backward pass."""
    language = model.language
    query = language.num_heads * language.head_width
    key = language.num_kv_heads * language.head_width
    turned = query + key if isinstance(language.positions, RotaryConfig) else 0
    # Inputs and outputs of two norms; query, key, value and what attention gives; the inner layer.
    inner = (4 if language.gated_mlp else 2) * language.ffn_dim
    return language.depth * (4 * language.dim + 2 * query + 2 * key + turned + inner)


def _vision_floats(model: VLMConfig, looked: Looked) -> int:
    """The same of the vision panel, for the largest picture."""
    vision = model.vision
    if not isinstance(vision, ViTConfig):
        return 30 * _largest(looked)  # a convolutional network is widest at half the sides
    if not looked.image_sizes:
        return 0
    rows, cols, _ = model.patch_grid(*max(looked.image_sizes, key=math.prod))
    turned = 2 * vision.dim if vision.positions == "rotary" else 0
    is_gated = bool(getattr(vision, "gated_mlp", False))
    inner = (4 if is_gated else 2) * vision.ffn_dim
    return rows * cols * vision.depth * (8 * vision.dim + turned + inner)


def _checkpoint_bytes(folder: Path) -> int:
    """Size of the newest checkpoint."""
    newest = max(folder.glob("checkpoints/step-*"), default=None)
    files = [] if newest is None else [each for each in newest.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files)


def _recorded_memory(folder: Path) -> float:
    """Gigabytes at the highest point, as the scores beside or above a record say."""
    for scores in (folder / "scores.json", folder.parent / "scores.json"):
        if scores.is_file():
            read = json.loads(scores.read_text(encoding="utf-8"))
            return float(read.get("peak_memory_gb", 0.0))
    return 0.0
