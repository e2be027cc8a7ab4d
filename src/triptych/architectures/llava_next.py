"""LLaVA-NeXT (1.6): LLaVA-1.5 that looks at a picture in tiles as well.

    any size -> a canvas of 2 to 4 tiles of 336 x 336, and the whole picture in one
             -> CLIP ViT-L/14 -> 576 patches a tile -> Linear GELU Linear
             -> the tiles put together, padding left out, a learned new line behind every row
             -> Mistral or Vicuna

A picture of 1008 x 672 becomes 576 tokens of the overview and 32 rows of 48 and a new line: 2,144.
What is drawn in `connector.anyres` is all that is new; patches are those of LLaVA, before the last
block and without the class token. All panels are trained in the second stage.

                vision          connector       language        all parameters, as published
    Mistral     303,507,456     20,983,808      7,242,256,384   7,566,747,648
    Vicuna      303,507,456     20,983,808      6,738,939,904   7,063,431,168

https://llava-vl.github.io/blog/2024-01-30-llava-next/

Departures: the last block and the last norm of CLIP, which are published and never read, are no
part of our vision panel (290,909,184 parameters). The vocabulary is that of the checkpoints for
other engines (32,064 entries), as in `llava`.
"""

from dataclasses import replace

from triptych.architectures.architecture import Architecture
from triptych.architectures.debug import debug_decoder
from triptych.architectures.llava import VOCAB_SIZE
from triptych.connector import AnyResConfig
from triptych.fusion.vlm import VLMConfig
from triptych.language import LanguageConfig, RotaryConfig, llama_7b, mistral_7b
from triptych.media import CanvasTilingConfig
from triptych.processor import ProcessorConfig
from triptych.text import MISTRAL, VICUNA, ChatTemplate
from triptych.vision import ViTConfig, clip_vit_l14_336, clip_vit_l14_debug, penultimate

PAPER = "https://llava-vl.github.io/blog/2024-01-30-llava-next/"


def llava_next_mistral_7b() -> Architecture:
    """LLaVA-NeXT with Mistral 7B Instruct v0.2: 7,566,747,648 parameters."""
    mistral = replace(
        mistral_7b(),
        vocab_size=VOCAB_SIZE,
        window=None,
        positions=RotaryConfig(theta=1_000_000.0),
    )
    return _published("llava_next_mistral_7b", mistral, MISTRAL, max_tokens=32_768)


def llava_next_vicuna_7b() -> Architecture:
    """LLaVA-NeXT with Vicuna 7B v1.5: 7,063,431,168 parameters."""
    return _published("llava_next_vicuna_7b", llama_7b(VOCAB_SIZE), VICUNA, max_tokens=4096)


def llava_next_debug() -> Architecture:
    """LLaVA-NeXT for tests: tiles of 4 x 4 patches."""
    return llava_next(
        "llava_next_debug",
        clip_vit_l14_debug(),
        debug_decoder(num_kv_heads=4, tied=False),
        VICUNA,
        max_tokens=2048,
    )


def _published(
    name: str, language: LanguageConfig, template: ChatTemplate, *, max_tokens: int
) -> Architecture:
    return llava_next(name, clip_vit_l14_336(), language, template, max_tokens=max_tokens)


def llava_next(
    name: str,
    vision: ViTConfig,
    language: LanguageConfig,
    template: ChatTemplate,
    *,
    max_tokens: int,
) -> Architecture:
    """A model of this kind in any size; its tiles are as large as the vision panel's positions."""
    side = vision.image_size
    assert side is not None
    grids = ((1, 2), (2, 1), (2, 2), (3, 1), (1, 3))
    return Architecture(
        name=name,
        model=VLMConfig(vision=penultimate(vision), connector=AnyResConfig(), language=language),
        processor=ProcessorConfig(
            resize=CanvasTilingConfig(
                tile_size=side, canvases=tuple((rows * side, cols * side) for rows, cols in grids)
            ),
            template=template,
            max_tokens=max_tokens,
        ),
        paper=PAPER,
    )
