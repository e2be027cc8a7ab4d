"""PaliGemma as a published family: its settings both ways, and how others load it.

    ours                   Hub                             in memory of transformers 5
    vision                 vision_tower.vision_model       model.vision_tower
    connector.projection   multi_modal_projector.linear    model.multi_modal_projector.linear
    language               language_model.model            model.language_model

The head is the embedding table. Published folders hold no chat template: the published processor
writes a prompt of pictures, `<bos>`, a text and a line end, and so does ours.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from triptych.architectures.architecture import Architecture
from triptych.architectures.paligemma import paligemma_3b_224
from triptych.connector import LinearConfig
from triptych.errors import ConfigError
from triptych.fusion.splice import SpliceConfig
from triptych.fusion.vlm import VLMConfig
from triptych.language import DecoderConfig
from triptych.media import FixedResizeConfig
from triptych.processor import ProcessorConfig
from triptych.published.chat import (
    read_chat,
    write_ids,
    write_template,
    write_tokens,
)
from triptych.published.families.llava import hub_name, is_skipped
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
from triptych.published.language import (
    EMBEDDING,
    GEMMA,
    HEAD,
    LLAMA_NAMES,
    read_language,
    write_language,
)
from triptych.published.pictures import read_resize, write_resize
from triptych.published.settings import Section, as_run, check_equal
from triptych.published.tensors import (
    PanelNames,
    PublishedTensor,
    published_tensors,
)
from triptych.published.text import tokens_of
from triptych.published.vision import SIGLIP, read_vision, write_clip_or_siglip
from triptych.published.vision_names import CLIP_NAMES
from triptych.text import PALIGEMMA, Tokenizer
from triptych.vision import ViTConfig

TITLE, CLASS, KIND = "PaliGemma", "PaliGemmaForConditionalGeneration", "paligemma"
"""The family, what the published code calls the model, and what its settings call it."""

NAMES = {
    "vision": CLIP_NAMES.under("vision_tower.vision_model."),
    "connector": PanelNames(outside={"projection": "multi_modal_projector.linear"}),
    "language": LLAMA_NAMES.under("language_model."),
}

_PROCESSOR_CLASS = "PaliGemmaProcessor"


class _Parts(NamedTuple):
    """The parts of an architecture of this family, each of its kind."""

    vision: ViTConfig
    language: DecoderConfig
    resize: FixedResizeConfig


def paligemma_tensors(config: VLMConfig) -> list[PublishedTensor]:
    """Every tensor of ours under its name on the Hub, in the order of our modules."""
    return published_tensors(config, NAMES, TITLE)


def _parts(architecture: Architecture) -> _Parts | None:
    model, resize = architecture.model, architecture.processor.resize
    vision, fusion = model.vision, model.fusion
    if (
        not isinstance(vision, ViTConfig)
        or not isinstance(model.connector, LinearConfig)
        or model.connector.norm_eps is not None
        or not isinstance(fusion, SpliceConfig)
        or fusion.mutual != "prompt"
        or not isinstance(resize, FixedResizeConfig)
    ):
        return None
    return _Parts(vision, model.language, resize)


def _read(files: PublishedFiles, name: str) -> Architecture:
    model = read_model(files.config, files.pixels)
    whole = Section("config.json", files.config)
    image_token = tokens_of(whole, "image_token_index", files.tokenizer)[0]
    template, max_tokens = read_chat(files, _text_section(whole), image_token)
    family = paligemma_3b_224()
    processor = replace(
        family.processor,
        resize=read_resize(Section("preprocessor_config.json", files.pixels)),
        template=template,
        max_tokens=max_tokens,
    )
    return replace(family, name=name, model=model, processor=processor)


def read_model(config: Settings, pixels: Settings) -> VLMConfig:
    """The model that `config.json` and `preprocessor_config.json` describe.

    Raises:
        ConfigError: a setting is missing, malformed or not supported; names its key and value.
    """
    whole = Section("config.json", config).over(tie_word_embeddings=True)
    whole.require(model_type=KIND, quantization_config=None)
    text, colours = _text_section(whole), Section("preprocessor_config.json", pixels)
    text.one_of("model_type", GEMMA.model_type)
    text.require(use_bidirectional_attention=True)
    language = read_language(text, tied=whole.flag("tie_word_embeddings"))
    whole.over(projection_dim=2048).require(projection_dim=language.dim)
    eyes = whole.section("vision_config").over(model_type=SIGLIP.model_types[0])
    eyes.one_of("model_type", *SIGLIP.model_types)
    vision = replace(
        read_vision(SIGLIP, eyes),
        pixel_mean=colours.over(image_mean=[0.5] * 3).numbers("image_mean"),
        pixel_std=colours.over(image_std=[0.5] * 3).numbers("image_std"),
    )
    return VLMConfig(
        vision=vision,
        connector=LinearConfig(),
        language=language,
        fusion=SpliceConfig(mutual="prompt"),
    )


def _text_section(whole: Section) -> Section:
    return whole.section("text_config").over(model_type=GEMMA.model_type)


def _write(architecture: Architecture, tokenizer: Tokenizer, dtype: str) -> Mapping[str, Settings]:
    parts, processor = _parts(architecture), architecture.processor
    if parts is None:
        raise ConfigError(f"{architecture.name} is not of the {TITLE} family")
    ids = write_ids(processor.template, tokenizer)
    first = {**ids, "eos_token_id": ids["eos_token_id"][0]}
    config = {
        "architectures": [CLASS],
        "model_type": KIND,
        "torch_dtype": dtype,
        **first,
        "hidden_size": parts.language.dim,
        "image_token_index": tokenizer.special(processor.template.image_token),
        "projection_dim": parts.language.dim,
        "text_config": _write_text(architecture, parts) | first,
        "tie_word_embeddings": parts.language.tied,
        "vision_config": {
            **write_clip_or_siglip(parts.vision),
            "num_image_tokens": _num_tokens(architecture),
            "projection_dim": parts.language.dim,
        },
    }
    pixels = {
        **write_resize(parts.resize, parts.vision),
        "image_seq_length": _num_tokens(architecture),
        "processor_class": _PROCESSOR_CLASS,
    }
    check_equal(TITLE, "model", as_run(architecture.model), read_model(config, pixels))
    read_back = read_resize(Section("preprocessor_config.json", pixels))
    check_equal(TITLE, "processor.resize", processor.resize, read_back)
    tokens = {"image_token": processor.template.image_token}
    return {
        CONFIG: config,
        PREPROCESSOR: pixels,
        PROCESSOR: {"processor_class": _PROCESSOR_CLASS},
        TOKENIZER_CONFIG: write_tokens(processor, tokenizer, _PROCESSOR_CLASS, tokens),
        GENERATION: {**ids, "do_sample": False},
    }


def _write_text(architecture: Architecture, parts: _Parts) -> dict[str, Any]:
    return {
        **write_language(parts.language, architecture.processor.max_tokens),
        "num_image_tokens": _num_tokens(architecture),
        "use_bidirectional_attention": True,
    }


def _num_tokens(architecture: Architecture) -> int:
    processor: ProcessorConfig = architecture.processor
    return architecture.model.num_visual_tokens(*processor.resize.target_size(1, 1))


_LOADING = """\
from PIL import Image
from transformers import AutoProcessor, PaliGemmaForConditionalGeneration

processor = AutoProcessor.from_pretrained("FOLDER")
model = PaliGemmaForConditionalGeneration.from_pretrained("FOLDER")
inputs = processor(
    images=Image.open("photo.jpg"), text="<image>what is in the picture?", return_tensors="pt"
)
inputs.pop("labels", None)
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
  that spells `<eos>` or `<image>` is taken at its word. Keep such spellings out of messages from
  strangers.
- The whole prompt is read in both directions. An engine that reads it causally answers otherwise.
- The chat template writes several turns one below the other; the model knows single questions.
"""

PALIGEMMA_FAMILY = PublishedFamily(
    title=TITLE,
    model_types=(KIND,),
    class_name=CLASS,
    covers=lambda architecture: _parts(architecture) is not None,
    read=_read,
    write=_write,
    write_template=write_template,
    tensors=paligemma_tensors,
    is_skipped=is_skipped,
    hub_name=hub_name,
    embedding=f"language_model.{EMBEDDING}",
    head=f"language_model.{HEAD}",
    default_template=PALIGEMMA.source,
    loading=_LOADING,
    serving=_SERVING,
    notes=_NOTES,
)
