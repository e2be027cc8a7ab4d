"""The README of an exported model: what it is, how others load and serve it, what differs."""

from triptych.checkpoint.model_folder import LoadedModel
from triptych.fusion.vlm import PANELS, VLMConfig
from triptych.media import NativeResizeConfig, PicturePolicy, TilingConfig
from triptych.published.family import PublishedFamily

_CARD = """\
---
library_name: transformers
pipeline_tag: image-text-to-text
tags:
- {model_type}
- triptych
---

# {name}

A vision-language model of the {title} family, exported by Triptych in the published Hugging Face
layout.

| | |
| --- | --- |
| parameters | {total:,}: {panels} |
| stored as | {dtype} |
| vocabulary | {num_tokens:,} tokens, {num_special} of them special; {num_rows:,} rows |
| pictures | {pictures} |
| a picture's tokens | {visual_tokens} |
| longest sequence | {max_tokens:,} tokens |
| paper | {paper} |

## Load it

With transformers:

```python
{loading}```

With Triptych, which reads this folder as it reads its own:

```
triptych ask photo.jpg "What is in the picture?" --model FOLDER
```

## Serve it

{serving}
## What differs from Triptych

{notes}"""


def model_card(loaded: LoadedModel, family: PublishedFamily) -> str:
    """A model card in Markdown."""
    architecture, tokenizer = loaded.architecture, loaded.processor.tokenizer
    language = loaded.model.language
    panels = {
        panel: sum(each.numel() for each in getattr(loaded.model, panel).parameters())
        for panel in PANELS
    }
    pictures, visual_tokens = _about_pictures(architecture.processor.resize, architecture.model)
    return _CARD.format(
        name=architecture.name,
        title=family.title,
        model_type=family.model_types[0],
        total=sum(panels.values()),
        panels=", ".join(f"{panel} {count:,}" for panel, count in panels.items() if count),
        dtype=str(language.dtype).removeprefix("torch."),
        num_tokens=tokenizer.vocab_size,
        num_special=len(tokenizer.special_tokens),
        num_rows=architecture.model.language.vocab_size,
        pictures=pictures,
        visual_tokens=visual_tokens,
        max_tokens=architecture.processor.max_tokens,
        paper=architecture.paper,
        loading=family.loading,
        serving=family.serving,
        notes=family.notes,
    )


def _about_pictures(resize: PicturePolicy, model: VLMConfig) -> tuple[str, str]:
    """What happens to a picture, and how many tokens it becomes."""
    if isinstance(resize, NativeResizeConfig):
        factor = resize.factor
        return (
            f"brought to sides in steps of {factor}, {resize.min_pixels:,} to "
            f"{resize.max_pixels:,} pixels",
            f"one for {factor} x {factor} pixels",
        )
    if isinstance(resize, TilingConfig):
        side, tiles = resize.tile_size, resize.tiles(768, 1024)
        count = model.num_visual_tokens(side, side, tiles)
        return (
            f"cut into tiles of {side} x {side} pixels, with one that shows the whole",
            f"{count:,} for 1024 x 768 pixels, which are {tiles.num_tiles} tiles",
        )
    height, width = resize.target_size(1, 1)
    return f"brought to {width} x {height} pixels", f"{model.num_visual_tokens(height, width):,}"
