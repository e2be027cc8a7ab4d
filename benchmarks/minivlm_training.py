"""MiniVLM's training beside a straightforward script of the same, in turns.

python benchmarks/minivlm_training.py speed --data FOLDER --threads 2 --keep
python benchmarks/minivlm_training.py speed --captions 5 --data FOLDER --threads 2 --keep
python benchmarks/minivlm_training.py equal --data FOLDER --threads 2 --keep
python benchmarks/minivlm_training.py memory --data FOLDER --threads 2 --keep

ViT-L/16 frozen, an MLP and SmolLM-360M trained, random weights, four pictures of Flickr8k with a
caption each in a step, float32. The other side is `minivlm_plain.py`: the encoder in every step,
logits at all positions, texts padded to 64, torch's AdamW as it comes. `speed` takes the same
batches in turns, ours also from features that are kept (as from the second epoch on); the other
side waits in a process of its own, because ours has freed memory kept, as every run does. With
`--captions 5` ours has all captions of a picture in one row that holds it once, as the recipe does;
counted are captions. `equal`
begins both from the same weights and pads ours likewise, so that only rounding is left between
their losses. `memory` is the highest point of a process that has one of the two alone, beyond what
the imports take. Without --data the pictures are noise and all captions equally long.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from minivlm_plain import PlainMiniVLM, PlainSizes, PlainTraining
from recording import add_options, record, table
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from triptych.architectures import Architecture, find_architecture
from triptych.checkpoint.model_folder import LoadedModel
from triptych.connector import MLPConfig
from triptych.data.captions import plain_caption
from triptych.data.sources.flickr8k import read_flickr8k
from triptych.fusion.vlm import VLM
from triptych.inputs import IGNORED, ModelInputs
from triptych.language import RotaryConfig
from triptych.measure.memory import peak_bytes, resident_bytes
from triptych.measure.peaks import Peaks, measure_peaks
from triptych.processor import Processor, Sample, ask_about
from triptych.text import Tokenizer
from triptych.train import PanelRates, TrainConfig, build_features
from triptych.train.memory import freed_memory_kept
from triptych.train.optimizer import build_optimizer, freeze, set_training
from triptych.train.order import Order
from triptych.train.passes import AnswerPass, Passes
from triptych.train.step import gradients
from triptych.vision import ViTConfig

SHAPES = {"minivlm": "minivlm", "debug": "minivlm_debug"}
TEXT, BATCH = 64, 4
"""Tokens that the other side pads a text to, and samples of a step."""

NUM_PICTURES = 2000
"""Pictures that steps are made of, the tutorial's number."""

VOCABULARY = 8192
"""Tokens learned from the captions: most words are one, as in SmolLM's own."""

STEPS = {"speed": 6, "equal": 20, "memory": 3}

TRAIN = TrainConfig(
    learning_rates=PanelRates(connector=2e-4, language=2e-4),
    epochs=1,
    batch_size=BATCH,
    weight_decay=0.01,
    beta_2=0.999,
    warmup_steps=0,
    schedule="constant",
    clip_norm=1.0,
)
"""That of the recipe `minivlm`."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One step: as our processor makes its samples, and as the straightforward script reads it."""

    samples: Sequence[Sample]
    pixels: Tensor
    token_ids: Tensor
    labels: Tensor


class OurTraining:
    """What `triptych.train.fit` does in a step, without order, record and checkpoints.

    Memory that is freed must be kept around it, as `fit` has it kept.
    """

    def __init__(self, loaded: LoadedModel, config: TrainConfig) -> None:
        freeze(loaded.model, config.learning_rates)
        self.model, self.config = loaded.model, config
        self.passes = Passes(loaded.model, loaded.processor, config)
        self.optimizer = build_optimizer(loaded.model, config)

    def step(self, samples: Sequence[Sample], padded: int = 0) -> float:
        """One step; its loss. With `padded` rows are that long, however short the samples are."""
        set_training(self.model, self.config.learning_rates)
        passes = self.passes.of(samples, torch.Generator())
        if padded:
            passes = [_padded(each, padded) for each in passes if isinstance(each, AnswerPass)]
        outcome = gradients(self.model, passes, self.config, 0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return outcome.loss


# -- what both read -------------------------------------------------------------------------------


def shaped(shape: str, blocks: int | None) -> Architecture:
    """A shape, with fewer blocks in each panel where a number is given."""
    architecture = find_architecture(SHAPES[shape])
    if blocks is None:
        return architecture
    vision, language = architecture.model.vision, architecture.model.language
    assert isinstance(vision, ViTConfig)
    panels = {"vision": replace(vision, depth=blocks), "language": replace(language, depth=blocks)}
    return replace(architecture, model=replace(architecture.model, **panels))


def our_model(architecture: Architecture, captions: Sequence[str], seed: int) -> LoadedModel:
    """With fresh weights, and a tokenizer learned from the captions."""
    template = architecture.processor.template
    specials = (template.image_token, *template.end_tokens)
    size = min(VOCABULARY, architecture.model.language.vocab_size)
    tokenizer = Tokenizer.train_byte_bpe(captions, size, specials)
    processor = Processor(architecture.processor, architecture.model, tokenizer)
    return LoadedModel(architecture, architecture.build(seed), processor)


Captioned = Sequence[tuple[Any, Sequence[str]]]
"""Pictures (a path, or pixels), each with its captions."""


def captioned(data: Path | None, seed: int) -> Captioned:
    """The first pictures of Flickr8k, or noise."""
    if data is not None:
        items = read_flickr8k(data)[0]["train"][:NUM_PICTURES]
        return [(item.path, [plain_caption(each) for each in item.captions]) for item in items]
    draw = np.random.default_rng(seed)
    words = ["dog", "man", "red", "two", "sky", "ball", "grass", "snow"]
    return [
        (
            draw.integers(0, 256, (224, 224, 3), np.uint8),
            [" ".join(draw.choice(words, 12)) for _ in range(5)],
        )
        for _ in range(BATCH * max(STEPS.values()))
    ]


def all_captions(chosen: Captioned) -> list[str]:
    """What a tokenizer is learned from."""
    return [caption for _, captions in chosen for caption in captions]


def batches(
    processor: Processor, chosen: Captioned, count: int, num_captions: int = 1
) -> list[Batch]:
    """The first steps of an epoch, as `triptych.train` orders it.

    The straightforward script has the first caption of each picture, ours the first so many.
    """
    end = processor.pad_id
    lengths = [
        sum(len(processor.tokenizer.encode(caption)) + 1 for caption in captions[:num_captions])
        for _, captions in chosen
    ]
    fitting = [index for index, length in enumerate(lengths) if length <= TEXT * num_captions]
    order = Order(len(fitting), BATCH, TRAIN.seed, tuple(lengths[index] for index in fitting))
    made: list[Batch] = []
    for step in range(count):
        indexes = [fitting[i] for i in order.indexes(step)]
        samples = [_sample(processor, index, *chosen[index]) for index in indexes]
        texts = [each.token_ids[each.token_ids.count(processor.image_id) :] for each in samples]
        padding = [TEXT - len(text) for text in texts]
        rows = [text + [end] * more for text, more in zip(texts, padding, strict=True)]
        labels = [text + [IGNORED] * more for text, more in zip(texts, padding, strict=True)]
        pixels = torch.stack([sample.images[0].pixels for sample in samples])
        if num_captions > 1:
            samples = [
                _shared(processor, sample, chosen[index][1][:num_captions])
                for index, sample in zip(indexes, samples, strict=True)
            ]
        made.append(Batch(samples, pixels, torch.tensor(rows), torch.tensor(labels)))
    return made


def _sample(processor: Processor, index: int, picture: Any, captions: Sequence[str]) -> Sample:
    answer = {"role": "assistant", "content": captions[0]}
    return processor.encode([*ask_about([picture]), answer], sample_id=str(index))


def _shared(processor: Processor, sample: Sample, captions: Sequence[str]) -> Sample:
    """All captions of a picture in one row that holds it once."""
    return processor.encode_answers(
        ask_about([sample.sample_id]),
        captions,
        sample_id=sample.sample_id,
        features=sample.images,
    )


def _padded(each: AnswerPass, length: int) -> AnswerPass:
    """The same pass with longer rows."""
    inputs = each.inputs
    rows, old = inputs.token_ids.shape
    assert inputs.labels is not None and length >= old

    def longer(values: Tensor, filler: int) -> Tensor:
        return torch.cat([values, values.new_full((rows, length - old), filler)], dim=1)

    padded: ModelInputs = replace(
        inputs,
        token_ids=longer(inputs.token_ids, 0),
        token_mask=longer(inputs.token_mask, False),
        position_ids=torch.arange(length).expand(rows, -1),
        labels=longer(inputs.labels, IGNORED),
    )
    return replace(each, inputs=padded)


def plain_model(model: VLM) -> PlainMiniVLM:
    """The straightforward script's model, of the same weights; those of vision are shared."""
    plain = PlainMiniVLM(plain_sizes(model.config))
    plain.load({name: each.detach() for name, each in model.named_parameters()})
    return plain


def plain_sizes(config: Any) -> PlainSizes:
    """Of a MiniVLM."""
    vision, language = config.vision, config.language
    assert config.connector == MLPConfig(norm=True)
    assert isinstance(language.positions, RotaryConfig)
    return PlainSizes(
        image_size=vision.image_size,
        patch_size=vision.patch_size,
        vision_dim=vision.dim,
        vision_depth=vision.depth,
        vision_heads=vision.num_heads,
        vision_ffn=vision.ffn_dim,
        vocab_size=language.vocab_size,
        dim=language.dim,
        depth=language.depth,
        num_heads=language.num_heads,
        num_kv_heads=language.num_kv_heads,
        ffn_dim=language.ffn_dim,
        theta=language.positions.theta,
    )


# -- turns ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Turn:
    """What one step took, by the clock and by the processors, and its loss."""

    seconds: float
    cpu_seconds: float
    loss: float


def timed(step: Callable[[int], float], index: int) -> Turn:
    """One step."""
    began, spent = time.perf_counter(), time.process_time()
    loss = step(index)
    return Turn(time.perf_counter() - began, time.process_time() - spent, loss)


Steps = dict[str, Callable[[int], Turn]]
"""By side: take the step of that number."""


def in_turns(steps: Steps, count: int) -> tuple[dict[str, list[Turn]], Peaks]:
    """Steps of all sides, another first every time; the machine's peak."""
    turns: dict[str, list[Turn]] = {side: [] for side in steps}
    peaks = measure_peaks(["float32"])
    for index in range(1, count):
        for side in list(steps)[:: -1 if index % 2 else 1]:
            turns[side].append(steps[side](index))
        peaks = peaks.better(measure_peaks(["float32"]))
        told = {side: round(each[-1].seconds, 2) for side, each in turns.items()}
        print(f"step {index + 1} of {count}: {told} s", file=sys.stderr)
    return turns, peaks


class Apart:
    """The straightforward script in a process of its own, which takes a step when it is told to."""

    def __init__(self) -> None:
        command = [sys.executable, *sys.argv, "--alone", "waiting"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def tell(self, what: str) -> Any:
        """Have it take that step, or count the operations of one; its answer."""
        assert self.process.stdin is not None and self.process.stdout is not None
        print(what, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def __enter__(self) -> "Apart":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def wait_for_turns(arguments: argparse.Namespace) -> None:
    """The other end of `Apart`."""
    loaded, _, made = _prepared(arguments)
    plain = PlainTraining(plain_model(loaded.model), 2e-4, 0.01)
    del loaded

    def step(index: int) -> float:
        return plain.step(made[index].pixels, made[index].token_ids, made[index].labels)

    for line in sys.stdin:
        what = line.strip()
        told = _operations(lambda: step(0)) if what == "count" else timed(step, int(what))
        print(json.dumps(told if isinstance(told, int) else asdict(told)), flush=True)


def _operations(step: Callable[[], object]) -> int:
    """Of the matrix products and attention of a step."""

    def of_linear(x: Sequence[int], weight: Sequence[int], *_: Any, **__: Any) -> int:
        return 2 * int(np.prod(x)) * weight[0]

    # torch's counter does not know oneDNN's.
    known = {torch.ops.mkldnn._linear_pointwise: of_linear}
    with FlopCounterMode(display=False, custom_mapping=known) as counter:
        step()
    return counter.get_total_flops()


def ratio(turns: dict[str, list[Turn]], side: str, kind: str, more: int = 1) -> float:
    """How many times as many samples that side takes in the same time, median of turns.

    `more` is how many times as many it has in a step.
    """
    return more * statistics.median(
        getattr(plain, kind) / getattr(own, kind)
        for plain, own in zip(turns["plain"], turns[side], strict=True)
    )


# -- the three parts ------------------------------------------------------------------------------


def speed(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Samples a second of all sides on the same batches."""
    loaded, chosen, made = _prepared(arguments)
    ours = OurTraining(loaded, TRAIN)
    with tempfile.TemporaryDirectory() as folder:
        kept = _kept_features(loaded, chosen, made, Path(folder))

    def from_pictures(index: int) -> float:
        return ours.step(made[index].samples)

    def from_features(index: int) -> float:
        return ours.step(kept[index])

    with freed_memory_kept(), Apart() as apart:
        operations = {
            "plain": apart.tell("count"),
            "ours": _operations(lambda: from_pictures(0)),
            "kept": _operations(lambda: from_features(0)),
        }
        steps: Steps = {
            "plain": lambda index: Turn(**apart.tell(str(index))),
            "ours": lambda index: timed(from_pictures, index),
            "kept": lambda index: timed(from_features, index),
        }
        turns, peaks = in_turns(steps, arguments.steps)
    figures = _figures(turns, operations, peaks, arguments.captions)
    names = {"plain": "straightforward", "ours": "ours", "kept": "ours, features kept"}
    rows: list[list[str]] = []
    for side, name in names.items():
        found = figures[side]
        ratios = (
            ["", ""] if side == "plain" else [f"{found[f'{k}ratio']:.2f}" for k in ("", "cpu_")]
        )
        rows.append(
            [
                name,
                f"{found['samples_per_s']:.3f}",
                f"{statistics.median(found['seconds']):.2f}",
                f"{operations[side] / 1e12:.2f}",
                f"{found['share_of_gemm_peak']:.0%}",
                *ratios,
            ]
        )
    header = ["", "samples/s", "s a step", "TFLOP", "of the GEMM peak", "ratio", "of CPU time"]
    text = f"{_setting(arguments, made)} GEMM peak {peaks.gemm['float32'] / 1e9:.0f} GFLOP/s."
    return figures, f"{text}\n\n{table(header, rows)}"


def equal(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """The losses of both from the same weights, rows padded alike, nothing decaying."""
    loaded, _, made = _prepared(arguments)
    plain = PlainTraining(plain_model(loaded.model), 2e-4, 0.0)
    ours = OurTraining(loaded, replace(TRAIN, weight_decay=0.0))
    padded = loaded.model.config.num_visual_tokens(*made[0].pixels.shape[-2:]) + TEXT
    losses: list[tuple[float, float]] = []
    for batch in made:
        theirs = plain.step(batch.pixels, batch.token_ids, batch.labels)
        losses.append((ours.step(batch.samples, padded), theirs))
        print(f"step {len(losses)}: {losses[-1][0]:.6f} {losses[-1][1]:.6f}", file=sys.stderr)
    furthest = max(abs(own - their) for own, their in losses)
    figures = {"losses": losses, "furthest": furthest}
    first, last = losses[0][0], losses[-1][0]
    return figures, (
        f"{_setting(arguments, made)} {len(losses)} steps from the same weights, loss "
        f"{first:.4f} to {last:.4f}: the two losses are at most {furthest:.1e} apart."
    )


def memory(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """The highest point of a process with one side alone."""
    found = {side: _memory_of(side) for side in ("plain", "ours")}
    share = found["ours"] / found["plain"]
    rows = [
        ["straightforward", f"{found['plain'] / 1e9:.2f}", ""],
        ["ours", f"{found['ours'] / 1e9:.2f}", f"{share:.2f}"],
    ]
    return {"bytes": found, "share": share}, table(["", "peak GB", "share"], rows)


def _memory_of(side: str) -> int:
    command = [sys.executable, *sys.argv, "--alone", side]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return int(json.loads(done.stdout))


def _peak_alone(arguments: argparse.Namespace) -> int:
    """Beyond what the process holds before there is a model."""
    architecture = shaped(arguments.shape, arguments.blocks)
    chosen = captioned(arguments.data, arguments.seed)
    captions = all_captions(chosen)
    if arguments.alone == "ours":
        before = resident_bytes()
        loaded = our_model(architecture, captions, arguments.seed)
        ours = OurTraining(loaded, TRAIN)
        with freed_memory_kept():
            for batch in batches(loaded.processor, chosen, arguments.steps):
                ours.step(batch.samples)
        return peak_bytes() - before
    with torch.device("meta"):  # for its processor alone
        processor = our_model(architecture, captions, arguments.seed).processor
    before = resident_bytes()
    plain = PlainTraining(PlainMiniVLM(plain_sizes(architecture.model)), 2e-4, 0.01)
    for batch in batches(processor, chosen, arguments.steps):
        plain.step(batch.pixels, batch.token_ids, batch.labels)
    return peak_bytes() - before


def _prepared(arguments: argparse.Namespace) -> tuple[LoadedModel, Captioned, list[Batch]]:
    chosen = captioned(arguments.data, arguments.seed)
    architecture = shaped(arguments.shape, arguments.blocks)
    loaded = our_model(architecture, all_captions(chosen), arguments.seed)
    made = batches(loaded.processor, chosen, arguments.steps, arguments.captions)
    return loaded, chosen, made


def _kept_features(
    loaded: LoadedModel, chosen: Captioned, made: Sequence[Batch], folder: Path
) -> list[list[Sample]]:
    """The same samples with features in the place of pictures, as a feature store gives them."""
    used = [sample.sample_id for batch in made for sample in batch.samples]
    pictures = {name: chosen[int(name)][0] for name in used}
    store = build_features(folder, loaded.model, loaded.processor, pictures, batch_size=BATCH)
    return [
        [replace(sample, images=(store.read(sample.sample_id),)) for sample in batch.samples]
        for batch in made
    ]


def _figures(
    turns: dict[str, list[Turn]], operations: dict[str, int], peaks: Peaks, num_captions: int
) -> dict[str, Any]:
    figures: dict[str, Any] = {"peaks": peaks.as_dict()}
    for side, each in turns.items():
        seconds = statistics.median(turn.seconds for turn in each)
        more = 1 if side == "plain" else num_captions
        figures[side] = {
            "seconds": [turn.seconds for turn in each],
            "cpu_seconds": [turn.cpu_seconds for turn in each],
            "losses": [turn.loss for turn in each],
            "samples_per_s": more * BATCH / seconds,
            "operations": operations[side],
            "share_of_gemm_peak": operations[side] / seconds / peaks.gemm["float32"],
            "ratio": ratio(turns, side, "seconds", more),
            "cpu_ratio": ratio(turns, side, "cpu_seconds", more),
        }
    return figures


def _setting(arguments: argparse.Namespace, made: Sequence[Batch]) -> str:
    lengths = [int((batch.labels != IGNORED).sum(dim=1).max()) for batch in made]
    what = "captions of Flickr8k" if arguments.data else "captions of equal lengths"
    if arguments.captions > 1:
        what += f", in ours {arguments.captions} of each picture in one row,"
    return (
        f"{BATCH} {what} a step, the longest of {min(lengths)} to {max(lengths)} tokens; "
        f"{torch.get_num_threads()} threads, float32."
    )


PARTS = {"speed": speed, "equal": equal, "memory": memory}


def main() -> None:
    """Measure one part; print."""
    arguments = _arguments()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if arguments.alone == "waiting":
        wait_for_turns(arguments)
        return
    if arguments.alone:
        print(json.dumps(_peak_alone(arguments)))
        return
    figures, text = PARTS[arguments.part](arguments)
    figures |= {"shape": arguments.shape, "blocks": arguments.blocks}
    name = f"training of {arguments.shape} beside a straightforward script: {arguments.part}"
    if arguments.captions > 1:
        name += f", {arguments.captions} captions a row"
    record(arguments, name, figures, text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--data", type=Path, help="folder of Flickr8k")
    parser.add_argument("--shape", choices=SHAPES, default="minivlm")
    parser.add_argument("--blocks", type=int, help="of each panel, instead of all")
    parser.add_argument("--steps", type=int, help="of each side")
    parser.add_argument(
        "--captions", type=int, default=1, help="of a picture in one row of ours, for `speed`"
    )
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--alone", choices=("ours", "plain", "waiting"), help=argparse.SUPPRESS)
    add_options(parser)
    arguments = parser.parse_args()
    arguments.steps = arguments.steps or STEPS[arguments.part]
    if arguments.captions > 1 and arguments.part != "speed":
        parser.error("--captions is for `speed`; the other parts have one in both")
    return arguments


if __name__ == "__main__":
    main()
