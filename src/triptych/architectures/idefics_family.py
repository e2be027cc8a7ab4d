"""IDEFICS as a published family: `IdeficsForVisionText2Text`, its settings both ways.

ours                          Hub
vision                        model.vision_model
connector                     model.perceiver_resampler    layers are called blocks
fusion.blocks.N               model.gated_cross_attn_layers.M    counted without gaps
language                      model
language.extra_embedding      model.embed_tokens.additional_embedding
language.extra_head           lm_head.additional_fc
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from triptych.architectures.architecture import Architecture
from triptych.architectures.idefics import (
    AROUND,
    END_OF_TURN,
    IMAGE,
    SOURCE,
    gated_like,
    idefics_9b,
)
from triptych.architectures.published import (
    Section,
    as_run,
    check_equal,
    published_activation,
)
from triptych.architectures.published_chat import read_chat, write_ids, write_tokens
from triptych.architectures.published_family import (
    CONFIG,
    GENERATION,
    PREPROCESSOR,
    PROCESSOR,
    TOKENIZER_CONFIG,
    PublishedFamily,
    PublishedFiles,
    Settings,
)
from triptych.architectures.published_language import (
    EMBEDDING,
    HEAD,
    LLAMA_NAMES,
    read_language,
    write_language,
)
from triptych.architectures.published_pictures import read_resize, write_resize
from triptych.architectures.published_tensors import (
    PanelNames,
    PublishedTensor,
    published_tensors,
)
from triptych.architectures.published_text import opening, standing_alone
from triptych.architectures.published_vision import read_sizes
from triptych.architectures.published_vision_names import CLIP_NAMES
from triptych.connector import ResamplerConfig
from triptych.errors import ConfigError
from triptych.fusion.gated import GatedConfig
from triptych.fusion.vlm import VLMConfig
from triptych.language import DecoderConfig, RotaryConfig
from triptych.media import FixedResizeConfig
from triptych.text import ChatTemplate, Tokenizer
from triptych.vision import ViTConfig, clip_vit_l14

TITLE, CLASS, KIND = "IDEFICS", "IdeficsForVisionText2Text", "idefics"
"""The family, what the published code calls the model, and what its settings call it."""

PAD = "<unk>"
"""What Llama's tokenizer is padded with."""

RESAMPLER_NAMES = PanelNames(
    outside={"latents": "latents", "norm": "layer_norm"},
    blocks="layers",
    stack="blocks",
    in_block={
        "norm_context": "0.context_layer_norm",
        "norm_latents": "0.latents_layer_norm",
        "attention.query": "0.q_proj",
        "attention.key": "0.k_proj",
        "attention.value": "0.v_proj",
        "attention.query_norm": "0.q_layer_norm",
        "attention.key_norm": "0.k_layer_norm",
        "attention.out": "0.output_proj",
        "norm_mlp": "1.ln",
        "mlp.up": "1.fc",
        "mlp.down": "1.c_proj",
    },
).under("model.perceiver_resampler.")

GATED_NAMES = PanelNames(
    outside={},
    stack="model.gated_cross_attn_layers",
    in_block={
        "norm_1": "input_layernorm",
        "attention.query": "cross_attn.q_proj",
        "attention.key": "cross_attn.k_proj",
        "attention.value": "cross_attn.v_proj",
        "attention.query_norm": "cross_attn.q_layer_norm",
        "attention.key_norm": "cross_attn.k_layer_norm",
        "attention.out": "cross_attn.o_proj",
        "attention_gate": "alpha_cross_attn",
        "norm_2": "post_attention_layernorm",
        "mlp.gate": "mlp.gate_proj",
        "mlp.up": "mlp.up_proj",
        "mlp.down": "mlp.down_proj",
        "mlp_gate": "alpha_dense",
    },
)

LANGUAGE_NAMES = replace(
    LLAMA_NAMES,
    outside={
        **LLAMA_NAMES.outside,
        "extra_embedding": "model.embed_tokens.additional_embedding",
        "extra_head": "lm_head.additional_fc",
    },
)

_VISION = {
    "embed_dim": 768,
    "image_size": 224,
    "intermediate_size": 5120,
    "patch_size": 14,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
}
_PERCEIVER = {
    "resampler_n_latents": 64,
    "resampler_depth": 6,
    "resampler_n_heads": 16,
    "resampler_head_dim": 96,
    "qk_layer_norms_perceiver": False,
}
_WHOLE = {
    "vocab_size": 32_000,
    "additional_vocab_size": 0,
    "cross_layer_interval": 1,
    "qk_layer_norms": False,
    "use_resampler": False,
    "alpha_type": "float",
    "dropout": 0.0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "max_position_embeddings": 2048,
}
"""Settings that a file may leave out; those of the language model are Llama's."""


class _Parts(NamedTuple):
    """The parts of an architecture of this family, each of its kind."""

    vision: ViTConfig
    connector: ResamplerConfig
    fusion: GatedConfig
    language: DecoderConfig


def _parts(architecture: Architecture) -> _Parts | None:
    model = architecture.model
    vision, connector, fusion = model.vision, model.connector, model.fusion
    if (
        not isinstance(vision, ViTConfig)
        or not vision.pre_norm
        or not isinstance(connector, ResamplerConfig)
        or not isinstance(fusion, GatedConfig)
        or not fusion.mlp_before_pictures
        or not isinstance(model.language.positions, RotaryConfig)
        or not isinstance(architecture.processor.resize, FixedResizeConfig)
    ):
        return None
    return _Parts(vision, connector, fusion, model.language)


def idefics_tensors(config: VLMConfig) -> list[PublishedTensor]:
    """Every tensor of ours under its name on the Hub, in the order of our modules."""
    fusion = config.fusion
    assert isinstance(fusion, GatedConfig)
    num_axes = 2 if fusion.gate_channels else 1
    gated = replace(
        GATED_NAMES,
        step=fusion.every,
        outer_axes={"attention_gate": num_axes, "mlp_gate": num_axes},
    )
    names = {
        "vision": CLIP_NAMES.under("model.vision_model."),
        "connector": RESAMPLER_NAMES,
        "fusion": gated,
        "language": LANGUAGE_NAMES,
    }
    return published_tensors(config, names, TITLE)


def unread_tensors(config: VLMConfig) -> list[PublishedTensor]:
    """Those of the norm behind the vision panel."""
    assert isinstance(config.vision, ViTConfig)
    ours = {tensor.name for tensor in idefics_tensors(config)}
    whole = idefics_tensors(replace(config, vision=replace(config.vision, final_norm=True)))
    return [tensor for tensor in whole if tensor.name not in ours]


def _is_skipped(name: str) -> bool:
    """Tables that are computed."""
    return name.endswith((".position_ids", ".inv_freq"))


def _read_model(config: Settings, pixels: Section) -> VLMConfig:
    whole = Section("config.json", config).over(**_WHOLE)
    whole.require(model_type=KIND, quantization_config=None, dropout=0.0)
    whole.one_of("use_resampler", True)
    whole.one_of("alpha_type", "vector", "float")
    language = _read_decoder(whole)
    every = whole.count("cross_layer_interval")
    if language.depth % every:
        raise ConfigError(
            f"config.json: cross_layer_interval is {every}, which does not divide the "
            f"{language.depth} blocks of the language model"
        )
    fusion = gated_like(
        language,
        every,
        qk_norm=whole.flag("qk_layer_norms"),
        gate_channels=whole.word("alpha_type") == "vector",
    )
    return VLMConfig(
        vision=_read_vision(whole, pixels),
        connector=_read_resampler(whole),
        language=language,
        fusion=fusion,
    )


def _text_section(whole: Section) -> Section:
    """The language model's settings, which stand among the model's own."""
    num_extra = whole.whole("additional_vocab_size")
    if num_extra < 0:
        raise ConfigError(f"config.json: additional_vocab_size is {num_extra}; give 0 or more")
    total = whole.count("vocab_size") + num_extra
    biases = {"attention_bias": False, "mlp_bias": False}
    values = {**whole.values, **biases, "model_type": "llama", "vocab_size": total}
    return Section(whole.where, values)


def _read_decoder(whole: Section) -> DecoderConfig:
    language = read_language(_text_section(whole))
    return replace(language, extra_tokens=whole.whole("additional_vocab_size"))


def _read_vision(whole: Section, pixels: Section) -> ViTConfig:
    section = whole.section("vision_config").over(**_VISION)
    section.require(num_channels=3, attention_dropout=0.0)
    section = section.over(hidden_size=section.count("embed_dim"))
    return replace(
        clip_vit_l14(),
        **read_sizes(section),
        final_norm=False,
        pixel_mean=pixels.numbers("image_mean"),
        pixel_std=pixels.numbers("image_std"),
    )


def _read_resampler(whole: Section) -> ResamplerConfig:
    section = whole.section("perceiver_config").over(**_PERCEIVER)
    return ResamplerConfig(
        num_latents=section.count("resampler_n_latents"),
        depth=section.count("resampler_depth"),
        num_heads=section.count("resampler_n_heads"),
        head_dim=section.count("resampler_head_dim"),
        activation="relu",
        qk_norm=section.flag("qk_layer_norms_perceiver"),
        project=False,
    )


def _pixels(pixels: Settings) -> Section:
    """The picture settings; old files give the size as one number under another key."""
    section = Section("preprocessor_config.json", pixels)
    if section.values.get("size") is None and section.values.get("image_size") is not None:
        side = section.side("image_size")
        section = section.over(size={"height": side, "width": side})
    return section


def _read(files: PublishedFiles, name: str) -> Architecture:
    whole = Section("config.json", files.config).over(**_WHOLE)
    pixels = _pixels(files.pixels)
    model = _read_model(files.config, pixels)
    for token in (AROUND, IMAGE):
        files.tokenizer.special(token)
    template, max_tokens = read_chat(files, _text_section(whole), IMAGE)
    if END_OF_TURN in files.tokenizer.special_tokens:
        template = replace(
            template,
            source=template.source.removeprefix(opening(_set_tokens(END_OF_TURN))),
            end_tokens=tuple(dict.fromkeys((END_OF_TURN, *template.end_tokens))),
        )
    family = idefics_9b()
    processor = replace(
        family.processor, resize=read_resize(pixels), template=template, max_tokens=max_tokens
    )
    return replace(family, name=name, model=model, processor=processor)


def _write(architecture: Architecture, tokenizer: Tokenizer, dtype: str) -> Mapping[str, Settings]:
    parts, processor = _parts(architecture), architecture.processor
    if parts is None:
        raise ConfigError(f"{architecture.name} is not of the {TITLE} family")
    vision, connector, fusion, language = parts
    tokenizer.special(AROUND)
    ids = write_ids(processor.template, tokenizer, PAD)
    text = write_language(language, processor.max_tokens)
    config: dict[str, Any] = {
        **{key: value for key, value in text.items() if key not in _UNSAID},
        **ids,
        "eos_token_id": ids["eos_token_id"][-1],
        "architectures": [CLASS],
        "model_type": KIND,
        "torch_dtype": dtype,
        "additional_vocab_size": language.extra_tokens,
        "alpha_initializer": "zeros",
        "alpha_type": "vector" if fusion.gate_channels else "float",
        "cross_layer_interval": fusion.every,
        "dropout": 0.0,
        "perceiver_config": _write_resampler(connector),
        "qk_layer_norms": fusion.qk_norm != "none",
        "use_resampler": True,
        "vision_config": _write_vision(vision),
        "vocab_size": language.common_tokens,
    }
    pixels = {
        "processor_class": "IdeficsProcessor",
        **write_resize(processor.resize, vision),
        "image_processor_type": "IdeficsImageProcessor",
        "image_num_channels": 3,
        "image_size": vision.image_size,
    }
    read_back = _read_model(config, _pixels(pixels))
    check_equal(TITLE, "model", as_run(architecture.model), as_run(read_back))
    check_equal(TITLE, "processor.resize", processor.resize, read_resize(_pixels(pixels)))
    return {
        CONFIG: config,
        PREPROCESSOR: pixels,
        PROCESSOR: {"processor_class": "IdeficsProcessor"},
        TOKENIZER_CONFIG: {
            **write_tokens(processor, tokenizer, "IdeficsProcessor", {}, PAD),
            # Behind it the published processor lets no token look at an earlier picture.
            "eos_token": processor.template.end_tokens[-1],
        },
        GENERATION: {**ids, "do_sample": False},
    }


def _write_template(template: ChatTemplate) -> str:
    """The chat template as others can run it, where a turn may end otherwise than a text."""
    return standing_alone(template, _set_tokens(template.end_tokens[0]))


def _set_tokens(end_token: str) -> dict[str, str]:
    end = {"eos_token": end_token} if end_token == END_OF_TURN else {}
    return {"image_token": IMAGE, **end}


_UNSAID = {
    *("attention_bias", "attention_dropout", "head_dim", "mlp_bias", "num_key_value_heads"),
}
"""Settings of Llama's that this family has no words for; what they say is found by reading back."""


def _write_vision(vision: ViTConfig) -> dict[str, Any]:
    return {
        "model_type": "idefics_vision",
        "attention_dropout": 0.0,
        "embed_dim": vision.dim,
        "hidden_act": published_activation(vision.activation),
        "image_size": vision.image_size,
        "intermediate_size": vision.ffn_dim,
        "layer_norm_eps": vision.norm_eps,
        "num_attention_heads": vision.num_heads,
        "num_channels": 3,
        "num_hidden_layers": vision.depth,
        "patch_size": vision.patch_size,
    }


def _write_resampler(connector: ResamplerConfig) -> dict[str, Any]:
    return {
        "model_type": "idefics_perciever",
        "qk_layer_norms_perceiver": connector.qk_norm,
        "resampler_depth": connector.depth,
        "resampler_head_dim": connector.head_dim,
        "resampler_n_heads": connector.num_heads,
        "resampler_n_latents": connector.num_latents,
        "use_resampler": True,
    }


_LOADING = """\
from PIL import Image
from transformers import AutoProcessor, IdeficsForVisionText2Text

processor = AutoProcessor.from_pretrained("FOLDER")
model = IdeficsForVisionText2Text.from_pretrained("FOLDER")
prompts = [["User:", Image.open("photo.jpg"), "What is it?\\nAssistant:"]]
inputs = processor(text=prompts, return_tensors="pt")
answer = model.generate(**inputs, max_new_tokens=64)
new_tokens = answer[:, inputs["input_ids"].shape[1]:]
print(processor.batch_decode(new_tokens, skip_special_tokens=True)[0])
"""

_SERVING = """\
No engine is known to serve this family; transformers runs it.
"""

_NOTES = """\
- Triptych never reads a special token out of what a person writes. The published processor does,
  and takes a message that is a web address for a picture to fetch.
- `<end_of_utterance>` ends a turn where the tokenizer has it, as in the instructed models.
"""

IDEFICS_FAMILY = PublishedFamily(
    title=TITLE,
    model_types=(KIND,),
    class_name=CLASS,
    covers=lambda architecture: _parts(architecture) is not None,
    read=_read,
    write=_write,
    write_template=_write_template,
    tensors=idefics_tensors,
    unread=unread_tensors,
    is_skipped=_is_skipped,
    hub_name=lambda name: name,
    embedding=EMBEDDING,
    head=HEAD,
    default_template=SOURCE,
    loading=_LOADING,
    serving=_SERVING,
    notes=_NOTES,
)
