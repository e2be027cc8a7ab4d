"""BLIP-2's retriever as published: `Blip2ForImageTextRetrieval`, its settings both ways."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from triptych.architectures.blip2_itm import BEGIN, END, blip2_itm
from triptych.architectures.scorer import ScorerArchitecture, ScorerConfig
from triptych.fusion.matching import MatcherConfig
from triptych.published.families.blip2_layout import (
    EVA_NAMES,
    is_computed,
    key_bias_as_read,
    qformer_names,
    read_eva,
    read_qformer,
    write_eva,
    write_qformer,
)
from triptych.published.families.dual_settings import read_framing, write_files
from triptych.published.family import (
    PREPROCESSOR,
    PROCESSOR,
    PublishedFiles,
    Settings,
)
from triptych.published.pictures import read_resize
from triptych.published.scorer_family import PublishedScorer
from triptych.published.settings import Section, check_equal
from triptych.published.tensors import (
    PanelNames,
    PublishedTensor,
    published_tensors,
)
from triptych.text import Tokenizer

TITLE, CLASS, KIND = "BLIP-2 retrieval", "Blip2ForImageTextRetrieval", "blip-2"
"""The family, what the published code calls the model, and what its settings call it."""

IMAGE = "<image>"
"""The published processor puts one for each query in front of a text, and the model cuts them off
again; where the settings name no such token it does neither."""

NAMES = {
    "vision": EVA_NAMES,
    "connector": qformer_names("vision_projection"),
    "fusion": PanelNames(
        outside={"text_projection": "text_projection", "match_head": "itm_head"},
    ),
}


def blip2_itm_tensors(config: ScorerConfig) -> list[PublishedTensor]:
    """Every tensor of ours under its name on the Hub, in the order of our modules."""
    return published_tensors(config, NAMES, TITLE)


def _read_model(config: Settings, pixels: Settings) -> MatcherConfig:
    whole = Section("config.json", config).over(image_text_hidden_size=256)
    whole.require(model_type=KIND, quantization_config=None)
    return MatcherConfig(
        vision=read_eva(whole, Section("preprocessor_config.json", pixels)),
        connector=read_qformer(whole, text=True),
        shared_dim=whole.count("image_text_hidden_size"),
    )


def _read(files: PublishedFiles, name: str) -> ScorerArchitecture:
    model = _read_model(files.config, files.pixels)
    assert model.connector.text is not None
    begin, end, pad = read_framing(files, (BEGIN,), (END,))
    family = blip2_itm()
    processor = replace(
        family.processor,
        resize=read_resize(Section("preprocessor_config.json", files.pixels)),
        begin_tokens=begin,
        end_tokens=end,
        pad_token=pad,
        max_tokens=model.connector.text.max_positions,
    )
    return replace(family, name=name, model=model, processor=processor)


def _write(
    architecture: ScorerArchitecture, tokenizer: Tokenizer, dtype: str
) -> Mapping[str, Settings]:
    model = architecture.model
    assert isinstance(model, MatcherConfig)
    pad_id = tokenizer.special(architecture.processor.pad_token)
    config: dict[str, Any] = {
        "architectures": [CLASS],
        "model_type": KIND,
        "torch_dtype": dtype,
        "image_text_hidden_size": model.shared_dim,
        "image_token_index": tokenizer.special_tokens.get(IMAGE),
        "num_query_tokens": model.connector.num_queries,
        "qformer_config": {
            **write_qformer(model.connector, model.vision.dim),
            "pad_token_id": pad_id,
        },
        "text_config": {"model_type": "opt"},
        "vision_config": write_eva(model.vision),
    }
    files = write_files(
        architecture,
        tokenizer,
        config,
        processor_class="Blip2Processor",
        input_names=["input_ids", "attention_mask"],
    )
    pixels = {**files[PREPROCESSOR], "image_processor_type": "BlipImageProcessor"}
    read_back = _read_model(config, pixels)
    told = replace(model, vision=key_bias_as_read(model.vision))
    check_equal(TITLE, "model", told, read_back)
    queries = model.connector.num_queries if config["image_token_index"] is not None else None
    processor = {"processor_class": "Blip2Processor", "num_query_tokens": queries}
    return {**files, PREPROCESSOR: pixels, PROCESSOR: processor}


_LOADING = """\
import torch
from PIL import Image
from transformers import AutoProcessor, Blip2ForImageTextRetrieval

processor = AutoProcessor.from_pretrained("FOLDER")
model = Blip2ForImageTextRetrieval.from_pretrained("FOLDER")
inputs = processor(images=Image.open("photo.jpg"), text="a cat", return_tensors="pt")
print(model(**inputs, use_image_text_matching_head=True).logits_per_image.softmax(dim=1))
"""

_NOTES = """\
- `triptych score` gives both at once: the cosine (ITC) as similarity, the match (ITM) as
  probability.
"""

BLIP2_ITM_FAMILY = PublishedScorer(
    title=TITLE,
    model_types=(KIND,),
    class_name=CLASS,
    needs_class_name=True,
    abilities="scores",
    covers=lambda architecture: isinstance(architecture.model, MatcherConfig),
    read=_read,
    write=_write,
    tensors=blip2_itm_tensors,
    is_skipped=is_computed,
    loading=_LOADING,
    notes=_NOTES,
)
