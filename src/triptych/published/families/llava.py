"""LLaVA-1.5 as a published family: names of weights, text settings, and how others load it.

    ours                  Hub                              in memory of transformers 5
    vision                vision_tower.vision_model        model.vision_tower
    connector.up, down    multi_modal_projector.linear_N   model.multi_modal_projector.linear_N
    language              language_model.model             model.language_model
    language.lm_head      language_model.lm_head           lm_head

Blocks behind the one that is read, and the norm behind them, are published too. They are kept for
an export when a folder is read, but they are no part of our model.
"""

from collections.abc import Mapping
from dataclasses import replace

from triptych.architectures.architecture import Architecture
from triptych.architectures.llava import llava_1_5_7b
from triptych.fusion.vlm import VLMConfig
from triptych.published.card import loading_by_chat
from triptych.published.chat import (
    read_chat,
    write_ids,
    write_template,
    write_tokens,
)
from triptych.published.families.llava_settings import (
    CLASS,
    KIND,
    PROCESSOR_CLASS,
    TITLE,
    is_llava,
    read_settings,
    text_section,
    whole_vision,
    write_processor,
    write_settings,
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
from triptych.published.language import EMBEDDING, HEAD, LLAMA_NAMES
from triptych.published.settings import Section
from triptych.published.tensors import (
    PanelNames,
    PublishedTensor,
    published_tensors,
    renamed,
)
from triptych.published.text import tokens_of
from triptych.published.vision_names import CLIP_NAMES
from triptych.text import ChatTemplate, Tokenizer
from triptych.vision import ViTConfig

NAMES = {
    "vision": CLIP_NAMES.under("vision_tower.vision_model."),
    "connector": PanelNames(
        outside={
            "up": "multi_modal_projector.linear_1",
            "down": "multi_modal_projector.linear_2",
        }
    ),
    "language": LLAMA_NAMES.under("language_model."),
}

RENAMES = (
    ("vision_tower.vision_model.", "vision_tower.vision_model."),
    ("model.vision_tower.vision_model.", "vision_tower.vision_model."),
    ("model.vision_tower.", "vision_tower.vision_model."),
    ("vision_tower.", "vision_tower.vision_model."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
    ("model.language_model.", "language_model.model."),
    ("lm_head.", "language_model.lm_head."),
)
"""What versions of transformers have in memory or in files, and the Hub's."""


def hub_name(name: str) -> str:
    """The name on the Hub of a tensor under any name that a version of transformers gives it."""
    return renamed(name, RENAMES)


def is_skipped(name: str) -> bool:
    """SigLIP's pooling head, which nothing reads, and tables that are computed."""
    return name.startswith("vision_tower.vision_model.head.") or name.endswith(
        (".position_ids", ".inv_freq")
    )


def llava_tensors(config: VLMConfig) -> list[PublishedTensor]:
    """Every tensor of ours under its name on the Hub, in the order of our modules."""
    return published_tensors(config, NAMES, TITLE)


def unread_tensors(config: VLMConfig) -> list[PublishedTensor]:
    """Those of the blocks and the norm behind the block that is read."""
    if not isinstance(config.vision, ViTConfig):
        return []
    ours = {tensor.name for tensor in llava_tensors(config)}
    whole = llava_tensors(replace(config, vision=whole_vision(config.vision)))
    return [tensor for tensor in whole if tensor.name not in ours]


def _read(files: PublishedFiles, name: str) -> Architecture:
    model, resize = read_settings(files.config, files.pixels)
    template, max_tokens = _read_text(files)
    # What the files do not say is as in the family.
    family = llava_1_5_7b()
    processor = replace(family.processor, resize=resize, template=template, max_tokens=max_tokens)
    return replace(family, name=name, model=model, processor=processor)


def _write(architecture: Architecture, tokenizer: Tokenizer, dtype: str) -> Mapping[str, Settings]:
    config, pixels = write_settings(architecture, dtype)
    vision, processor = architecture.model.vision, architecture.processor
    assert isinstance(vision, ViTConfig)
    ids = write_ids(processor.template, tokenizer)
    image_token = processor.template.image_token
    image_id = tokenizer.special(image_token)
    config |= {"image_token_index": image_id, "pad_token_id": ids["pad_token_id"]}
    config["text_config"] |= {**ids, "eos_token_id": ids["eos_token_id"][0]}
    return {
        CONFIG: config,
        PREPROCESSOR: pixels,
        PROCESSOR: write_processor(vision, image_token),
        TOKENIZER_CONFIG: write_tokens(
            processor, tokenizer, PROCESSOR_CLASS, {"image_token": image_token}
        ),
        GENERATION: {**ids, "do_sample": False},
    }


def _read_text(files: PublishedFiles) -> tuple[ChatTemplate, int]:
    whole = Section("config.json", files.config)
    index = "image_token_index" if "image_token_index" in files.config else "image_token_id"
    image_token = tokens_of(whole, index, files.tokenizer)[0]
    return read_chat(files, text_section(files.config), image_token)


_SERVING = """\
```
vllm serve FOLDER
python -m sglang.launch_server --model-path FOLDER
```
"""

_NOTES = """\
- Triptych never reads a special token out of what a person writes. The engines above do: a message
  that spells `</s>` or `<image>` is taken at its word. Keep such spellings out of messages from
  strangers.
- Features are those of the block that `vision_feature_layer` names. Blocks behind it and the last
  norm are never read: where Triptych did not get them from a published folder, they are zeros.
- Where `do_pad` is true a picture is padded to a square with the mean colour before resizing, as
  LLaVA-1.5 was tuned; an engine that ignores the setting crops the centre instead.
"""

LLAVA_FAMILY = PublishedFamily(
    title=TITLE,
    model_types=(KIND,),
    class_name=CLASS,
    covers=is_llava,
    read=_read,
    write=_write,
    write_template=write_template,
    tensors=llava_tensors,
    unread=unread_tensors,
    is_skipped=is_skipped,
    hub_name=hub_name,
    embedding=f"language_model.{EMBEDDING}",
    head=f"language_model.{HEAD}",
    loading=loading_by_chat("LlavaForConditionalGeneration"),
    serving=_SERVING,
    notes=_NOTES,
)
