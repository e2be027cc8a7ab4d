"""Idefics3 and SmolVLM as a published family: names of weights, and how others load it.

    ours                    published
    vision                  model.vision_model
    connector.projection    model.connector.modality_projection.proj
    language                model.text_model
    language.lm_head        lm_head, where it is not tied

All versions of transformers have these names in memory and in files.
"""

from collections.abc import Mapping
from dataclasses import replace

from triptych.architectures.architecture import Architecture
from triptych.architectures.smolvlm import smolvlm_256m
from triptych.fusion.vlm import VLMConfig
from triptych.published.card import loading_by_chat
from triptych.published.chat import (
    read_chat,
    write_ids,
    write_template,
    write_tokens,
)
from triptych.published.families.idefics3_settings import (
    CLASS,
    KINDS,
    PROCESSOR_CLASS,
    TITLE,
    is_idefics3,
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
from triptych.published.language import LLAMA_NAMES
from triptych.published.settings import Section
from triptych.published.tensors import (
    PanelNames,
    PublishedTensor,
    published_tensors,
)
from triptych.published.text import tokens_of
from triptych.published.vision_names import CLIP_NAMES
from triptych.text import Tokenizer

EMBEDDING, HEAD = "model.text_model.embed_tokens.weight", "lm_head.weight"

PAD = "<|im_end|>"
"""What published tokenizers of the family pad with, where they have it."""

NAMES = {
    "vision": CLIP_NAMES.under("model.vision_model."),
    "connector": PanelNames(
        outside={"projection": "model.connector.modality_projection.proj"},
    ),
    "language": replace(
        LLAMA_NAMES,
        outside={
            "embedding": "model.text_model.embed_tokens",
            "norm": "model.text_model.norm",
            "lm_head": "lm_head",
        },
        stack="model.text_model.layers",
    ),
}


def hub_name(name: str) -> str:
    """The name itself: all versions of transformers use one."""
    return name


def is_skipped(name: str) -> bool:
    """Tables that are computed."""
    return name.endswith((".position_ids", ".inv_freq"))


def idefics3_tensors(config: VLMConfig) -> list[PublishedTensor]:
    """Every tensor of ours under its published name, in the order of our modules."""
    return published_tensors(config, NAMES, TITLE)


def _read(files: PublishedFiles, name: str) -> Architecture:
    model, tiling = read_settings(files.config, files.pixels)
    whole = Section("config.json", files.config)
    image_token = tokens_of(whole, "image_token_id", files.tokenizer)[0]
    template, max_tokens = read_chat(files, text_section(files.config), image_token)
    # What the files do not say is as in the family.
    family = smolvlm_256m()
    processor = replace(family.processor, resize=tiling, template=template, max_tokens=max_tokens)
    return replace(family, name=name, model=model, processor=processor)


def _write(architecture: Architecture, tokenizer: Tokenizer, dtype: str) -> Mapping[str, Settings]:
    config, pixels = write_settings(architecture, dtype)
    processor, model = architecture.processor, architecture.model
    ids = write_ids(processor.template, tokenizer, PAD)
    image_token = processor.template.image_token
    config |= {"image_token_id": tokenizer.special(image_token)}
    config["text_config"] |= {**ids, "eos_token_id": ids["eos_token_id"][0]}
    side = pixels["max_image_size"]["longest_edge"]
    return {
        CONFIG: config,
        PREPROCESSOR: pixels,
        PROCESSOR: {
            "processor_class": PROCESSOR_CLASS,
            "image_seq_len": model.num_visual_tokens(side, side),
        },
        TOKENIZER_CONFIG: write_tokens(
            processor, tokenizer, PROCESSOR_CLASS, {"image_token": image_token}, PAD
        ),
        GENERATION: {**ids, "do_sample": False},
    }


_SERVING = """\
```
vllm serve FOLDER

python convert_hf_to_gguf.py FOLDER --outfile model.gguf
python convert_hf_to_gguf.py FOLDER --mmproj --outfile mmproj.gguf
llama-server -m model.gguf --mmproj mmproj.gguf
```

The converter of llama.cpp knows tokenizers by a fingerprint; one that is not on its list must be
added to its function `get_vocab_base_pre` under the name of its kind.
"""

_NOTES = """\
- Triptych never reads a special token out of what a person writes. The engines above do: a message
  that spells `<end_of_utterance>` ends its turn there. Keep such spellings out of messages from
  strangers.
- A folder whose `model_type` is `smolvlm` is written as `idefics3`, which computes the same.
- Videos are not read; give frames as pictures.
"""

IDEFICS3_FAMILY = PublishedFamily(
    title=TITLE,
    model_types=KINDS,
    class_name=CLASS,
    covers=is_idefics3,
    read=_read,
    write=_write,
    write_template=write_template,
    tensors=idefics3_tensors,
    is_skipped=is_skipped,
    hub_name=hub_name,
    embedding=EMBEDDING,
    head=HEAD,
    loading=loading_by_chat("Idefics3ForConditionalGeneration"),
    serving=_SERVING,
    notes=_NOTES,
)
