"""A new vision-language model from published parts: two panels as they are, and a fresh connector.

The connector alone knows nothing yet; training begins with it (LLaVA's first stage). Widths flow
from the two folders. The tokenizer gets a token for pictures where it has none; its row in the
embedding table, and in the head, is the mean of all others, so that it neither stands out nor is
likely to be said.

    CLIP, SigLIP       read at the second last block, as LLaVA does; exported in LLaVA's layout
    ViT, DINOv2, ...   read at their output

Pictures are padded to a square in the mean colour, so that nothing of them is lost or distorted.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from triptych.architectures.architecture import Architecture
from triptych.checkpoint.hub import model_folder
from triptych.checkpoint.model_folder import LoadedModel
from triptych.checkpoint.parts import (
    as_patches,
    load_language,
    load_vision,
    max_positions,
    picture_side,
    read_beginning,
    read_end_tokens,
    read_language_config,
    read_template,
    read_vision_config,
)
from triptych.connector import (
    AttentionPoolConfig,
    ConnectorConfig,
    LinearConfig,
    MergerConfig,
    PixelShuffleConfig,
    QFormerConfig,
    ResamplerConfig,
    mlp_llava_1_5,
)
from triptych.errors import UnknownNameError
from triptych.fusion.vlm import VLM, VLMConfig
from triptych.media import PadToSquareConfig
from triptych.nn.meta import without_weights
from triptych.processor import Processor, ProcessorConfig
from triptych.published.pictures import pad_colour
from triptych.text import PLAIN_CAPTION, ChatTemplate, Tokenizer

CONNECTORS: Mapping[str, Callable[[], ConnectorConfig]] = {
    "attention_pool": AttentionPoolConfig,
    "linear": LinearConfig,
    "merger": MergerConfig,
    "mlp": mlp_llava_1_5,
    "pixel_shuffle": PixelShuffleConfig,
    "qformer": QFormerConfig,
    "resampler": ResamplerConfig,
}
"""Connectors by name, each with the settings it was published with."""

IMAGE_TOKEN = "<image>"
"""Stands where a picture does."""

PICTURE_SLOTS = """\
{%- set said = namespace(messages=[]) -%}
{%- for message in messages -%}
{%- set content = namespace(text="") -%}
{%- if message.content is string -%}
{%- set content.text = message.content -%}
{%- elif message.content -%}
{%- for part in message.content -%}
{%- set piece = image_token + "\\n" if part.type == "image" else part.text -%}
{%- set content.text = content.text + piece -%}
{%- endfor -%}
{%- endif -%}
{%- set said.messages = said.messages + [dict(message, content=content.text)] -%}
{%- endfor -%}
{%- set messages = said.messages -%}
{{- "" }}"""
"""In front of a language model's own chat template, which knows texts alone: writes every content
as one text, with a slot and a line end where a picture stands."""


def build_from_parts(
    vision: str | Path,
    connector: str,
    language: str | Path,
    *,
    name: str,
    seed: int = 0,
    offline: bool = False,
) -> LoadedModel:
    """Join two published panels by a connector with fresh weights that depend on the seed alone.

    Args:
        vision: Folder of a published vision encoder, see `triptych.checkpoint.parts`, or its name
            on the Hub.
        connector: One of `CONNECTORS`.
        language: Folder of a published language model, or its name on the Hub.
        name: What the new model is called.
        seed: Of the connector.
        offline: Read only the local cache of the Hub.

    Raises:
        UnknownNameError: there is no such connector.
        CheckpointError, ConfigError, TokenError: see `load_vision` and `load_language`; for names
            on the Hub, UsageError too, see `triptych.checkpoint.hub.fetch`.
        ShapeError: the connector cannot fold the panel's patches.
    """
    if connector not in CONNECTORS:
        raise UnknownNameError("connector", connector, CONNECTORS)
    vision, language = (model_folder(part, offline=offline) for part in (vision, language))
    language_config = read_language_config(language)
    eyes = read_vision_config(vision)
    side = picture_side(vision, eyes)
    config = VLMConfig(
        vision=as_patches(vision, eyes),
        connector=CONNECTORS[connector](),
        language=language_config,
    )
    config.num_visual_tokens(side, side)  # refuses what does not fold, before weights are read
    _, vision_state = load_vision(vision)
    _, language_state, tokenizer = load_language(language)
    num_known = tokenizer.vocab_size
    tokenizer.add_special([IMAGE_TOKEN])
    rows = max(language_config.vocab_size, tokenizer.vocab_size)
    config = replace(config, language=replace(language_config, vocab_size=rows))
    language_state = with_mean_rows(language_state, num_known, tokenizer.vocab_size)
    processor = ProcessorConfig(
        resize=PadToSquareConfig(size=side, colour=pad_colour(eyes.pixel_mean)),
        template=_template(language, tokenizer),
        max_tokens=max_positions(language),
    )
    architecture = Architecture(name=name, model=config, processor=processor)
    model = _join(config, vision_state, language_state, seed)
    return LoadedModel(architecture, model, Processor(processor, config, tokenizer))


def with_mean_rows(state: Mapping[str, Tensor], known: int, needed: int) -> dict[str, Tensor]:
    """A language panel whose rows from `known` up to `needed` are the mean of those before.

    A table that is larger keeps the rows behind; a smaller one grows.
    """
    grown = dict(state)
    for name in ("embedding.weight", "lm_head.weight"):
        if name in state:
            table = state[name]
            mean = table[:known].mean(dim=0, keepdim=True).expand(needed - known, -1)
            grown[name] = torch.cat([table[:known], mean, table[needed:]])
    return grown


def _join(
    config: VLMConfig,
    vision_state: Mapping[str, Tensor],
    language_state: Mapping[str, Tensor],
    seed: int,
) -> VLM:
    with without_weights():
        model = config.build()
    _fill(model.vision, vision_state)
    _fill(model.language, language_state)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.connector = config.connector.build(
            vision_dim=config.vision.dim, language_dim=config.language.dim
        )
    return model.eval()


def _fill(panel: object, state: Mapping[str, Tensor]) -> None:
    """Give a panel its weights; blocks and norms that it does not build are left out."""
    assert isinstance(panel, nn.Module)
    panel.load_state_dict({name: state[name] for name in panel.state_dict()}, assign=True)


def _template(folder: Path, tokenizer: Tokenizer) -> ChatTemplate:
    """The language model's own chat template with picture slots, or the plain one."""
    source, ends = read_template(folder), read_end_tokens(folder, tokenizer)
    if source is None:
        return replace(PLAIN_CAPTION, end_tokens=ends, image_token=IMAGE_TOKEN)
    return ChatTemplate(
        source=PICTURE_SLOTS + source,
        end_tokens=ends,
        image_token=IMAGE_TOKEN,
        bos_token=read_beginning(folder),
    )
