"""The embedded model: a Qwen2-VL of 12 million parameters, from scratch on drawn worlds.

    triptych train mini --out runs/mini

Two CPU cores, 5.5 pictures a second; one H200, 850. The shipped weights took ten hours of one core
and, by `benchmarks/mini_on_gpu.py`, ten minutes of the H200: attributes 99.6 % right, counts to six
88 % (docs/mini.md has every row).

Needs no data: pictures are drawn while it trains. Three stages, each of which makes the next one
possible:

    see      vision and connector: every visual token says what its cell shows (no questions)
    first    all panels: questions about a few objects in small pictures
    train    all panels: all worlds, ten questions a picture

From questions about full scenes alone a fresh model learns the form of answers, and to look only
after many thousands of pictures. Beside the model, the record and the loss plot it writes scores of
every ability on unseen pictures and wordings. `start=FOLDER` goes on from the weights of a finished
model instead of fresh ones; `num_seen=0` and `num_first=0` leave out the stages before the last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from triptych.architectures.mini import VOCAB_SIZE, mini
from triptych.checkpoint.files import load_state, read_tensors, write_json
from triptych.checkpoint.model_folder import TOKENIZER, WEIGHTS, LoadedModel, save_model
from triptych.config import to_dict
from triptych.data.worlds import WORLDS
from triptych.data.worlds.samples import WorldSamples
from triptych.data.worlds.scenes import Scenes
from triptych.data.worlds.scenes.facts import Layout
from triptych.data.worlds.wording import Split
from triptych.data.worlds.world import SampleId, World, draw_from
from triptych.errors import UsageError
from triptych.evaluate.worlds import evaluate_model, find_rows
from triptych.fusion.vlm import VLM
from triptych.objectives.language_modelling import language_modelling
from triptych.objectives.mixture import Objectives
from triptych.objectives.seeing import seeing
from triptych.processor import Processor, Sample
from triptych.recipes.captioning import fresh_model
from triptych.text import QWEN2_VL_SPECIALS, Tokenizer
from triptych.train import PanelRates, TrainConfig, fit
from triptych.train.checkpoints import has_checkpoint
from triptych.train.memory import peak_memory_bytes
from triptych.train.placing import check_device
from triptych.train.plot import plot_run


@dataclass(frozen=True, kw_only=True, slots=True)
class WorldShares:
    """How often each world is drawn, relative to the others."""

    scenes: float = 5.0
    signs: float = 2.0
    charts: float = 1.0
    documents: float = 1.0
    screens: float = 1.0
    pairs: float = 0.5
    clips: float = 1.0


SEEN_WORLDS: Mapping[str, World] = {
    "crowds": Scenes(Layout(most=20, least=12)),
    "few": Scenes(Layout(sides=((168, 168), (196, 140), (112, 112)), most=4)),
    **{name: WORLDS[name] for name in ("scenes", "signs", "charts", "documents", "screens")},
}
"""What the first stage looks at; crowded scenes teach the most for their size."""

SEEN_SHARES = {
    **{"crowds": 4.0, "few": 1.0, "scenes": 2.0, "signs": 3.0},
    **{"charts": 1.0, "documents": 1.0, "screens": 1.0},
}

FEW_WORLDS: Mapping[str, World] = {"few": SEEN_WORLDS["few"]}
"""What the second stage asks about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MiniRecipe:
    """Everything that can be changed about the run."""

    see: TrainConfig = TrainConfig(
        learning_rates=PanelRates(vision=1e-3, connector=1e-3, language=1e-3),
        objectives=Objectives(answering=0.0, seeing=1.0),
        epochs=1,
        batch_size=16,
        max_steps=1500,
        optimizer="muon",
        matrix_boost=6.0,
        precision="bfloat16",
        weight_decay=0.02,
        warmup_steps=50,
        schedule="trapezoid",
        decay_steps=400,
        final_rate=0.1,
        ema_decay=0.99,
        validate_every=250,
        checkpoint_every=100,
    )
    """The first stage; of language only the embeddings move."""
    num_seen: int = 200_000
    """Pictures of the first stage at most; 0 leaves it out."""
    first: TrainConfig = TrainConfig(
        learning_rates=PanelRates(vision=7e-4, connector=7e-4, language=7e-4),
        objectives=Objectives(seeing=0.5),
        epochs=1,
        batch_size=16,
        max_steps=500,
        optimizer="muon",
        precision="bfloat16",
        weight_decay=0.02,
        warmup_steps=100,
        schedule="constant",
        ema_decay=0.99,
        validate_every=250,
        checkpoint_every=100,
    )
    """The second stage."""
    num_first: int = 100_000
    """Pictures of the second stage at most; 0 leaves it out."""
    max_first_questions: int = 8
    """Questions asked about one of them."""
    train: TrainConfig = TrainConfig(
        learning_rates=PanelRates(vision=7e-4, connector=7e-4, language=7e-4),
        objectives=Objectives(seeing=0.3),
        epochs=1,
        batch_size=32,
        pack_tokens=6144,
        optimizer="muon",
        precision="bfloat16",
        weight_decay=0.02,
        warmup_steps=200,
        schedule="trapezoid",
        decay_steps=2000,
        final_rate=0.02,
        ema_decay=0.998,
        validate_every=500,
        checkpoint_every=250,
    )
    """The last stage, on all worlds; a step sees 32 pictures and about 300 questions."""

    shares: WorldShares = WorldShares()
    """The mixture of worlds."""
    num_samples: int = 2_000_000
    """Pictures to draw, twins included; each is drawn once."""
    max_questions: int = 10
    """Questions asked about one picture."""
    vocab_size: int = VOCAB_SIZE
    """Byte-level BPE entries, trained on the text of training samples."""
    num_text_samples: int = 1500
    """Samples of each world whose text the tokenizer is trained on."""
    num_dev: int = 24
    """Samples of each world in the held-out loss."""
    num_items: int = 200
    """Items of every row of the final scores."""
    start: str = ""
    """Folder of a model whose weights and tokenizer to go on from; empty for fresh ones."""


def run(recipe: MiniRecipe, data: Path | None, folder: Path, resume: bool) -> dict[str, object]:
    """Train, save, and score every ability."""
    if data is not None:
        raise UsageError("the recipe mini draws its own pictures; leave out --data")
    for stage in (recipe.see, recipe.first, recipe.train):  # not after hours of the stages before
        check_device(stage.device)
    write_json(folder / "recipe.json", to_dict(recipe))
    shares = {name: share for name, share in asdict(recipe.shares).items() if share > 0}
    loaded = _start(recipe, list(shares), folder)
    model, processor = loaded.model, loaded.processor
    if recipe.num_seen:
        see(recipe, loaded, folder / "see", resume=resume)
    if recipe.num_first:
        look_first(recipe, loaded, folder / "first", resume=resume)
    source = WorldSamples(
        processor,
        WORLDS,
        shares,
        recipe.num_samples,
        max_questions=recipe.max_questions,
        describes="seeing" in recipe.train.objectives.learned,
    )
    dev = {name: _dev_samples(processor, name, recipe.num_dev) for name in shares}
    progress = fit(
        loaded.architecture,
        model,
        processor,
        source,
        recipe.train,
        folder,
        validate=lambda each: held_out_losses(each, processor, dev),
        resume=resume and has_checkpoint(folder),
    )
    plot_run(folder / "record.jsonl", folder / "loss.png")
    save_model(folder / "model", loaded.architecture, model, processor.tokenizer)
    rows = [row for row in find_rows(()) if row.world in shares]
    scores = evaluate_model(model, processor, rows, recipe.num_items)
    pictures = progress.step * recipe.train.batch_size * recipe.train.accumulate
    result: dict[str, object] = {
        "scores": scores,
        "training": {
            "steps": progress.step,
            "pictures": pictures,
            "hours": progress.seconds / 3600,
            "pictures_per_s": pictures / max(1e-9, progress.seconds),
            "peak_memory_gb": peak_memory_bytes() / 1e9,
            "best_val_loss": progress.best_score,
        },
        "files": {name: str(folder / name) for name in ("model", "loss.png", "record.jsonl")},
    }
    write_json(folder / "scores.json", result)
    return result


def see(recipe: MiniRecipe, loaded: LoadedModel, folder: Path, *, resume: bool) -> None:
    """The first stage: every visual token learns to say what its cell shows."""
    processor = loaded.processor

    def samples(worlds: Mapping[str, float], count: int, split: Split) -> WorldSamples:
        return WorldSamples(
            processor, SEEN_WORLDS, worlds, count, split=split, max_questions=1, describes=True
        )

    dev = {
        name: _first_samples(samples({name: 1.0}, recipe.num_dev, "dev")) for name in SEEN_SHARES
    }
    fit(
        loaded.architecture,
        loaded.model,
        processor,
        samples(SEEN_SHARES, recipe.num_seen, "train"),
        recipe.see,
        folder,
        validate=lambda each: unseen_losses(each, processor, dev),
        resume=resume and has_checkpoint(folder),
    )


def look_first(recipe: MiniRecipe, loaded: LoadedModel, folder: Path, *, resume: bool) -> None:
    """The second stage: small scenes of few objects, where it pays at once to look."""
    processor = loaded.processor

    def samples(count: int, split: Split) -> WorldSamples:
        return WorldSamples(
            processor,
            FEW_WORLDS,
            dict.fromkeys(FEW_WORLDS, 1.0),
            count,
            split=split,
            max_questions=recipe.max_first_questions,
            describes="seeing" in recipe.first.objectives.learned,
        )

    dev = {"few": _first_samples(samples(2 * recipe.num_dev, "dev"))}
    fit(
        loaded.architecture,
        loaded.model,
        processor,
        samples(recipe.num_first, "train"),
        recipe.first,
        folder,
        validate=lambda each: held_out_losses(each, processor, dev),
        resume=resume and has_checkpoint(folder),
    )


def _start(recipe: MiniRecipe, worlds: Sequence[str], folder: Path) -> LoadedModel:
    """The model to be trained: fresh, or with the weights and tokenizer of a finished one."""
    if recipe.start:
        start = Path(recipe.start)
        tokenizer = Tokenizer.from_file(start / TOKENIZER)
    elif (folder / TOKENIZER).is_file():
        tokenizer = Tokenizer.from_file(folder / TOKENIZER)
    else:
        texts = list(world_texts(worlds, recipe.num_text_samples))
        tokenizer = Tokenizer.train_byte_bpe(texts, recipe.vocab_size, QWEN2_VL_SPECIALS)
    tokenizer.save(folder / TOKENIZER)
    loaded = fresh_model(mini(recipe.vocab_size), tokenizer, recipe.train.seed)
    if recipe.start:
        weights = Path(recipe.start) / WEIGHTS
        load_state(loaded.model, read_tensors(weights), str(weights))
    return loaded


def world_texts(worlds: Sequence[str], num_samples: int) -> Sequence[str]:
    """What is asked and answered in the training samples of these worlds."""
    texts: list[str] = []
    for name in worlds:
        for number in range(num_samples):
            drawn = draw_from(WORLDS[name], SampleId(world=name, split="train", number=number))
            for question in drawn.questions:
                texts.append(question.text)
                texts += [part if isinstance(part, str) else part.label for part in question.answer]
    return texts


def _dev_samples(processor: Processor, world: str, count: int) -> list[Sample]:
    return _first_samples(WorldSamples(processor, WORLDS, {world: 1.0}, count, split="dev"))


def _first_samples(source: WorldSamples) -> list[Sample]:
    return [source.sample(i, torch.Generator().manual_seed(i)) for i in range(len(source))]


@torch.inference_mode()
def held_out_losses(
    model: VLM, processor: Processor, dev: Mapping[str, Sequence[Sample]]
) -> dict[str, float]:
    """Nats a token on the dev samples: `val_loss` over all, and of each world."""
    losses: dict[str, float] = {}
    nll, count = 0.0, 0
    for name, samples in dev.items():
        own_nll, own_count = 0.0, 0
        for start in range(0, len(samples), 8):
            loss = language_modelling(model, processor.collate(samples[start : start + 8]))
            own_nll, own_count = own_nll + loss.nll, own_count + loss.num_tokens
        losses[f"val_loss_{name}"] = own_nll / own_count
        nll, count = nll + own_nll, count + own_count
    return {"val_loss": nll / count, **losses}


@torch.inference_mode()
def unseen_losses(
    model: VLM, processor: Processor, dev: Mapping[str, Sequence[Sample]]
) -> dict[str, float]:
    """The loss of seeing on the dev samples: `val_loss` over all, and of each world."""
    losses: dict[str, float] = {}
    for name, samples in dev.items():
        batch = processor.collate(samples)
        losses[f"val_loss_{name}"] = float(seeing(model, model.encode(batch), batch.visual_labels))
    return {"val_loss": sum(losses.values()) / len(losses), **losses}
