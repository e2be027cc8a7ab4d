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

from triptych.architectures.architecture import Architecture
from triptych.architectures.idefics import AROUND, END_OF_TURN, IMAGE, SOURCE, idefics_9b
from triptych.errors import ConfigError
from triptych.fusion.gated import GatedConfig
from triptych.fusion.vlm import VLMConfig
from triptych.published.chat import read_chat, write_ids, write_tokens
from triptych.published.families.idefics_settings import (
    CLASS,
    KIND,
    TITLE,
    WHOLE,
    parts_of,
    picture_section,
    read_model,
    text_section,
    write_model,
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
from triptych.published.language import (
    EMBEDDING,
    HEAD,
    LLAMA_NAMES,
)
from triptych.published.pictures import read_resize, write_resize
from triptych.published.settings import (
    Section,
    as_run,
    check_equal,
)
from triptych.published.tensors import (
    PanelNames,
    PublishedTensor,
    published_tensors,
)
from triptych.published.text import opening, standing_alone
from triptych.published.vision_names import CLIP_NAMES
from triptych.text import ChatTemplate, Tokenizer
from triptych.vision import ViTConfig

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


def _read(files: PublishedFiles, name: str) -> Architecture:
    whole = Section("config.json", files.config).over(**WHOLE)
    pixels = picture_section(files.pixels)
    model = read_model(files.config, pixels)
    for token in (AROUND, IMAGE):
        files.tokenizer.special(token)
    template, max_tokens = read_chat(files, text_section(whole), IMAGE)
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
    parts, processor = parts_of(architecture), architecture.processor
    if parts is None:
        raise ConfigError(f"{architecture.name} is not of the {TITLE} family")
    vision = parts.vision
    tokenizer.special(AROUND)
    ids = write_ids(processor.template, tokenizer, PAD)
    config = write_model(parts, processor.max_tokens, dtype)
    config |= {**ids, "eos_token_id": ids["eos_token_id"][-1]}
    pixels = {
        "processor_class": "IdeficsProcessor",
        **write_resize(processor.resize, vision),
        "image_processor_type": "IdeficsImageProcessor",
        "image_num_channels": 3,
        "image_size": vision.image_size,
    }
    read_back = read_model(config, picture_section(pixels))
    check_equal(TITLE, "model", as_run(architecture.model), as_run(read_back))
    check_equal(TITLE, "processor.resize", processor.resize, read_resize(picture_section(pixels)))
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
    covers=lambda architecture: parts_of(architecture) is not None,
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
