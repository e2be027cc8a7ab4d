"""GIT as a published family: its settings both ways, and how others load it.

The published code gets pictures beside the text, not in it: token ids there are ours without the
slots, and the chat template that is written here leaves pictures out.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from triptych.architectures.architecture import Architecture
from triptych.architectures.git import git_base
from triptych.connector import LinearConfig
from triptych.errors import ConfigError
from triptych.fusion.splice import SpliceConfig
from triptych.fusion.vlm import VLMConfig
from triptych.language import DecoderConfig, TextPositionsConfig
from triptych.language.decoder import INITIAL_STD
from triptych.published.chat import write_ids
from triptych.published.families.git_layout import git_tensors, is_skipped
from triptych.published.family import (
    CONFIG,
    GENERATION,
    PREPROCESSOR,
    TOKENIZER_CONFIG,
    PublishedFamily,
    PublishedFiles,
    Settings,
)
from triptych.published.pictures import read_resize, write_resize
from triptych.published.settings import (
    Section,
    as_run,
    check_equal,
    published_activation,
    read_activation,
)
from triptych.published.text import standing_alone, tokens_of
from triptych.published.vision import CLIP, read_vision, write_clip_or_siglip
from triptych.text import GIT, GIT_TEXT, ChatTemplate, Tokenizer
from triptych.vision import ViTConfig

TITLE, CLASS, KIND = "GIT", "GitForCausalLM", "git"
"""The family, what the published code calls the model, and what its settings call it."""

PAD = "[PAD]"
"""What published tokenizers of the family pad with."""

_DEFAULTS: dict[str, object] = {
    "vocab_size": 30_522,
    "hidden_size": 768,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "max_position_embeddings": 1024,
    "layer_norm_eps": 1e-12,
    "bos_token_id": 101,
    "eos_token_id": 102,
}
"""Settings that a file may leave out, as transformers has them."""


class _Parts(NamedTuple):
    """The parts of an architecture of this family, each of its kind."""

    vision: ViTConfig
    language: DecoderConfig
    max_positions: int


def write_template(template: ChatTemplate) -> str:
    """The chat template as others can run it: pictures do not stand in the text there."""
    if template.source == GIT.source:
        return GIT_TEXT
    return standing_alone(template, {"image_token": template.image_token})


def _parts(architecture: Architecture) -> _Parts | None:
    model = architecture.model
    vision, connector, positions = model.vision, model.connector, model.language.positions
    if (
        not isinstance(vision, ViTConfig)
        or not isinstance(connector, LinearConfig)
        or connector.norm_eps is None
        or not isinstance(model.fusion, SpliceConfig)
        or not isinstance(positions, TextPositionsConfig)
    ):
        return None
    return _Parts(vision, model.language, positions.max_positions)


def _read(files: PublishedFiles, name: str) -> Architecture:
    model = read_model(files.config, files.pixels)
    whole = Section("config.json", files.config).over(**_DEFAULTS)
    generation = Section("generation_config.json", files.generation)
    has_ends = files.generation.get("eos_token_id") is not None
    is_ours = files.template == GIT_TEXT
    template = replace(
        GIT,
        source=GIT.source if is_ours else files.template,
        end_tokens=tokens_of(generation if has_ends else whole, "eos_token_id", files.tokenizer),
        bos_token=tokens_of(whole, "bos_token_id", files.tokenizer)[0],
    )
    family = git_base()
    processor = replace(
        family.processor,
        resize=read_resize(Section("preprocessor_config.json", files.pixels)),
        template=template,
        max_tokens=whole.count("max_position_embeddings"),
    )
    return replace(family, name=name, model=model, processor=processor)


def read_model(config: Settings, pixels: Settings) -> VLMConfig:
    """The model that `config.json` and `preprocessor_config.json` describe.

    Raises:
        ConfigError: a setting is missing, malformed or not supported; names its key and value.
    """
    whole = Section("config.json", config).over(**_DEFAULTS)
    whole.require(model_type=KIND, quantization_config=None, tie_word_embeddings=False)
    # A learned vector for each frame of a video: another model than this one.
    whole.one_of("num_image_with_embedding")
    eyes = whole.section("vision_config").over(patch_size=16)
    eyes.one_of("model_type", "git_vision_model")
    colours = Section("preprocessor_config.json", pixels)
    vision = replace(
        read_vision(CLIP, eyes),
        pixel_mean=colours.numbers("image_mean"),
        pixel_std=colours.numbers("image_std"),
    )
    return VLMConfig(
        vision=vision,
        connector=LinearConfig(norm_eps=vision.norm_eps),
        language=_read_decoder(whole),
        fusion=SpliceConfig(mutual="pictures"),
    )


def _read_decoder(whole: Section) -> DecoderConfig:
    known = git_base().model.language
    num_heads = whole.count("num_attention_heads")
    dropout = whole.values["hidden_dropout_prob"]
    return replace(
        known,
        vocab_size=whole.count("vocab_size"),
        dim=whole.count("hidden_size"),
        depth=whole.count("num_hidden_layers"),
        num_heads=num_heads,
        num_kv_heads=num_heads,
        ffn_dim=whole.count("intermediate_size"),
        norm_eps=whole.number("layer_norm_eps"),
        activation=read_activation(whole, "hidden_act"),
        positions=TextPositionsConfig(max_positions=whole.count("max_position_embeddings")),
        dropout=float(dropout) if dropout else 0.0,
    )


def _write(architecture: Architecture, tokenizer: Tokenizer, dtype: str) -> Mapping[str, Settings]:
    parts, processor = _parts(architecture), architecture.processor
    if parts is None:
        raise ConfigError(f"{architecture.name} is not of the {TITLE} family")
    ids = write_ids(processor.template, tokenizer, PAD)
    eyes = write_clip_or_siglip(parts.vision)
    del eyes["projection_dim"]
    config = {
        "architectures": [CLASS],
        "model_type": KIND,
        "torch_dtype": dtype,
        **_write_decoder(parts),
        **ids,
        "eos_token_id": ids["eos_token_id"][0],
        "num_image_with_embedding": None,
        "vision_config": {**eyes, "model_type": "git_vision_model"},
    }
    pixels = {**write_resize(processor.resize, parts.vision), "processor_class": "GitProcessor"}
    told, found = (_as_run(each) for each in (architecture.model, read_model(config, pixels)))
    check_equal(TITLE, "model", told, found)
    read_back = read_resize(Section("preprocessor_config.json", pixels))
    check_equal(TITLE, "processor.resize", processor.resize, read_back)
    return {
        CONFIG: config,
        PREPROCESSOR: pixels,
        TOKENIZER_CONFIG: _write_tokens(architecture, tokenizer),
        GENERATION: {**ids, "do_sample": False},
    }


def _as_run(model: VLMConfig) -> VLMConfig:
    return replace(as_run(model), language=replace(as_run(model).language, dropout=0.0))


def _write_decoder(parts: _Parts) -> dict[str, Any]:
    language = parts.language
    return {
        "attention_probs_dropout_prob": language.dropout,
        "hidden_act": published_activation(language.activation),
        "hidden_dropout_prob": language.dropout,
        "hidden_size": language.dim,
        "initializer_range": INITIAL_STD,
        "intermediate_size": language.ffn_dim,
        "layer_norm_eps": language.norm_eps,
        "max_position_embeddings": parts.max_positions,
        "num_attention_heads": language.num_heads,
        "num_hidden_layers": language.depth,
        "tie_word_embeddings": language.tied,
        "use_cache": True,
        "vocab_size": language.vocab_size,
    }


def _write_tokens(architecture: Architecture, tokenizer: Tokenizer) -> dict[str, Any]:
    template = architecture.processor.template
    end = template.end_tokens[0]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",  # reads tokenizer.json as it is
        "processor_class": "GitProcessor",
        "cls_token": template.bos_token,
        "sep_token": end,
        "bos_token": template.bos_token,
        "eos_token": end,
        "pad_token": PAD if PAD in tokenizer.special_tokens else end,
        "model_max_length": architecture.processor.max_tokens,
        "clean_up_tokenization_spaces": True,
        "chat_template": write_template(template),
    }


_LOADING = """\
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForCausalLM, AutoTokenizer

pictures = AutoImageProcessor.from_pretrained("FOLDER")
tokenizer = AutoTokenizer.from_pretrained("FOLDER")
model = AutoModelForCausalLM.from_pretrained("FOLDER")
pixels = pictures(images=Image.open("photo.jpg"), return_tensors="pt").pixel_values
question = tokenizer("what is in the picture?", add_special_tokens=False).input_ids
ids = torch.tensor([[tokenizer.cls_token_id, *question]])
answer = model.generate(pixel_values=pixels, input_ids=ids, max_new_tokens=50)
print(tokenizer.decode(answer[0, ids.shape[1]:], skip_special_tokens=True))
"""

_SERVING = """\
transformers alone: vLLM, SGLang and llama.cpp do not run this family.
"""

_NOTES = """\
- Token ids there are Triptych's without the slots of pictures, which that code puts in front by
  itself.
- That code takes several pictures as the frames of a video, with a learned vector for each, which
  this model has not; give it one.
"""

GIT_FAMILY = PublishedFamily(
    title=TITLE,
    model_types=(KIND,),
    class_name=CLASS,
    covers=lambda architecture: _parts(architecture) is not None,
    read=_read,
    write=_write,
    write_template=write_template,
    tensors=git_tensors,
    is_skipped=is_skipped,
    hub_name=lambda name: name,
    embedding="git.embeddings.word_embeddings.weight",
    head="output.weight",
    default_template=GIT.source,
    loading=_LOADING,
    serving=_SERVING,
    notes=_NOTES,
)
