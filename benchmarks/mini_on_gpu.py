"""The last stage of the recipe `mini` by the clock: many processes draw, one GPU learns.

python benchmarks/mini_on_gpu.py --out runs/mini-gpu --seconds 560 --workers 15
python benchmarks/mini_on_gpu.py --device cpu --workers 1 --batch 24 --rate 3e-4 --keep 1 \\
    --replay 0 --seconds 5000

Every process draws whole batches and sends them as bytes of colours; the GPU makes numbers of them.
A batch that was learned from stays on the GPU, and while no new one has arrived an old one is
learned from again. The rate of learning follows the clock: up, level, down to nothing at the end.
Every minute the share of answers that are right is told, row by row, on unseen pictures, in the
wordings of training (dev) and in others (test): those whose every token is the likeliest one, which
is what greedy decoding would say. Weights are written in two files of at most 16 MiB (`--join`
makes a model of them). On a CPU the pictures of a step share one row, and one process that draws is
enough.
"""

import argparse
import json
import multiprocessing
import queue
import threading
import time
from dataclasses import asdict, replace
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

import triptych.pictures
from triptych import load
from triptych.data.worlds import WORLDS
from triptych.data.worlds.samples import WorldSamples, encode_questions
from triptych.data.worlds.world import SampleId, draw_from
from triptych.evaluate.worlds import find_rows
from triptych.fusion.masks import attention_mask, documents_of
from triptych.fusion.vlm import VLM, _equal_shapes, _slices
from triptych.inputs import ModelInputs, VisualLabels
from triptych.media import PixelConfig
from triptych.objectives.language_modelling import labelled_positions, predecessors
from triptych.objectives.seeing import seeing
from triptych.processor import Processor, Sample
from triptych.recipes.mini import MiniRecipe
from triptych.train import TrainConfig
from triptych.train.average import WeightAverage
from triptych.train.crossing import receive, send
from triptych.train.optimizer import build_optimizer, freeze, set_rates, set_training
from triptych.vision import together

BY_TOKEN = ("referring box", "referring point", "screen click", "receipt to JSON", "chart value")
"""Rows whose answers are long or need not be met exactly: their right tokens are told, too."""

Batch = dict[str, Any]
"""What a step needs, as tensors; pictures as bytes, stacked by their shape."""


def colours_alone(image: Image.Image, config: PixelConfig) -> Tensor:
    """In the place of `to_pixels`: a quarter of the bytes, for the GPU to make numbers of."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def make_batch(processor: Processor, samples: list[Sample], *, packed: bool = False) -> Batch:
    """Samples one a row, or all of them in one row that has no padding."""
    inputs = processor.pack([samples]) if packed else processor.collate(samples)
    slices = [_slices(image) for image in inputs.images]
    groups = _equal_shapes(slices)
    order = [index for group in groups for index in group]
    spans = [inputs.spans[index] for index in order]
    rows, positions = labelled_positions(inputs)
    assert inputs.labels is not None and inputs.weights is not None
    batch: Batch = {
        "stacks": [torch.cat([slices[index] for index in group]) for group in groups],
        "slot_rows": torch.cat([torch.full((s.num_slots,), s.batch_index) for s in spans]),
        "slots": torch.cat([torch.tensor(list(s.positions)) for s in spans]),
        "token_ids": inputs.token_ids,
        "token_mask": inputs.token_mask,
        "position_ids": inputs.position_ids,
        "branches": inputs.branches,
        "documents": inputs.documents,
        "rows": rows,
        "sources": predecessors(inputs)[rows, positions],
        "targets": inputs.labels[rows, positions],
        "weights": inputs.weights[rows, positions],
        "num_pictures": len(samples),
    }
    if inputs.visual_labels:
        labels = [inputs.visual_labels[index] for index in order]
        for name in ("words", "weights", "edges"):
            batch[f"seen_{name}"] = torch.cat([getattr(each, name) for each in labels])
    return batch


def draw(
    processor: Processor, out: "Connection[Any, Any]", number: int, options: argparse.Namespace
) -> None:
    """What a drawing process does: its share of the tests, then batch after batch."""
    torch.set_num_threads(1)
    triptych.pictures.to_pixels = colours_alone
    for turn, row in enumerate(find_rows(())):
        if turn % options.workers == number:
            for split in ("dev", "test"):
                found = test_batch(processor, row, options.test_items, split)
                send(out, ("test", f"{row.name}, {split}", found))
    shares = json.loads(options.shares)
    source = WorldSamples(
        processor,
        WORLDS,
        shares,
        1 << 40,
        max_questions=options.questions,
        rarer=json.loads(options.rarer),
        describes=True,
    )
    step = number
    while True:
        first = options.first + step * options.batch
        samples = [
            source.sample(index, torch.Generator().manual_seed(index))
            for index in range(first, first + options.batch)
        ]
        # Packed, a CPU takes 0.73 of the time; a GPU would wait for its thread to launch it all.
        batch = make_batch(processor, samples, packed=options.device == "cpu")
        send(out, ("batch", "", batch))
        step += options.workers


def test_batch(processor: Processor, row: Any, count: int, split: Any) -> Batch:
    samples: list[Sample] = []
    number = 0
    while len(samples) < count and number < 60 * count:
        # Far from where the table of the model card begins.
        sample_id = SampleId(world=row.world, split=split, number=10_000_000 + number)
        drawn = draw_from(WORLDS[row.world], sample_id)
        fitting = [question for question in drawn.questions if row.keep(question)]
        if fitting:
            question = Random(number).choice(fitting)
            sample = encode_questions(processor, drawn, [question])
            weights = [1.0] * len(sample.token_ids)
            samples.append(replace(sample, weights=weights))
        number += 1
    return make_batch(processor, samples) if samples else {}


class Learner:
    """A model and what a step does to it."""

    def __init__(self, model: VLM, processor: Processor, options: argparse.Namespace) -> None:
        self.model, self.options = model, options
        self.device = torch.device(options.device)
        colours = processor.pictures.colours
        self.mean = torch.tensor(colours.mean, device=self.device)[:, None, None]
        self.std = torch.tensor(colours.std, device=self.device)[:, None, None]
        self.scale = colours.scale
        recipe = MiniRecipe()
        self.config = TrainConfig(
            learning_rates=recipe.train.learning_rates.__class__(
                vision=0.0 if options.language_alone else options.rate,
                connector=0.0 if options.language_alone else options.rate,
                language=options.rate,
            ),
            epochs=1,
            batch_size=options.batch,
            optimizer="muon",
            matrix_boost=options.boost,
            weight_decay=recipe.train.weight_decay,
            ema_decay=options.ema,
        )
        freeze(model, self.config.learning_rates)
        set_training(model, self.config.learning_rates)
        self.optimizer = build_optimizer(model, self.config)
        self.parameters = [each for each in model.parameters() if each.requires_grad]
        self.average = WeightAverage(model, options.ema)
        self.steps = 0

    def moved(self, batch: Batch) -> Batch:
        """On the device; what is to be seen stays where its labels are chosen."""
        return {
            name: [each.to(self.device, non_blocking=True) for each in value]
            if name == "stacks"
            else value.to(self.device, non_blocking=True)
            if isinstance(value, Tensor) and not name.startswith("seen_")
            else value
            for name, value in batch.items()
        }

    def visual(self, stacks: list[Tensor]) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.options.language_alone):
            return self._visual(stacks)

    def _visual(self, stacks: list[Tensor]) -> Tensor:
        pixels = [((each.float() * self.scale) - self.mean) / self.std for each in stacks]
        features = together.encode_stacks(self.model.vision, pixels)
        return torch.cat([self.model.connector(each).flatten(0, 1) for each in features])

    def hidden(self, batch: Batch, visual: Tensor) -> Tensor:
        """Of every position that predicts a label."""
        language = self.model.language
        embedded = language.embed(batch["token_ids"], batch["position_ids"])
        at = (batch["slot_rows"], batch["slots"])
        embedded = embedded.index_put(at, visual.to(embedded.dtype))
        inputs = ModelInputs(
            token_ids=batch["token_ids"],
            token_mask=batch["token_mask"],
            position_ids=batch["position_ids"],
            branches=batch["branches"],
            documents=batch["documents"],
        )
        read = language(
            embedded,
            position_ids=inputs.position_ids,
            mask=attention_mask(inputs),
            documents=documents_of(inputs, language.config.window, is_cached=False),
        )
        return read[batch["rows"], batch["sources"]]

    def logits(self, hidden: Tensor) -> Tensor:
        return functional.linear(hidden, self.model.language.embedding.weight).float()

    def learn(self, batch: Batch, factor: float, seeing_weight: float) -> tuple[Tensor, Tensor]:
        """One step; both losses, still on the device."""
        set_rates(self.optimizer, factor)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            visual = self.visual(batch["stacks"])
            hidden = self.hidden(batch, visual)
            each = functional.cross_entropy(self.logits(hidden), batch["targets"], reduction="none")
            answered = (each * batch["weights"]).sum() / len(each)
            labels = VisualLabels(
                words=batch["seen_words"], weights=batch["seen_weights"], edges=batch["seen_edges"]
            )
            seen = torch.zeros((), device=self.device)
            if seeing_weight:
                seen = seeing(self.model, [visual.float()], [labels])
            loss = answered + seeing_weight * seen
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update(self.steps)
        self.steps += 1
        return each.detach().mean(), seen.detach()

    @torch.no_grad()
    def test(self, tests: dict[str, Batch]) -> dict[str, float]:
        self.model.eval()
        with self.average.in_place():
            scores = self._scores(tests)
        set_training(self.model, self.config.learning_rates)
        return scores

    def _scores(self, tests: dict[str, Batch]) -> dict[str, float]:
        scores: dict[str, float] = {}
        for name, batch in tests.items():
            with torch.autocast(self.device.type, dtype=torch.bfloat16):
                hidden = self.hidden(batch, self.visual(batch["stacks"]))
                wrong = self.logits(hidden).argmax(dim=1) != batch["targets"]
            wrongs = torch.zeros(batch["num_pictures"], device=wrong.device)
            wrongs.index_add_(0, batch["rows"], wrong.float())
            scores[name] = round(float((wrongs == 0).float().mean()), 3)
            if name.startswith(BY_TOKEN):
                scores[f"{name}, tokens"] = round(1 - float(wrong.float().mean()), 3)
        return scores

    def save(self, folder: Path) -> None:
        """The averaged weights, in halves."""
        state = {name: value.half().cpu() for name, value in self.average.state().items()}
        names = sorted(state)
        sizes = np.cumsum([state[name].numel() for name in names])
        half = int(np.searchsorted(sizes, sizes[-1] / 2))
        folder.mkdir(parents=True, exist_ok=True)
        for number, own in enumerate((names[:half], names[half:])):
            save_file(
                {name: state[name].contiguous() for name in own},
                folder / f"half-{number}.safetensors",
            )


def check_row(learner: Learner, batch: Batch) -> str:
    """Whether pictures in one row are seen as stacks are; if not, stacks it is."""
    if learner.device.type != "cuda":
        return "stacks, on a CPU"
    can, never = together._can_share_a_row, lambda vision: False
    try:
        with torch.autocast("cuda", dtype=torch.bfloat16):
            row = learner.visual(batch["stacks"])
            row.float().square().mean().backward()
            learner.optimizer.zero_grad(set_to_none=True)
            together._can_share_a_row = never
            stacks = learner.visual(batch["stacks"])
        together._can_share_a_row = can
        worst = float((row - stacks).abs().max() / stacks.abs().max())
        if worst < 0.05:
            return f"one row, differing from stacks by {worst:.4f} at most"
        found = f"stacks, since a row differs by {worst:.4f}"
    except Exception as error:
        found = f"stacks, since a row failed: {type(error).__name__}: {error}"
    together._can_share_a_row = never
    return found


def factor_at(share: float, decay: float, warmup: float = 0.01) -> float:
    """Rate of learning after that share of the time; it falls over the last `decay` of it."""
    if share < warmup:
        return max(0.02, share / warmup)
    return max(0.01, min(1.0, (1 - share) / decay))


def run(options: argparse.Namespace) -> None:
    began = time.monotonic()
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    loaded = load(options.start)
    model, processor = loaded.model, loaded.processor
    model.float()
    context: Any = multiprocessing.get_context("fork")
    arrived: queue.Queue[tuple[str, str, Batch]] = queue.Queue(maxsize=3 * options.workers + 20)
    pipes = []
    for number in range(options.workers):
        theirs, ours = context.Pipe(duplex=False)
        process = context.Process(target=draw, args=(processor, ours, number, options), daemon=True)
        process.start()
        ours.close()
        pipes.append(theirs)
    device = torch.device(options.device)
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cuda.enable_cudnn_sdp(False)  # it plans anew for every length
    model = model.to(device)
    learner = Learner(model, processor, options)

    def empty(pipe: "Connection[Any, Any]") -> None:
        while True:
            kind, name, batch = receive(pipe)
            if device.type == "cuda":
                batch = {
                    key: [each.pin_memory() for each in value]
                    if key == "stacks"
                    else value.pin_memory()
                    if isinstance(value, Tensor) and not key.startswith("seen_")
                    else value
                    for key, value in batch.items()
                }
            arrived.put((kind, name, batch))

    for pipe in pipes:
        threading.Thread(target=empty, args=(pipe,), daemon=True).start()
    tests: dict[str, Batch] = {}
    old: list[Batch] = []
    chance = Random(0)
    fresh = again = pictures = 0
    answered, seen = [], []
    next_test, next_note, checked = options.test_every, 10.0, False
    log = (out / "log.jsonl").open("a")

    def note(**line: Any) -> None:
        line = {"seconds": round(time.monotonic() - began, 1), **line}
        log.write(json.dumps(line) + "\n")
        log.flush()
        print(json.dumps(line), flush=True)

    note(options=vars(options), shares=options.shares)
    while True:
        now = time.monotonic() - began
        share = now / options.seconds
        if share >= 1:
            break
        try:
            kind, name, batch = arrived.get(timeout=None if not old else 0.0005)
        except queue.Empty:
            if again >= options.replay * max(1, fresh):
                continue
            batch, kind = chance.choice(old), "again"
        if kind == "test":
            if batch:
                tests[name] = learner.moved(batch)
            continue
        if kind == "batch":
            batch = learner.moved(batch)
            if not checked:
                checked = True
                note(vision=check_row(learner, batch))
            if len(old) < options.keep:
                old.append(batch)
            else:
                old[chance.randrange(options.keep)] = batch
            fresh += 1
        else:
            again += 1
        weight = options.seeing if share > 0.35 else options.seeing_first
        weight = 0.0 if options.language_alone else weight
        losses = learner.learn(batch, factor_at(share, options.decay), weight)
        pictures += batch["num_pictures"]
        answered.append(losses[0])
        seen.append(losses[1])
        if now > next_note:
            mean = [float(torch.stack(each).mean()) for each in (answered, seen)]
            span = now - next_note + 10
            rate = sum(1 for _ in answered) * options.batch / span
            note(
                steps=learner.steps, fresh=fresh, again=again, loss=round(mean[0], 4),
                seeing=round(mean[1], 4), pictures_per_s=round(rate), waiting=arrived.qsize(),
                gb=round(torch.cuda.max_memory_allocated() / 1e9, 1)
                if device.type == "cuda" else 0,
            )  # fmt: skip
            answered, seen, next_note = [], [], now + 10
            if not np.isfinite(mean).all():
                note(stopped="the loss is no number")
                break
        if now > next_test:
            next_test = now + options.test_every
            note(scores=learner.test(tests))
            learner.save(out)
    note(scores=learner.test(tests), steps=learner.steps, fresh=fresh, again=again)
    learner.save(out)
    note(
        pictures_drawn=fresh * options.batch, pictures_learned=pictures,
        hours=(time.monotonic() - began) / 3600,
        gpu=torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
    )  # fmt: skip


def join(folder: Path, start: Path) -> None:
    """A model folder of both halves and the rest of another model."""
    from triptych.checkpoint.files import read_tensors, write_tensors

    state = read_tensors(start / "model.safetensors")
    for number in (0, 1):
        state |= load_file(folder / f"half-{number}.safetensors")
    model = folder / "model"
    model.mkdir(exist_ok=True)
    halves = {name: value.half() for name, value in state.items()}
    write_tensors(model / "model.safetensors", halves, {"format": "pt"})
    for name in ("config.json", "tokenizer.json"):
        (model / name).write_bytes((start / name).read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default="runs/mini-gpu")
    parser.add_argument("--start", default="src/triptych/embedded/mini")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=560)
    parser.add_argument("--workers", type=int, default=15)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--first", type=int, default=4_000_000, help="number of the first sample")
    parser.add_argument("--questions", type=int, default=10)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--boost", type=float, default=3.0)
    parser.add_argument("--decay", type=float, default=0.4)
    parser.add_argument("--ema", type=float, default=0.998)
    parser.add_argument("--seeing-first", type=float, default=1.0)
    parser.add_argument("--seeing", type=float, default=0.3)
    parser.add_argument("--replay", type=float, default=3.0, help="old batches for each new one")
    parser.add_argument("--keep", type=int, default=600, help="old batches that are kept")
    parser.add_argument("--language-alone", action="store_true", help="leave the other panels")
    parser.add_argument("--test-items", type=int, default=64)
    parser.add_argument("--test-every", type=float, default=60)
    shares = {**asdict(MiniRecipe().shares), "charts": 1.5}
    parser.add_argument("--shares", default=json.dumps(shares))
    parser.add_argument("--rarer", default="{}", help="share asked of some kinds, as JSON")
    parser.add_argument("--join", action="store_true", help="make a model of the halves in --out")
    options = parser.parse_args()
    if options.join:
        join(Path(options.out), Path(options.start))
    else:
        run(options)


if __name__ == "__main__":
    main()
