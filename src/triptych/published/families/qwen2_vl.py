"""Qwen2-VL as a published family: what `qwen2_vl_layout`, `_settings` and `_text` add up to."""

from collections.abc import Mapping
from dataclasses import replace

from triptych.architectures.architecture import Architecture
from triptych.architectures.qwen2_vl import qwen2_vl_2b
from triptych.published.card import loading_by_chat
from triptych.published.families.qwen2_vl_layout import hub_name, published_tensors
from triptych.published.families.qwen2_vl_settings import (
    CLASS,
    KIND,
    TITLE,
    is_qwen2_vl,
    read_settings,
    write_settings,
)
from triptych.published.families.qwen2_vl_text import (
    read_processor_text,
    write_template,
    write_text_settings,
)
from triptych.published.family import (
    CONFIG,
    GENERATION,
    PREPROCESSOR,
    TOKENIZER_CONFIG,
    PublishedFamily,
    PublishedFiles,
    Settings,
)
from triptych.published.language import EMBEDDING, HEAD
from triptych.text import Tokenizer


def _read(files: PublishedFiles, name: str) -> Architecture:
    model, resize = read_settings(files.config, files.pixels)
    template, max_tokens = read_processor_text(
        files.config, files.generation, files.template, files.tokenizer
    )
    # What the files do not say is as in the family.
    family = qwen2_vl_2b()
    processor = replace(family.processor, resize=resize, template=template, max_tokens=max_tokens)
    return replace(family, name=name, model=model, processor=processor)


def _write(architecture: Architecture, tokenizer: Tokenizer, dtype: str) -> Mapping[str, Settings]:
    config, preprocessor = write_settings(architecture, tokenizer, dtype)
    tokens, generation = write_text_settings(architecture.processor, tokenizer)
    return {
        CONFIG: config,
        PREPROCESSOR: preprocessor,
        TOKENIZER_CONFIG: tokens,
        GENERATION: generation,
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
added to its function `get_vocab_base_pre` under the name of its kind (`qwen2` divides text as
Triptych's own tokenizers do).
"""

_NOTES = """\
- Triptych never reads a special token out of what a person writes. The engines above do: a message
  that spells `<|im_end|>` ends its turn there. Keep such spellings out of messages from strangers.
- Patches are ordered block by block here, in reading order in Triptych; the tokens behind the
  merger are the same.
- The chat template also takes videos, pictures given as `image_url`, and `add_vision_id`, as the
  published one does. Whether the model can make anything of a video is a matter of its training.
"""

QWEN2_VL_FAMILY = PublishedFamily(
    title=TITLE,
    model_types=(KIND,),
    class_name=CLASS,
    covers=is_qwen2_vl,
    read=_read,
    write=_write,
    write_template=write_template,
    tensors=published_tensors,
    hub_name=hub_name,
    embedding=EMBEDDING,
    head=HEAD,
    loading=loading_by_chat("Qwen2VLForConditionalGeneration", needs_torchvision=True),
    serving=_SERVING,
    notes=_NOTES,
)
