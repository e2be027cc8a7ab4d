"""InternVL as a published family, in the layout of transformers.

ours                      Hub                              in memory of transformers 5
vision                    vision_tower                     model.vision_tower
connector.norm            multi_modal_projector.layer_norm model.multi_modal_projector.layer_norm
connector.mlp.up, down    multi_modal_projector.linear_N   model.multi_modal_projector.linear_N
language                  language_model.model             model.language_model
language.lm_head          language_model.lm_head           lm_head
"""

from collections.abc import Mapping
from dataclasses import replace

from triptych.architectures.architecture import Architecture
from triptych.architectures.internvl import TILE_TEXT, internvl2_1b
from triptych.fusion.vlm import VLMConfig
from triptych.published.card import loading_by_chat
from triptych.published.chat import (
    read_chat,
    write_ids,
    write_template,
    write_tokens,
)
from triptych.published.families.internvl_settings import (
    CLASS,
    KIND,
    PROCESSOR_CLASS,
    TITLE,
    is_internvl,
    read_settings,
    text_section,
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
from triptych.published.vision_names import INTERNVL_NAMES
from triptych.text import Tokenizer

PAD = "<|endoftext|>"
"""What published tokenizers of the family pad with, where they have it."""

VIDEO = "<video>"
"""Stands where a video does; the processor's settings name it even where no model reads videos."""

NAMES = {
    "vision": INTERNVL_NAMES.under("vision_tower."),
    "connector": PanelNames(
        outside={
            "norm": "multi_modal_projector.layer_norm",
            "mlp.up": "multi_modal_projector.linear_1",
            "mlp.down": "multi_modal_projector.linear_2",
        }
    ),
    "language": LLAMA_NAMES.under("language_model."),
}

RENAMES = (
    ("model.vision_tower.", "vision_tower."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
    ("model.language_model.", "language_model.model."),
    ("lm_head.", "language_model.lm_head."),
)
"""What versions of transformers have in memory or in files, and the Hub's."""


def hub_name(name: str) -> str:
    """The name on the Hub of a tensor under any name that a version of transformers gives it."""
    return renamed(name, RENAMES)


def is_skipped(name: str) -> bool:
    """A token for hidden patches, which nothing reads, and tables that are computed."""
    return name.endswith((".mask_token", ".inv_freq"))


def internvl_tensors(config: VLMConfig) -> list[PublishedTensor]:
    """Every tensor of ours under its name on the Hub, in the order of our modules."""
    return published_tensors(config, NAMES, TITLE)


def _read(files: PublishedFiles, name: str) -> Architecture:
    model, tiling = read_settings(files.config, files.pixels)
    whole = Section("config.json", files.config)
    image_token = tokens_of(whole, "image_token_id", files.tokenizer)[0]
    template, max_tokens = read_chat(files, text_section(files.config), image_token)
    # What the files do not say is as in the family.
    family = internvl2_1b()
    processor = replace(family.processor, resize=tiling, template=template, max_tokens=max_tokens)
    return replace(family, name=name, model=model, processor=processor)


def _write(architecture: Architecture, tokenizer: Tokenizer, dtype: str) -> Mapping[str, Settings]:
    config, pixels = write_settings(architecture, dtype)
    processor = architecture.processor
    ids = write_ids(processor.template, tokenizer, PAD)
    image_token = processor.template.image_token
    config |= {"image_token_id": tokenizer.special(image_token)}
    config["text_config"] |= {**ids, "eos_token_id": ids["eos_token_id"][0]}
    extra = {
        "start_image_token": TILE_TEXT.before,
        "end_image_token": TILE_TEXT.after,
        "context_image_token": image_token,
        "video_token": VIDEO,
    }
    return {
        CONFIG: config,
        PREPROCESSOR: pixels,
        PROCESSOR: {
            "processor_class": PROCESSOR_CLASS,
            "image_seq_length": config["image_seq_length"],
        },
        TOKENIZER_CONFIG: write_tokens(processor, tokenizer, PROCESSOR_CLASS, extra, PAD),
        GENERATION: {**ids, "do_sample": False},
    }


_SERVING = """\
```
vllm serve FOLDER
python -m sglang.launch_server --model-path FOLDER

python convert_hf_to_gguf.py FOLDER --outfile model.gguf
python convert_hf_to_gguf.py FOLDER --mmproj --outfile mmproj.gguf
llama-server -m model.gguf --mmproj mmproj.gguf
```

The converter of llama.cpp knows tokenizers by a fingerprint; one that is not on its list must be
added to its function `get_vocab_base_pre` under the name of its kind.
"""

_NOTES = """\
- Triptych never reads a special token out of what a person writes. The engines above do: a message
  that spells `<|im_end|>` ends its turn there. Keep such spellings out of messages from strangers.
- A picture is cut into tiles whatever `crop_to_patches` says, as the published processor does.
- Videos are not read; give frames as pictures.
"""

INTERNVL_FAMILY = PublishedFamily(
    title=TITLE,
    model_types=(KIND,),
    class_name=CLASS,
    covers=is_internvl,
    read=_read,
    write=_write,
    write_template=write_template,
    tensors=internvl_tensors,
    is_skipped=is_skipped,
    hub_name=hub_name,
    embedding=f"language_model.{EMBEDDING}",
    head=f"language_model.{HEAD}",
    loading=loading_by_chat("InternVLForConditionalGeneration", needs_torchvision=True),
    serving=_SERVING,
    notes=_NOTES,
)
