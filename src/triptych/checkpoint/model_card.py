"""The README of an exported model: what it is, how others load and serve it, what differs."""

from triptych.checkpoint.model_folder import LoadedModel
from triptych.errors import ConfigError
from triptych.media import NativeResizeConfig

_CARD = """\
---
library_name: transformers
pipeline_tag: image-text-to-text
tags:
- qwen2_vl
- triptych
---

# {name}

A vision-language model of the Qwen2-VL family, exported by Triptych in the published Hugging Face
layout.

| | |
| --- | --- |
| parameters | {total:,}: vision {vision:,}, connector {connector:,}, language {language:,} |
| stored as | {dtype} |
| vocabulary | {num_tokens:,} tokens, {num_special} of them special; {num_rows:,} rows |
| pictures | brought to sides in steps of {factor}, {min_pixels:,} to {max_pixels:,} pixels |
| a picture's tokens | one for {factor} x {factor} pixels |
| longest sequence | {max_tokens:,} tokens |
| paper | {paper} |

## Load it

With transformers, which needs torchvision for `AutoProcessor` of this family:

```python
from transformers import AutoProcessor, Qwen2VLForConditionalGeneration

processor = AutoProcessor.from_pretrained("FOLDER")
model = Qwen2VLForConditionalGeneration.from_pretrained("FOLDER")
question = {{"type": "text", "text": "What is in the picture?"}}
inputs = processor.apply_chat_template(
    [{{"role": "user", "content": [{{"type": "image", "url": "photo.jpg"}}, question]}}],
    add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
)
answer = model.generate(**inputs, max_new_tokens=64)
new_tokens = answer[:, inputs["input_ids"].shape[1]:]
print(processor.batch_decode(new_tokens, skip_special_tokens=True)[0])
```

With Triptych, which reads this folder as it reads its own:

```
triptych ask photo.jpg "What is in the picture?" --model FOLDER
```

## Serve it

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

## What differs from Triptych

- Triptych never reads a special token out of what a person writes. The engines above do: a message
  that spells `<|im_end|>` ends its turn there. Keep such spellings out of messages from strangers.
- Patches are ordered block by block here, in reading order in Triptych; the tokens behind the
  merger are the same.
- The chat template also takes videos, pictures given as `image_url`, and `add_vision_id`, as the
  published one does. Whether the model can make anything of a video is a matter of its training.
"""


def model_card(loaded: LoadedModel) -> str:
    """A model card in Markdown.

    Raises:
        ConfigError: the model does not take pictures at their own size.
    """
    architecture, tokenizer = loaded.architecture, loaded.processor.tokenizer
    resize, language = architecture.processor.resize, loaded.model.language
    if not isinstance(resize, NativeResizeConfig):
        raise ConfigError(f"{architecture.name} does not take pictures at their own size")
    panels = {
        panel: sum(each.numel() for each in getattr(loaded.model, panel).parameters())
        for panel in ("vision", "connector", "language")
    }
    return _CARD.format(
        name=architecture.name,
        **panels,
        total=sum(panels.values()),
        dtype=str(language.embedding.weight.dtype).removeprefix("torch."),
        num_tokens=tokenizer.vocab_size,
        num_special=len(tokenizer.special_tokens),
        num_rows=architecture.model.language.vocab_size,
        factor=resize.factor,
        min_pixels=resize.min_pixels,
        max_pixels=resize.max_pixels,
        max_tokens=architecture.processor.max_tokens,
        paper=architecture.paper,
    )
