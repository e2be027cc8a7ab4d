"""CLIP as a published family: `CLIPModel`, its settings both ways, and how others load it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from triptych.architectures.clip import BEGIN, END, clip_b32
from triptych.architectures.scorer import ScorerArchitecture, ScorerConfig
from triptych.connector.pooling import ClassTokenPoolConfig
from triptych.fusion.dual import SOFTMAX_SCALE, DualConfig, SimilarityConfig
from triptych.language.text_encoder import TextEncoderConfig
from triptych.published.families.dual_settings import (
    as_run,
    is_computed,
    part_section,
    read_dual_vision,
    read_framing,
    text_names,
    text_sizes,
    write_files,
    write_text,
)
from triptych.published.family import PublishedFiles, Settings
from triptych.published.pictures import read_resize
from triptych.published.scorer_family import PublishedScorer
from triptych.published.settings import Section, check_equal
from triptych.published.tensors import (
    PanelNames,
    PublishedTensor,
    published_tensors,
)
from triptych.published.vision import CLIP, write_clip_or_siglip
from triptych.published.vision_names import CLIP_NAMES
from triptych.text import Tokenizer

TITLE, CLASS, KIND = "CLIP", "CLIPModel", "clip"
"""The family, what the published code calls the model, and what its settings call it."""

OLD_END = 2
"""An end token that old files name by mistake; it means that the largest id speaks."""

NAMES = {
    "vision": CLIP_NAMES.under("vision_model."),
    "connector": PanelNames(outside={"projection": "visual_projection"}),
    "fusion": PanelNames(outside={"log_scale": "logit_scale"}),
    "language": text_names("text_projection"),
}

_TEXT = {
    "vocab_size": 49_408,
    "hidden_size": 512,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "intermediate_size": 2048,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
    "eos_token_id": 49_407,
}
"""Settings that a file may leave out."""


def clip_tensors(config: ScorerConfig) -> list[PublishedTensor]:
    """Every tensor of ours under its name on the Hub, in the order of our modules."""
    return published_tensors(config, NAMES, TITLE)


def _covers(architecture: ScorerArchitecture) -> bool:
    model = architecture.model
    return isinstance(model, DualConfig) and isinstance(model.connector, ClassTokenPoolConfig)


def _read_model(config: Settings, pixels: Settings) -> DualConfig:
    whole = Section("config.json", config).over(projection_dim=512)
    whole.require(model_type=KIND, quantization_config=None)
    text = part_section(config, "text_config", _TEXT)
    end = text.ids("eos_token_id")[0]
    speaks: dict[str, Any] = (
        {"speaker": "largest"} if end == OLD_END else {"speaker": "end", "end_id": end}
    )
    return DualConfig(
        vision=read_dual_vision(CLIP, config, Section("preprocessor_config.json", pixels)),
        connector=ClassTokenPoolConfig(),
        language=TextEncoderConfig(**text_sizes(text), **speaks, is_causal=True),
        shared_dim=whole.count("projection_dim"),
        fusion=SimilarityConfig(meaning="softmax"),
    )


def _read(files: PublishedFiles, name: str) -> ScorerArchitecture:
    model = _read_model(files.config, files.pixels)
    begin, end, pad = read_framing(files, (BEGIN,), (END,))
    family = clip_b32()
    processor = replace(
        family.processor,
        resize=read_resize(Section("preprocessor_config.json", files.pixels)),
        begin_tokens=begin,
        end_tokens=end,
        pad_token=pad,
        max_tokens=model.language.max_tokens,
    )
    return replace(family, name=name, model=model, processor=processor)


def _write(
    architecture: ScorerArchitecture, tokenizer: Tokenizer, dtype: str
) -> Mapping[str, Settings]:
    model, processor = architecture.model, architecture.processor
    assert isinstance(model, DualConfig)
    end_id = model.language.end_id
    text = {
        **write_text(model.language),
        "model_type": "clip_text_model",
        "bos_token_id": tokenizer.special(processor.begin_tokens[0]),
        "eos_token_id": OLD_END if end_id is None else end_id,
        "pad_token_id": tokenizer.special(processor.pad_token),
        "projection_dim": model.shared_dim,
    }
    config: dict[str, Any] = {
        "architectures": [CLASS],
        "model_type": KIND,
        "torch_dtype": dtype,
        "logit_scale_init_value": round(SOFTMAX_SCALE, 4),
        "projection_dim": model.shared_dim,
        "text_config": text,
        "vision_config": {
            **write_clip_or_siglip(model.vision),
            "projection_dim": model.shared_dim,
        },
    }
    files = write_files(
        architecture,
        tokenizer,
        config,
        processor_class="CLIPProcessor",
        input_names=["input_ids", "attention_mask"],
    )
    check_equal(
        TITLE, "model", as_run(model), _read_model(config, files["preprocessor_config.json"])
    )
    return files


_LOADING = """\
from PIL import Image
from transformers import AutoProcessor, CLIPModel

processor = AutoProcessor.from_pretrained("FOLDER")
model = CLIPModel.from_pretrained("FOLDER")
inputs = processor(
    text=["a cat", "a dog"], images=Image.open("photo.jpg"), padding=True, return_tensors="pt"
)
print(model(**inputs).logits_per_image.softmax(dim=1))
"""

_NOTES = """\
- Triptych never reads a special token out of what a person writes; a text that spells
  `<|endoftext|>` ends there in other engines.
"""

CLIP_FAMILY = PublishedScorer(
    title=TITLE,
    model_types=(KIND,),
    class_name=CLASS,
    abilities="scores and embeds",
    covers=_covers,
    read=_read,
    write=_write,
    tensors=clip_tensors,
    is_skipped=is_computed,
    loading=_LOADING,
    notes=_NOTES,
)
