"""BLIP-2 with OPT as a published family: its settings both ways, and how others load it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from triptych.architectures.architecture import Architecture
from triptych.architectures.blip2 import SOURCE, blip2_opt_2_7b
from triptych.connector import QFormerConfig
from triptych.errors import ConfigError
from triptych.fusion.splice import SpliceConfig
from triptych.fusion.vlm import VLMConfig
from triptych.language import DecoderConfig, LearnedPositionsConfig
from triptych.media import FixedResizeConfig
from triptych.published.chat import write_ids, write_template, write_tokens
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
from triptych.published.family import (
    CONFIG,
    GENERATION,
    PREPROCESSOR,
    PROCESSOR,
    TOKENIZER_CONFIG,
    PublishedFamily,
    PublishedFiles,
    Settings,
)
from triptych.published.opt import (
    DEFAULTS,
    EMBEDDING,
    HEAD,
    OPT_NAMES,
    read_opt,
    write_opt,
)
from triptych.published.pictures import read_resize, write_resize
from triptych.published.settings import Section, as_run, check_equal
from triptych.published.tensors import PublishedTensor, published_tensors
from triptych.published.text import opening, tokens_of
from triptych.text import ChatTemplate, Tokenizer
from triptych.vision import ViTConfig

TITLE, CLASS, KIND = "BLIP-2", "Blip2ForConditionalGeneration", "blip-2"
"""The family, what the published code calls the model, and what its settings call it."""

PAD = "<pad>"

NAMES = {
    "vision": EVA_NAMES,
    "connector": qformer_names("language_projection"),
    "language": OPT_NAMES.under("language_model."),
}


class _Parts(NamedTuple):
    """The parts of an architecture of this family, each of its kind."""

    vision: ViTConfig
    connector: QFormerConfig
    language: DecoderConfig


def blip2_tensors(config: VLMConfig) -> list[PublishedTensor]:
    """Every tensor of ours under its name on the Hub, in the order of our modules."""
    return published_tensors(config, NAMES, TITLE)


def _parts(architecture: Architecture) -> _Parts | None:
    model = architecture.model
    vision, connector, language = model.vision, model.connector, model.language
    if (
        not isinstance(vision, ViTConfig)
        or not vision.keep_class_token
        or vision.pre_norm
        or not isinstance(connector, QFormerConfig)
        or not isinstance(model.fusion, SpliceConfig)
        or not isinstance(language.positions, LearnedPositionsConfig)
        or not isinstance(architecture.processor.resize, FixedResizeConfig)
    ):
        return None
    return _Parts(vision, connector, language)


def _read_model(config: Settings, pixels: Settings) -> VLMConfig:
    whole = Section("config.json", config)
    whole.require(model_type=KIND, quantization_config=None)
    text = whole.section("text_config").over(model_type="opt")
    if text.values["model_type"] != "opt":
        raise ConfigError(
            f"config.json: text_config: model_type is {text.values['model_type']!r}; of the BLIP-2 "
            "models only those with OPT can be run, there is no language panel with an encoder"
        )
    return VLMConfig(
        vision=read_eva(whole, Section("preprocessor_config.json", pixels)),
        connector=read_qformer(whole, text=False),
        language=read_opt(text),
    )


def _read(files: PublishedFiles, name: str) -> Architecture:
    model = _read_model(files.config, files.pixels)
    positions = model.language.positions
    assert isinstance(positions, LearnedPositionsConfig)
    family = blip2_opt_2_7b()
    processor = replace(
        family.processor,
        resize=read_resize(Section("preprocessor_config.json", files.pixels)),
        template=_read_template(files),
        max_tokens=positions.max_positions,
    )
    return replace(family, name=name, model=model, processor=processor)


def _read_template(files: PublishedFiles) -> ChatTemplate:
    whole = Section("config.json", files.config)
    text = whole.section("text_config").over(**DEFAULTS)
    image_token = tokens_of(whole, "image_token_index", files.tokenizer)[0]
    ends, stops = _read_ends(files, text)
    return ChatTemplate(
        source=files.template.removeprefix(opening({"image_token": image_token})),
        end_tokens=ends,
        stop_tokens=stops,
        image_token=image_token,
        bos_token=tokens_of(text, "bos_token_id", files.tokenizer)[0],
    )


def _read_ends(files: PublishedFiles, text: Section) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The special tokens that end an answer, and the ordinary ones: the line end of OPT.

    Where no special one is named it is that which begins a text, as OPT's `</s>` does both.
    """
    given = Section("generation_config.json", files.generation)
    has_ends = given.values.get("eos_token_id") is not None
    ids = (given if has_ends else text).ids("eos_token_id")
    specials = {id: token for token, id in files.tokenizer.special_tokens.items()}
    ends = tuple(specials[id] for id in ids if id in specials)
    ordinary = [files.tokenizer.inner.id_to_token(id) for id in ids if id not in specials]
    if None in ordinary:
        raise ConfigError(f"config.json: eos_token_id is {ids}, which the tokenizer does not know")
    ends = ends or tokens_of(text, "bos_token_id", files.tokenizer)
    return ends, tuple(map(str, ordinary))


def _write(architecture: Architecture, tokenizer: Tokenizer, dtype: str) -> Mapping[str, Settings]:
    parts, processor = _parts(architecture), architecture.processor
    if parts is None:
        raise ConfigError(f"{architecture.name} is not of the {TITLE} family")
    vision, connector, language = parts
    template = processor.template
    ids = write_ids(template, tokenizer, PAD)
    ends = [*ids["eos_token_id"], *(tokenizer.ordinary(token) for token in template.stop_tokens)]
    image_id = tokenizer.special(template.image_token)
    config: dict[str, Any] = {
        "architectures": [CLASS],
        "model_type": KIND,
        "torch_dtype": dtype,
        "image_token_index": image_id,
        "num_query_tokens": connector.num_queries,
        "qformer_config": write_qformer(connector, vision.dim),
        "text_config": {**write_opt(language), **ids, "eos_token_id": ids["eos_token_id"][0]},
        "use_decoder_only_language_model": True,
        "vision_config": write_eva(vision),
    }
    pixels = {
        "processor_class": "Blip2Processor",
        **write_resize(processor.resize, vision),
        "image_processor_type": "BlipImageProcessor",
    }
    told, found = (_as_run(each) for each in (architecture.model, _read_model(config, pixels)))
    check_equal(TITLE, "model", told, found)
    # The published processor fails on a tokenizer that calls its picture token by that name.
    tokens = write_tokens(processor, tokenizer, "Blip2Processor", {}, PAD)
    return {
        CONFIG: config,
        PREPROCESSOR: pixels,
        PROCESSOR: {
            "processor_class": "Blip2Processor",
            "num_query_tokens": connector.num_queries,
        },
        TOKENIZER_CONFIG: tokens,
        GENERATION: {**ids, "eos_token_id": ends, "do_sample": False},
    }


def _as_run(model: VLMConfig) -> VLMConfig:
    assert isinstance(model.vision, ViTConfig)
    return replace(as_run(model), vision=key_bias_as_read(model.vision))


_LOADING = """\
from PIL import Image
from transformers import AutoProcessor, Blip2ForConditionalGeneration

processor = AutoProcessor.from_pretrained("FOLDER")
model = Blip2ForConditionalGeneration.from_pretrained("FOLDER")
inputs = processor(
    images=Image.open("photo.jpg"), text="Question: what is it? Answer:", return_tensors="pt"
)
answer = model.generate(**inputs, max_new_tokens=64)
new_tokens = answer[:, inputs["input_ids"].shape[1]:]
print(processor.batch_decode(new_tokens, skip_special_tokens=True)[0])
"""

_SERVING = """\
```
vllm serve FOLDER
```
"""

_NOTES = """\
- Triptych never reads a special token out of what a person writes. The engines above do: a message
  that spells `</s>` or `<image>` is taken at its word. Keep such spellings out of messages from
  strangers.
- Several pictures stand side by side in front of the text; the published processor takes one.
"""

BLIP2_FAMILY = PublishedFamily(
    title=TITLE,
    model_types=(KIND,),
    class_name=CLASS,
    covers=lambda architecture: _parts(architecture) is not None,
    read=_read,
    write=_write,
    write_template=write_template,
    tensors=blip2_tensors,
    is_skipped=is_computed,
    hub_name=lambda name: name,
    embedding=f"language_model.{EMBEDDING}",
    head=f"language_model.{HEAD}",
    default_template=SOURCE,
    loading=_LOADING,
    serving=_SERVING,
    notes=_NOTES,
)
