"""MiniVLM: the smallest honest VLM, a ViT, an MLP and a language model that fits a laptop.

    224 x 224 -> ViT-L/16 (197 tokens x 1024, class token kept) -> Linear GELU LayerNorm Linear
              -> 197 visual tokens x 960, in front of the text -> SmolLM-360M

Parameters: vision 303,301,632 (without the unused pooler), connector 1,908,480, language
361,821,120; 363,729,600 of them trained, the vision panel stays frozen and in evaluation mode.

Departures from the tutorial it comes from:
- an end token closes every answer and is trained on, so the model learns to stop;
- padding is masked by the mask, never by comparing with the padding id;
- generation uses a key-value cache;
- visual slots carry the id of a special token that SmolLM's vocabulary has but does not use, so
  that a picture has a place in the sequence without a new embedding.
"""

from dataclasses import replace

from triptych.architectures.architecture import Architecture
from triptych.architectures.debug import debug_decoder
from triptych.connector import MLPConfig, mlp_minivlm
from triptych.fusion.vlm import VLMConfig
from triptych.language import smollm_360m
from triptych.media import FixedResizeConfig
from triptych.processor import ProcessorConfig
from triptych.text import PLAIN_CAPTION
from triptych.vision import vit_l16, vit_l16_debug


def minivlm() -> Architecture:
    """The tutorial's sizes."""
    return Architecture(
        name="minivlm",
        model=VLMConfig(
            vision=vit_l16(),
            connector=mlp_minivlm(),
            language=smollm_360m(),
        ),
        processor=ProcessorConfig(
            resize=FixedResizeConfig(height=224, width=224, interpolation="bilinear"),
            template=replace(
                PLAIN_CAPTION, image_token="<empty_output>", end_tokens=("<|endoftext|>",)
            ),
            max_tokens=2048,
        ),
    )


def minivlm_debug() -> Architecture:
    """Every part of its kind, small enough for a test."""
    return Architecture(
        name="minivlm_debug",
        model=VLMConfig(
            vision=vit_l16_debug(),
            connector=MLPConfig(norm=True),
            language=debug_decoder(),
        ),
        processor=ProcessorConfig(
            resize=FixedResizeConfig(height=32, width=32, interpolation="bilinear"),
            template=PLAIN_CAPTION,
            max_tokens=256,
        ),
    )
