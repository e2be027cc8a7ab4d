"""LLaVA-NeXT as a published family: LLaVA's layout, and the vector of the new line.

ours                      Hub                              in memory of transformers 5
vision                    vision_tower.vision_model        model.vision_tower
connector.mlp.up, down    multi_modal_projector.linear_N   model.multi_modal_projector.linear_N
connector.newline         image_newline                    model.image_newline
language                  language_model.model             model.language_model
language.lm_head          language_model.lm_head           lm_head
"""

from collections.abc import Mapping
from dataclasses import replace

from triptych.architectures.architecture import Architecture
from triptych.architectures.llava_next import llava_next_vicuna_7b
from triptych.fusion.vlm import VLMConfig
from triptych.published.card import loading_by_chat
from triptych.published.chat import (
    read_chat,
    write_ids,
    write_template,
    write_tokens,
)
from triptych.published.families.llava import NAMES as LLAVA_NAMES
from triptych.published.families.llava import RENAMES as LLAVA_RENAMES
from triptych.published.families.llava import is_skipped
from triptych.published.families.llava_next_settings import (
    CLASS,
    KIND,
    PROCESSOR_CLASS,
    TITLE,
    is_llava_next,
    read_settings,
    write_settings,
)
from triptych.published.families.llava_settings import text_section, whole_vision, write_processor
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
from triptych.published.language import EMBEDDING, HEAD
from triptych.published.settings import Section
from triptych.published.tensors import (
    PanelNames,
    PublishedTensor,
    published_tensors,
    renamed,
)
from triptych.published.text import tokens_of
from triptych.text import Tokenizer
from triptych.vision import ViTConfig

NAMES = {
    **LLAVA_NAMES,
    "connector": PanelNames(
        outside={
            "mlp.up": "multi_modal_projector.linear_1",
            "mlp.down": "multi_modal_projector.linear_2",
            "newline": "image_newline",
        }
    ),
}

RENAMES = (("model.image_newline", "image_newline"), *LLAVA_RENAMES)
"""What versions of transformers have in memory or in files, and the Hub's."""


def hub_name(name: str) -> str:
    """The name on the Hub of a tensor under any name that a version of transformers gives it."""
    return renamed(name, RENAMES)


def llava_next_tensors(config: VLMConfig) -> list[PublishedTensor]:
    """Every tensor of ours under its name on the Hub, in the order of our modules."""
    return published_tensors(config, NAMES, TITLE)


def unread_tensors(config: VLMConfig) -> list[PublishedTensor]:
    """Those of the blocks and the norm behind the block that is read."""
    if not isinstance(config.vision, ViTConfig):
        return []
    ours = {tensor.name for tensor in llava_next_tensors(config)}
    whole = llava_next_tensors(replace(config, vision=whole_vision(config.vision)))
    return [tensor for tensor in whole if tensor.name not in ours]


def _read(files: PublishedFiles, name: str) -> Architecture:
    model, tiling = read_settings(files.config, files.pixels)
    index = "image_token_index" if "image_token_index" in files.config else "image_token_id"
    image_token = tokens_of(Section("config.json", files.config), index, files.tokenizer)[0]
    template, max_tokens = read_chat(files, text_section(files.config), image_token)
    # What the files do not say is as in the family.
    family = llava_next_vicuna_7b()
    processor = replace(family.processor, resize=tiling, template=template, max_tokens=max_tokens)
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
        PROCESSOR: write_processor(vision, image_token, PROCESSOR_CLASS),
        TOKENIZER_CONFIG: write_tokens(
            processor, tokenizer, PROCESSOR_CLASS, {"image_token": image_token}
        ),
        GENERATION: {**ids, "do_sample": False},
    }


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
- Tiles of several pictures are padded to one number there and not here; the numbers are the same.
"""

LLAVA_NEXT_FAMILY = PublishedFamily(
    title=TITLE,
    model_types=(KIND,),
    class_name=CLASS,
    covers=is_llava_next,
    read=_read,
    write=_write,
    write_template=write_template,
    tensors=llava_next_tensors,
    unread=unread_tensors,
    is_skipped=is_skipped,
    hub_name=hub_name,
    embedding=f"language_model.{EMBEDDING}",
    head=f"language_model.{HEAD}",
    loading=loading_by_chat("LlavaNextForConditionalGeneration"),
    serving=_SERVING,
    notes=_NOTES,
)
