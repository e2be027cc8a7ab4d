"""A folder in the published Hugging Face layout with random weights, for peers to convert.

python benchmarks/random_checkpoint.py OUT --shape 2b
python benchmarks/random_checkpoint.py OUT --shape 2b --language-blocks 3 --vision-blocks 3

Speed depends on a model's shape, not on what it learned. The shapes are those of Qwen2-VL, which
llama.cpp and OpenVINO GenAI run too; with fewer blocks than published they are quick to convert and
every layer keeps its size. Weights are bfloat16, so that files of 32, 16 and 8 bits are all made
from the same numbers. The tokenizer is small; the table and the head have the published size.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from triptych.architectures.architecture import Architecture
from triptych.architectures.qwen2_vl import qwen2_vl_2b, qwen2_vl_7b
from triptych.checkpoint.layouts import export_model
from triptych.checkpoint.model_folder import LoadedModel
from triptych.checkpoint.precision import Filling
from triptych.processor import Processor
from triptych.text import Tokenizer
from triptych.text.templates import QWEN2_VL_SPECIALS


def debug() -> Architecture:
    """The 2B with narrow panels of three blocks; heads, patches and positions stay as published.

    The converter of llama.cpp cannot name the merger's weights with fewer vision blocks.
    """
    architecture = qwen2_vl_2b()
    model = architecture.model
    vision = replace(model.vision, dim=160, num_heads=2, ffn_dim=640, depth=3)
    language = replace(
        model.language,
        vocab_size=2048,
        dim=256,
        num_heads=2,
        num_kv_heads=1,
        ffn_dim=512,
        depth=3,
    )
    return replace(
        architecture, name="debug", model=replace(model, vision=vision, language=language)
    )


SHAPES: dict[str, Callable[[], Architecture]] = {
    "2b": qwen2_vl_2b,
    "7b": qwen2_vl_7b,
    "debug": debug,
}

SPREAD = 0.02
"""Standard deviation of the weights, that of most language models before training."""

SPOKEN = (
    "system\nYou are a helpful assistant.\nuser\nassistant\n",
    "Describe this picture in a few words, then say what is in it.\n",
)
"""What the tokenizer learns its merges from: the words of the prompts."""


def main() -> None:
    """Write the folder and say what is in it."""
    arguments = _arguments()
    architecture = shaped(arguments.shape, arguments.language_blocks, arguments.vision_blocks)
    loaded = random_model(architecture, arguments.seed)
    export_model(arguments.out, loaded)
    count = sum(weight.numel() for weight in loaded.model.parameters())
    print(f"{arguments.out}: {architecture.name}, {count:,} parameters, bfloat16")


def shaped(shape: str, language_blocks: int | None, vision_blocks: int | None) -> Architecture:
    """A published shape, with fewer blocks where a number is given."""
    architecture = SHAPES[shape]()
    model = architecture.model
    if language_blocks is not None:
        language = replace(model.language, depth=language_blocks)
        model = replace(model, language=language)
    if vision_blocks is not None:
        model = replace(model, vision=replace(model.vision, depth=vision_blocks))
    return replace(architecture, model=model)


def random_model(architecture: Architecture, seed: int) -> LoadedModel:
    """The model with bfloat16 weights that depend on the seed alone, and a small tokenizer."""
    filling = Filling(architecture.model, torch.bfloat16)
    generator = torch.Generator().manual_seed(seed)
    for name, shape in filling.shapes.items():
        filling.put(name, _random_weight(name, shape, generator))
    vocab_size = min(1024, architecture.model.language.vocab_size)
    tokenizer = Tokenizer.train_byte_bpe(SPOKEN, vocab_size, QWEN2_VL_SPECIALS)
    processor = Processor(architecture.processor, architecture.model, tokenizer)
    return LoadedModel(architecture, filling.finish(), processor)


def _random_weight(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Scales of norms are near one, all other weights near zero."""
    weight = torch.empty(shape, dtype=torch.bfloat16).normal_(0, SPREAD, generator=generator)
    return weight + 1 if name.endswith("weight") and len(shape) == 1 else weight


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--shape", choices=SHAPES, default="2b", help="of Qwen2-VL")
    parser.add_argument("--language-blocks", type=int, help="fewer than published")
    parser.add_argument("--vision-blocks", type=int, help="fewer than published")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
