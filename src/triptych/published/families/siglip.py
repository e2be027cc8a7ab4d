"""SigLIP as a published family: `SiglipModel`, its settings both ways, and how others load it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from triptych.architectures.scorer import ScorerArchitecture, ScorerConfig
from triptych.architectures.siglip import END, siglip_b16
from triptych.connector.pooling import ProbePoolConfig
from triptych.fusion.dual import DualConfig, SimilarityConfig
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
from triptych.published.vision import SIGLIP, write_clip_or_siglip
from triptych.published.vision_names import CLIP_NAMES
from triptych.text import Tokenizer

TITLE, CLASS, KIND = "SigLIP", "SiglipModel", "siglip"
"""The family, what the published code calls the model, and what its settings call it."""

_PARTS = ("query", "key", "value")

NAMES = {
    "vision": CLIP_NAMES.under("vision_model."),
    "connector": PanelNames(
        outside={
            "probe": "probe",
            **{f"attention.{part}.weight": "attention.in_proj_weight" for part in _PARTS},
            **{f"attention.{part}.bias": "attention.in_proj_bias" for part in _PARTS},
            "attention.out": "attention.out_proj",
            "norm": "layernorm",
            "mlp.up": "mlp.fc1",
            "mlp.down": "mlp.fc2",
        },
        outer_axes={"probe": 2},
    ).under("vision_model.head."),
    "fusion": PanelNames(
        outside={"log_scale": "logit_scale", "bias": "logit_bias"},
        outer_axes={"log_scale": 1, "bias": 1},
    ),
    "language": text_names("text_model.head"),
}

_TEXT = {
    "vocab_size": 32_000,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 64,
    "hidden_act": "gelu_pytorch_tanh",
    "layer_norm_eps": 1e-6,
}
"""Settings that a file may leave out."""


def siglip_tensors(config: ScorerConfig) -> list[PublishedTensor]:
    """Every tensor of ours under its name on the Hub, in the order of our modules."""
    return published_tensors(config, NAMES, TITLE)


def _covers(architecture: ScorerArchitecture) -> bool:
    model = architecture.model
    return isinstance(model, DualConfig) and isinstance(model.connector, ProbePoolConfig)


def _read_model(config: Settings, pixels: Settings) -> DualConfig:
    Section("config.json", config).require(model_type=KIND, quantization_config=None)
    part_section(config, "vision_config", SIGLIP.defaults).require(vision_use_head=True)
    vision = read_dual_vision(SIGLIP, config, Section("preprocessor_config.json", pixels))
    text = part_section(config, "text_config", _TEXT)
    # Pictures keep the vision panel's width, so texts have to be brought to it.
    shared_dim = text.over(projection_size=text.count("hidden_size")).count("projection_size")
    return DualConfig(
        vision=vision,
        connector=ProbePoolConfig(
            num_heads=vision.num_heads,
            ffn_dim=vision.ffn_dim,
            activation=vision.activation,
            norm_eps=vision.norm_eps,
        ),
        language=TextEncoderConfig(
            **text_sizes(text), is_causal=False, speaker="last", projection_bias=True
        ),
        shared_dim=shared_dim,
        fusion=SimilarityConfig(meaning="sigmoid"),
    )


def _read(files: PublishedFiles, name: str) -> ScorerArchitecture:
    model = _read_model(files.config, files.pixels)
    begin, end, pad = read_framing(files, (), (END,))
    family = siglip_b16()
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
    text = {
        **write_text(model.language),
        "model_type": "siglip_text_model",
        "bos_token_id": None,
        "eos_token_id": tokenizer.special(processor.end_tokens[-1]),
        "pad_token_id": tokenizer.special(processor.pad_token),
        "projection_size": model.shared_dim,
    }
    config: dict[str, Any] = {
        "architectures": [CLASS],
        "model_type": KIND,
        "torch_dtype": dtype,
        "text_config": text,
        "vision_config": {**write_clip_or_siglip(model.vision), "vision_use_head": True},
    }
    files = write_files(
        architecture,
        tokenizer,
        config,
        processor_class="SiglipProcessor",
        input_names=["input_ids"],
    )
    check_equal(
        TITLE, "model", as_run(model), _read_model(config, files["preprocessor_config.json"])
    )
    return files


_LOADING = """\
from PIL import Image
from transformers import AutoProcessor, SiglipModel

processor = AutoProcessor.from_pretrained("FOLDER")
model = SiglipModel.from_pretrained("FOLDER")
inputs = processor(
    text=["a cat", "a dog"], images=Image.open("photo.jpg"),
    padding="max_length", return_tensors="pt",
)
print(model(**inputs).logits_per_image.sigmoid())
"""

_NOTES = """\
- Texts must be filled up to the longest length (`padding="max_length"`), as in training; Triptych
  always does so.
- Triptych never reads a special token out of what a person writes; a text that spells `</s>` ends
  there in other engines.
"""

SIGLIP_FAMILY = PublishedScorer(
    title=TITLE,
    model_types=(KIND,),
    class_name=CLASS,
    abilities="scores and embeds",
    covers=_covers,
    read=_read,
    write=_write,
    tensors=siglip_tensors,
    is_skipped=is_computed,
    loading=_LOADING,
    notes=_NOTES,
)
