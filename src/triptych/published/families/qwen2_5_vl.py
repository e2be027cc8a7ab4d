"""Qwen2.5-VL as a published family; its text side, and most names, are Qwen2-VL's.

ours                                         published
vision.blocks.N.mlp.gate/up/down             visual.blocks.N.mlp.gate_proj/up_proj/down_proj
everything else                              as in Qwen2-VL, see `qwen2_vl_layout`
"""

from collections.abc import Mapping
from dataclasses import replace

from triptych.architectures.architecture import Architecture
from triptych.architectures.qwen2_5_vl import qwen2_5_vl_7b
from triptych.fusion.vlm import VLMConfig
from triptych.published import tensors as published
from triptych.published.families.qwen2_5_vl_settings import (
    CLASS,
    KIND,
    TITLE,
    is_qwen2_5_vl,
    read_settings,
    write_settings,
)
from triptych.published.families.qwen2_vl import QWEN2_VL_FAMILY
from triptych.published.families.qwen2_vl_layout import NAMES as OLDER_NAMES
from triptych.published.families.qwen2_vl_layout import hub_name
from triptych.published.families.qwen2_vl_text import (
    read_processor_text,
    write_template,
    write_text_settings,
)
from triptych.published.family import (
    CONFIG,
    GENERATION,
    PREPROCESSOR,
    TOKENIZER_CONFIG,
    PublishedFamily,
    PublishedFiles,
    Settings,
)
from triptych.published.language import EMBEDDING, HEAD
from triptych.published.tensors import PublishedTensor
from triptych.text import Tokenizer

_VISION = OLDER_NAMES["vision"]
NAMES = {
    **OLDER_NAMES,
    "vision": replace(
        _VISION,
        in_block={
            **_VISION.in_block,
            "mlp.gate": "mlp.gate_proj",
            "mlp.up": "mlp.up_proj",
            "mlp.down": "mlp.down_proj",
        },
    ),
}


def qwen2_5_vl_tensors(config: VLMConfig) -> list[PublishedTensor]:
    """Every tensor of the published layout, in the order of our modules."""
    return published.published_tensors(config, NAMES, TITLE)


def _read(files: PublishedFiles, name: str) -> Architecture:
    model, resize = read_settings(files.config, files.pixels)
    template, max_tokens = read_processor_text(
        files.config, files.generation, files.template, files.tokenizer
    )
    # What the files do not say is as in the family.
    family = qwen2_5_vl_7b()
    processor = replace(family.processor, resize=resize, template=template, max_tokens=max_tokens)
    return replace(family, name=name, model=model, processor=processor)


def _write(architecture: Architecture, tokenizer: Tokenizer, dtype: str) -> Mapping[str, Settings]:
    config, preprocessor = write_settings(architecture, tokenizer, dtype)
    tokens, generation = write_text_settings(architecture.processor, tokenizer)
    return {
        CONFIG: config,
        PREPROCESSOR: preprocessor,
        TOKENIZER_CONFIG: tokens,
        GENERATION: generation,
    }


_NOTES = (
    QWEN2_VL_FAMILY.notes
    + """\
- After a video, transformers (5.23 and 5.24) lets the next text repeat positions that the video
  already used; Triptych goes on behind them, as the paper and transformers 4 do. Answers about
  videos differ by that.
"""
)

QWEN2_5_VL_FAMILY = PublishedFamily(
    title=TITLE,
    model_types=(KIND,),
    class_name=CLASS,
    covers=is_qwen2_5_vl,
    read=_read,
    write=_write,
    write_template=write_template,
    tensors=qwen2_5_vl_tensors,
    hub_name=hub_name,
    embedding=EMBEDDING,
    head=HEAD,
    loading=QWEN2_VL_FAMILY.loading.replace("Qwen2VLForConditionalGeneration", CLASS),
    serving=QWEN2_VL_FAMILY.serving,
    notes=_NOTES,
)
