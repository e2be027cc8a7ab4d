"""Our training step beside nanoVLM's own, in turns within one process.

python benchmarks/nanovlm_training.py --nanovlm CHECKOUT --data FOLDER --threads 2 --keep

CHECKOUT is https://github.com/huggingface/nanoVLM, nothing of which is here. Its `train()` runs as
it is, on the same random weights: SigLIP-B/16-224, pixel shuffle, SmolLM2-135M, all three trained,
four pictures of Flickr8k with a caption each in a step. While it waits for its next batch, ours
takes the same step. What it would load (data sets, tokenizers, wandb, torchvision) is replaced by
nothing; its batches come from its own collator, and all their rows are equally long, so that
neither side has padding.

As it stands its attention is given a mask and `is_causal` at once, which torch has no kernel for on
a CPU in some versions; where that fails the mask, which is all ones, is left out.
"""

import argparse
import contextlib
import importlib
import math
import statistics
import sys
import time
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from minivlm_training import (
    BATCH,
    VOCABULARY,
    Captioned,
    OurTraining,
    Turn,
    all_captions,
    captioned,
    ratio,
    timed,
)
from recording import add_options, record, table
from torch import Tensor

from triptych.architectures import Architecture, find_architecture
from triptych.checkpoint.model_folder import LoadedModel
from triptych.connector import LinearConfig
from triptych.fusion.vlm import VLMConfig
from triptych.language import DecoderConfig, RotaryConfig
from triptych.media import FixedResizeConfig
from triptych.processor import Processor, Sample, ask_about
from triptych.text import Tokenizer
from triptych.train import PanelRates, TrainConfig
from triptych.train.optimizer import set_rates
from triptych.vision import ViTConfig

SHAPES: dict[str, dict[str, int]] = {
    "222m": {
        "vit_hidden_dim": 768,
        "vit_inter_dim": 3072,
        "vit_img_size": 224,
        "vit_n_heads": 12,
        "vit_n_blocks": 12,
        "lm_hidden_dim": 576,
        "lm_inter_dim": 1536,
        "lm_n_heads": 9,
        "lm_n_kv_heads": 3,
        "lm_n_blocks": 30,
        "mp_pixel_shuffle_factor": 2,
        "mp_image_token_length": 49,
    },
    "debug": {
        "vit_hidden_dim": 64,
        "vit_inter_dim": 128,
        "vit_img_size": 64,
        "vit_n_heads": 4,
        "vit_n_blocks": 2,
        "lm_hidden_dim": 64,
        "lm_inter_dim": 128,
        "lm_n_heads": 4,
        "lm_n_kv_heads": 2,
        "lm_n_blocks": 2,
        "mp_pixel_shuffle_factor": 2,
        "mp_image_token_length": 4,
    },
}
"""nanoVLM-222M's own sizes, and small ones."""

ABSENT = {
    "wandb": (),
    "datasets": (
        "load_dataset",
        "concatenate_datasets",
        "get_dataset_config_names",
        "load_from_disk",
    ),
    "data.datasets": ("VQADataset",),
    "data.advanced_datasets": ("ConstantLengthDataset",),
    "data.processors": ("get_image_processor", "get_tokenizer"),
}
"""Modules that its `train` imports and a step does not need, and what it takes out of them."""

CPU = "cpu"


class Finished(Exception):
    """All batches were taken."""


@dataclass(frozen=True, slots=True)
class TheirTokenizer:
    """All that its model and its collator ask of one."""

    image_token_id: int
    pad_token_id: int


# -- what both read -------------------------------------------------------------------------------


def our_architecture(sizes: Any) -> Architecture:
    """Our model of the sizes in nanoVLM's configuration."""
    vision = ViTConfig(
        patch_size=sizes.vit_patch_size,
        dim=sizes.vit_hidden_dim,
        depth=sizes.vit_n_blocks,
        num_heads=sizes.vit_n_heads,
        ffn_dim=sizes.vit_inter_dim,
        image_size=sizes.vit_img_size,
        norm_eps=sizes.vit_ln_eps,
        activation="gelu_tanh",
    )
    language = DecoderConfig(
        vocab_size=sizes.lm_vocab_size,
        dim=sizes.lm_hidden_dim,
        depth=sizes.lm_n_blocks,
        num_heads=sizes.lm_n_heads,
        num_kv_heads=sizes.lm_n_kv_heads,
        ffn_dim=sizes.lm_inter_dim,
        norm_eps=sizes.lm_rms_eps,
        positions=RotaryConfig(theta=float(sizes.lm_re_base)),
        tied=sizes.lm_tie_weights,
    )
    connector = LinearConfig(bias=False, factor=sizes.mp_pixel_shuffle_factor)
    side, like = sizes.vit_img_size, find_architecture("minivlm")
    resize = FixedResizeConfig(height=side, width=side, interpolation="bilinear")
    return replace(
        like,
        name="nanovlm",
        model=VLMConfig(vision=vision, connector=connector, language=language),
        processor=replace(like.processor, resize=resize),
    )


def our_name(name: str) -> str:
    """What a weight of theirs is called in ours; empty for what is the same weight again."""
    if name == "decoder.head.weight":
        return ""
    for old, new in (
        ("vision_encoder.patch_embedding.conv.", "vision.patch."),
        ("vision_encoder.patch_embedding.position_embedding", "vision.positions"),
        ("vision_encoder.layer_norm.", "vision.final_norm."),
        ("vision_encoder.", "vision."),
        ("MP.proj.", "connector.projection."),
        ("decoder.token_embedding.", "language.embedding."),
        ("decoder.", "language."),
    ):
        if name.startswith(old):
            name = new + name.removeprefix(old)
            break
    for old, new in (
        (".ln1.", ".norm_1."),
        (".ln2.", ".norm_2."),
        (".norm1.", ".norm_1."),
        (".norm2.", ".norm_2."),
        (".attn.q_proj.", ".attention.query."),
        (".attn.k_proj.", ".attention.key."),
        (".attn.v_proj.", ".attention.value."),
        (".attn.out_proj.", ".attention.out."),
        (".mlp.fc1.", ".mlp.up."),
        (".mlp.fc2.", ".mlp.down."),
        (".mlp.gate_proj.", ".mlp.gate."),
        (".mlp.up_proj.", ".mlp.up."),
        (".mlp.down_proj.", ".mlp.down."),
    ):
        name = name.replace(old, new)
    return name


def our_weights(theirs: torch.nn.Module) -> dict[str, Tensor]:
    """Copies of their weights under our names and in our shapes."""
    made: dict[str, Tensor] = {}
    for name, weight in theirs.named_parameters():
        copied = weight.detach().clone()
        if ".attn.qkv_proj." in name:
            for part, own in zip(("q", "k", "v"), copied.chunk(3), strict=True):
                made[our_name(name.replace("qkv_proj", f"{part}_proj"))] = own.clone()
        elif ours := our_name(name):
            is_flat = name.endswith(("conv.weight", "position_embedding"))
            made[ours] = copied.view(-1, copied.shape[-1]) if is_flat else copied
    patch = "vision.patch.weight"
    weight = dict(theirs.named_parameters())["vision_encoder.patch_embedding.conv.weight"]
    made[patch] = weight.detach().flatten(1).clone()
    return made


def equally_long(processor: Processor, chosen: Captioned, count: int) -> list[list[Sample]]:
    """Steps of samples whose captions have the commonest length."""
    lengths = [len(processor.tokenizer.encode(captions[0])) for _, captions in chosen]
    common = statistics.mode(lengths)
    fitting = [pair for pair, length in zip(chosen, lengths, strict=True) if length == common]
    if len(fitting) < count * BATCH:
        fitting = fitting * math.ceil(count * BATCH / len(fitting))
    samples = [
        processor.encode([*ask_about([picture]), {"role": "assistant", "content": captions[0]}])
        for picture, captions in fitting[: count * BATCH]
    ]
    return [samples[start : start + BATCH] for start in range(0, len(samples), BATCH)]


# -- turns ----------------------------------------------------------------------------------------


@dataclass
class Turns:
    """What nanoVLM takes its batches from; between two of them ours takes its step."""

    made: Sequence[Sequence[Sample]]
    collate: Callable[[list[dict[str, Any]]], dict[str, Any]]
    our_step: Callable[[int], float]
    took: dict[str, list[Turn]] = field(default_factory=lambda: {"plain": [], "ours": []})

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for index, samples in enumerate(self.made):
            self.took["ours"].append(timed(self.our_step, index))
            batch = self.collate([_their_row(sample) for sample in samples])
            clock = Stopwatch()
            yield batch
            self.took["plain"].append(clock.turn())
            told = {side: round(each[-1].seconds, 3) for side, each in self.took.items()}
            print(f"step {index + 1} of {len(self.made)}: {told} s", file=sys.stderr)
        raise Finished


class Stopwatch:
    """Begins to run when it is made."""

    def __init__(self) -> None:
        self._clocks = time.perf_counter, time.process_time
        self._began = [clock() for clock in self._clocks]

    def turn(self) -> Turn:
        seconds, cpu_seconds = (
            clock() - began for clock, began in zip(self._clocks, self._began, strict=True)
        )
        return Turn(seconds, cpu_seconds, math.nan)


def _their_row(sample: Sample) -> dict[str, Any]:
    """As its data sets make rows: labels stand where they are predicted."""
    labels = torch.tensor([*sample.labels[1:], -100])
    token_ids = torch.tensor(sample.token_ids)
    return {
        "input_ids": token_ids,
        "attention_mask": torch.ones_like(token_ids),
        "labels": labels,
        "images": [image.pixels[None] for image in sample.images],
    }


def in_turns(arguments: argparse.Namespace) -> tuple[dict[str, list[Turn]], dict[str, Any]]:
    """Run its `train()` with our steps in between."""
    their = Theirs(arguments.nanovlm, arguments.precision)
    sizes = their.config.VLMConfig(**SHAPES[arguments.shape], vlm_load_backbone_weights=False)
    chosen = captioned(arguments.data, arguments.seed)
    loaded = _our_model(our_architecture(sizes), all_captions(chosen))
    made = equally_long(loaded.processor, chosen, arguments.steps)
    tokenizer = TheirTokenizer(loaded.processor.image_id, loaded.processor.pad_id)
    their.model.get_tokenizer = lambda *_: tokenizer
    settings = their.config.TrainConfig(
        batch_size=BATCH,
        gradient_accumulation_steps=1,
        max_training_steps=10 * arguments.steps,
        eval_in_epochs=False,
        log_wandb=False,
        use_lmms_eval=False,
    )
    ours = _our_training(loaded, settings)
    losses: dict[str, list[float]] = {"plain": [], "ours": []}
    is_mixed = arguments.precision == "bfloat16"

    def our_step(index: int) -> float:
        set_rates(ours.optimizer, their.train.get_lr(index, 1.0, settings.max_training_steps))
        with torch.autocast(CPU, dtype=torch.bfloat16, enabled=is_mixed):
            losses["ours"].append(ours.step(made[index]))
        return losses["ours"][-1]

    collator = their.collators.VQACollator(tokenizer, len(made[0][0].token_ids))
    turns = Turns(made, collator, our_step)

    def build(config: Any, *, load_backbone: bool) -> torch.nn.Module:
        model = their.model_class(config, load_backbone=load_backbone)
        loaded.model.load_state_dict(our_weights(model))
        model.register_forward_hook(lambda *given: losses["plain"].append(given[2][1].item()))
        return model

    their.train.VisionLanguageModel = build
    their.train.get_dataloaders = lambda *_: (None, None, turns, iter(()))
    torch.manual_seed(arguments.seed)
    with contextlib.suppress(Finished):
        their.train.train(settings, sizes)
    facts = {"losses": losses, "tokens": len(made[0][0].token_ids), "without_mask": their.is_open}
    return turns.took, facts


class Theirs:
    """Its modules, imported from a checkout with what a step does not need left out."""

    def __init__(self, checkout: Path, precision: str) -> None:
        sys.path.insert(0, str(checkout))
        for name, taken in ABSENT.items():
            module = types.ModuleType(name)
            for each in taken:
                setattr(module, each, None)
            sys.modules[name] = module
        self.config = importlib.import_module("models.config")
        self.collators = importlib.import_module("data.collators")
        self.model = importlib.import_module("models.vision_language_model")
        self.model_class = self.model.VisionLanguageModel
        self.train = importlib.import_module("train")
        if precision == "float32":
            self.train.torch = _WithoutAutocast()
        self.is_open = not _takes_mask_and_causal()
        if self.is_open:
            _leave_out_masks(self.model_class)


class _WithoutAutocast:
    """torch, but autocast does nothing: its loop asks for bfloat16 wherever it runs."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def autocast(self, *_: Any, **__: Any) -> torch.autocast:
        return torch.autocast(CPU, enabled=False)


def _takes_mask_and_causal() -> bool:
    """Whether torch attends with a mask and `is_causal` at once here, gradients wanted."""
    query = torch.randn(1, 2, 4, 8, requires_grad=True)
    mask = torch.zeros(1, 1, 1, 4)
    attend = torch.nn.functional.scaled_dot_product_attention
    try:
        attend(query, query, query, attn_mask=mask, is_causal=True).sum().backward()
    except RuntimeError:
        return False
    return True


def _leave_out_masks(model_class: Any) -> None:
    """Masks of rows without padding are all ones."""
    forward = model_class.forward

    def without(self: Any, *given: Any, attention_mask: Any = None, **more: Any) -> Any:
        return forward(self, *given, attention_mask=None, **more)

    model_class.forward = without


def _our_model(architecture: Architecture, captions: Sequence[str]) -> LoadedModel:
    template = architecture.processor.template
    specials = (template.image_token, *template.end_tokens)
    tokenizer = Tokenizer.train_byte_bpe(captions, VOCABULARY, specials)
    processor = Processor(architecture.processor, architecture.model, tokenizer)
    return LoadedModel(architecture, architecture.build(0), processor)


def _our_training(loaded: LoadedModel, settings: Any) -> OurTraining:
    """Its rates and those of torch's AdamW."""
    rates = PanelRates(
        vision=settings.lr_vision_backbone,
        connector=settings.lr_mp,
        language=settings.lr_language_backbone,
    )
    config = TrainConfig(
        learning_rates=rates,
        epochs=1,
        batch_size=BATCH,
        weight_decay=0.01,
        beta_2=0.999,
        clip_norm=settings.max_grad_norm,
    )
    return OurTraining(loaded, config)


def main() -> None:
    """Take steps in turns; print."""
    arguments = _arguments()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    turns, facts = in_turns(arguments)
    warm = {side: each[1:] for side, each in turns.items()}
    figures = facts | {"shape": arguments.shape, "precision": arguments.precision}
    rows: list[list[str]] = []
    for side, name in (("plain", "nanoVLM"), ("ours", "ours")):
        seconds = statistics.median(turn.seconds for turn in warm[side])
        ratios = [ratio(warm, side, kind) for kind in ("seconds", "cpu_seconds")]
        figures[side] = {
            "seconds": [turn.seconds for turn in warm[side]],
            "cpu_seconds": [turn.cpu_seconds for turn in warm[side]],
            "samples_per_s": BATCH / seconds,
            "ratio": ratios[0],
            "cpu_ratio": ratios[1],
        }
        told = ["", ""] if side == "plain" else [f"{each:.2f}" for each in ratios]
        rows.append([name, f"{BATCH / seconds:.3f}", f"{seconds:.3f}", *told])
    furthest = max(abs(a - b) for a, b in zip(*facts["losses"].values(), strict=True))
    text = "\n".join(
        [
            f"{BATCH} rows of {facts['tokens']} tokens a step, {torch.get_num_threads()} threads, "
            f"{arguments.precision}"
            f"{'; its mask of ones left out' if facts['without_mask'] else ''}. Losses of "
            f"{len(facts['losses']['ours'])} steps at most {furthest:.1e} apart.",
            "",
            table(["", "samples/s", "s a step", "ratio", "of CPU time"], rows),
        ]
    )
    name = f"training of nanoVLM {arguments.shape} in {arguments.precision} beside its own"
    record(arguments, name, figures, text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nanovlm", type=Path, required=True, help="a checkout of nanoVLM")
    parser.add_argument("--data", type=Path, help="folder of Flickr8k")
    parser.add_argument("--shape", choices=SHAPES, default="222m")
    parser.add_argument("--precision", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--steps", type=int, default=11, help="the first is for warmth")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    add_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
