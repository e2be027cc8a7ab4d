"""A small Qwen2-VL whose sizes are all different, so that none stands in for another."""

from dataclasses import replace
from functools import cache

import torch
from tests.laws.debug_models import tokenizer_for

from triptych.architectures import Architecture, find_architecture
from triptych.checkpoint.model_folder import LoadedModel
from triptych.language import RotaryConfig
from triptych.media import NativeResizeConfig
from triptych.processor import Processor
from triptych.text import QWEN2_VL_SPECIALS, Tokenizer


def small_architecture() -> Architecture:
    debug = find_architecture("qwen2_vl_debug")
    vision = replace(
        debug.model.vision, patch_size=14, dim=48, depth=3, num_heads=3, ffn_dim=96, dropout=0.1
    )
    language = replace(
        debug.model.language,
        vocab_size=352,  # more rows than the tokenizer has tokens
        dim=64,
        head_dim=16,
        depth=2,
        ffn_dim=80,
        norm_eps=1e-6,
        dropout=0.1,
        positions=RotaryConfig(theta=50_000.0, mrope_sections=(2, 3, 3)),
    )
    resize = NativeResizeConfig(factor=28, min_pixels=56 * 56, max_pixels=140 * 140)
    return replace(
        debug,
        name="small",
        model=replace(debug.model, vision=vision, language=language),
        processor=replace(debug.processor, resize=resize),
    )


def untied(architecture: Architecture) -> Architecture:
    language = replace(architecture.model.language, tied=False)
    return replace(architecture, model=replace(architecture.model, language=language))


def specials_last() -> Tokenizer:
    """Special tokens behind all others, as in the published vocabulary."""
    tokenizer = Tokenizer.train_byte_bpe(["a red circle, a blue square", "what is it?"], 300)
    tokenizer.add_special(QWEN2_VL_SPECIALS)
    return tokenizer


def loaded(
    architecture: Architecture, tokenizer: Tokenizer | None = None, *, seed: int = 1
) -> LoadedModel:
    """It, with weights none of which keeps a fresh value."""
    tokenizer = tokenizer or tokenizer_for(architecture.processor.template)
    model = architecture.build(seed=0).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    processor = Processor(architecture.processor, architecture.model, tokenizer)
    return LoadedModel(architecture, model, processor)


@cache
def small() -> LoadedModel:
    """The small model, its special tokens first; do not change its weights."""
    return loaded(small_architecture())
