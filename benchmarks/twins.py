"""One set of random weights in two models: ours and that of transformers.

In float32 both hold the very same tensors, so that a shape of 8.8 GB is in memory once. In eight
bits ours are made of theirs.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from triptych.architectures import Architecture, find_architecture
from triptych.checkpoint.precision import Filling, read_quantize
from triptych.fusion.vlm import VLM
from triptych.measure.fresh import fresh_tokenizer
from triptych.media import NativeResizeConfig
from triptych.processor import Processor, ask_about
from triptych.published.families.qwen2_vl_layout import from_published
from triptych.published.families.qwen2_vl_settings import write_settings
from triptych.sequences import Sample
from triptych.vision import ViTConfig

SHAPES = {"2b": "qwen2_vl_2b", "mini": "mini", "debug": "qwen2_vl_debug"}

REACH = 0.02 * 3**0.5
"""Weights are drawn evenly from minus this to this, which gives them a deviation of 0.02."""


@dataclass(frozen=True, slots=True)
class Task:
    """What both are asked."""

    processor: Processor
    sample: Sample

    @property
    def num_tokens(self) -> int:
        return len(self.sample.token_ids)

    @property
    def num_visual(self) -> int:
        return sum(token == self.processor.image_id for token in self.sample.token_ids)


def shaped(shape: str, blocks: int | None = None) -> Architecture:
    """A shape, with fewer blocks in each panel where a number is given.

    The published layout says how many times as wide the vision panel's feed-forward layers are,
    in whole numbers; a shape of which it cannot is brought to the next.
    """
    architecture = find_architecture(SHAPES[shape])
    vision, language = architecture.model.vision, architecture.model.language
    assert isinstance(vision, ViTConfig)
    vision = replace(vision, ffn_dim=-(-vision.ffn_dim // vision.dim) * vision.dim)
    if blocks is not None:
        vision, language = replace(vision, depth=blocks), replace(language, depth=blocks)
    model = replace(architecture.model, vision=vision, language=language)
    return replace(architecture, model=model)


def make_task(architecture: Architecture, side: int, num_text: int, seed: int) -> Task:
    """A question of about so many tokens, those of the template included, on a noisy picture."""
    tokenizer = fresh_tokenizer(architecture.processor, architecture.model.language.vocab_size)
    resize = architecture.processor.resize
    assert isinstance(resize, NativeResizeConfig)
    config = replace(
        architecture.processor, resize=replace(resize, max_pixels=max(side**2, resize.min_pixels))
    )
    processor = Processor(config, architecture.model, tokenizer)
    picture = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    question = "red"
    while True:
        sample = processor.encode(ask_about([picture], question), add_generation_prompt=True)
        task = Task(processor, sample)
        if task.num_tokens - task.num_visual >= num_text:
            return task
        question += " red"


def their_model(
    architecture: Architecture,
    task: Task,
    seed: int,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Any:
    """The model of transformers with random weights, drawn one tensor at a time where they stay."""
    import transformers

    transformers.logging.set_verbosity_error()
    settings, _ = write_settings(architecture, task.processor.tokenizer, "float32")
    config = transformers.Qwen2VLConfig(**settings)
    with _without_memory():
        model = transformers.Qwen2VLForConditionalGeneration(config)
    generator = torch.Generator(device).manual_seed(seed)
    state = {name: _drawn(name, each, generator, dtype) for name, each in model.named_parameters()}
    model.load_state_dict(state, assign=True, strict=False)
    model.tie_weights()
    model.to(device)
    model.generation_config.eos_token_id = None
    return model.eval()


def our_model(architecture: Architecture, theirs: Any, quantize: str) -> VLM:
    """Ours of their tensors: the same ones, or eight bits made of them."""
    named = from_published(theirs.named_parameters(), architecture.model)
    if quantize:
        return _filled(architecture, named, quantize)
    with torch.device("meta"):
        model = architecture.model.build()
    model.load_state_dict(dict(named), assign=True)
    return model.eval()


def our_model_alone(
    architecture: Architecture,
    quantize: str,
    seed: int,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> VLM:
    """Ours with weights of its own, drawn one tensor at a time."""
    with torch.device("meta"):
        shapes = dict(architecture.model.build().named_parameters())
    generator = torch.Generator(device).manual_seed(seed)
    named = ((name, _drawn(name, each, generator, dtype)) for name, each in shapes.items())
    if quantize:
        return _filled(architecture, named, quantize)
    with torch.device("meta"):
        model = architecture.model.build()
    model.load_state_dict(dict(named), assign=True)
    return model.eval()


def given_to_them(task: Task) -> dict[str, Tensor]:
    """The same prompt and pixels as their model takes them."""
    return given_together(task.processor, [task.sample])


def given_together(
    processor: Processor, samples: Sequence[Sample], pad: Literal["left", "right"] = "right"
) -> dict[str, Tensor]:
    """A batch of prompts about pictures as their model takes it: patches block by block."""
    inputs, vision = processor.collate(samples, pad=pad), processor.model.vision
    merge = processor.model.connector.factor
    patches = [
        rearrange(
            torch.stack([pixels] * vision.temporal_patch_size),
            "frame channel (row by py) (col bx px) -> (row col by bx) (channel frame py px)",
            by=merge,
            bx=merge,
            py=vision.patch_size,
            px=vision.patch_size,
        )
        for pixels in inputs.images
    ]
    sizes = [[size // vision.patch_size for size in each.shape[-2:]] for each in inputs.images]
    return {
        "input_ids": inputs.token_ids,
        "attention_mask": inputs.token_mask.long(),
        "mm_token_type_ids": (inputs.token_ids == processor.image_id).int(),
        "pixel_values": torch.cat(patches),
        "image_grid_thw": torch.tensor([[1, *size] for size in sizes]),
    }


def _filled(architecture: Architecture, named: Iterator[tuple[str, Tensor]], bits: str) -> VLM:
    filling = Filling(architecture.model, torch.float32, read_quantize(bits))
    for name, tensor in named:
        filling.put(name, tensor.detach())
    return filling.finish()


def _drawn(
    name: str, like: Tensor, generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> nn.Parameter:
    """Factors of norms are one, biases zero; on the device of the generator."""
    drawn = torch.empty(like.shape, dtype=dtype, device=generator.device)
    if like.ndim < 2:
        drawn.fill_(0.0 if name.endswith("bias") else 1.0)
    else:
        drawn.uniform_(-REACH, REACH, generator=generator)
    return nn.Parameter(drawn, requires_grad=False)


@contextmanager
def _without_memory() -> Iterator[None]:
    """Build modules whose parameters have a shape alone; buffers, which are computed, stay."""
    register = nn.Module.register_parameter

    def register_shape(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        if parameter is not None:
            parameter = nn.Parameter(parameter.to("meta"), requires_grad=False)
        register(module, name, parameter)

    nn.Module.register_parameter = register_shape
    try:
        yield
    finally:
        nn.Module.register_parameter = register
