"""The text side of a published Qwen2-VL, both ways: chat template, end tokens, tokenizer settings.

The template written for a model that uses ours writes the same text, and besides takes what servers
hand it: parts that name a picture without a type, videos, and pictures counted out loud.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from triptych.processor import ProcessorConfig
from triptych.published.families.qwen2_vl_settings import PAD, VIDEO, text_section
from triptych.published.settings import Section
from triptych.published.text import opening, standing_alone, tokens_of
from triptych.text import QWEN2_VL, ChatTemplate, Tokenizer

CHAT_TEMPLATE = """\
{%- set seen = namespace(pictures=0, videos=0) -%}
{%- if messages[0].role != "system" -%}
{{ "<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n" }}
{%- endif -%}
{%- for message in messages -%}
{{ "<|im_start|>" + message.role + "\\n" }}
{%- if message.content is string -%}
{{ message.content }}
{%- else -%}
{%- for part in message.content -%}
{%- if part.type == "image" or "image" in part or "image_url" in part -%}
{%- set seen.pictures = seen.pictures + 1 -%}
{%- if add_vision_id -%}
{{ "Picture " ~ seen.pictures ~ ": " }}
{%- endif -%}
{{ "<|vision_start|><|image_pad|><|vision_end|>" }}
{%- elif part.type == "video" or "video" in part -%}
{%- set seen.videos = seen.videos + 1 -%}
{%- if add_vision_id -%}
{{ "Video " ~ seen.videos ~ ": " }}
{%- endif -%}
{{ "<|vision_start|><|video_pad|><|vision_end|>" }}
{%- elif "text" in part -%}
{{ part.text }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{ "<|im_end|>\\n" }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ "<|im_start|>assistant\\n" }}
{%- endif -%}
"""


def write_template(template: ChatTemplate) -> str:
    """The chat template as others can run it: they know no `image_token` and `video_token`."""
    if template.source == QWEN2_VL.source:
        return CHAT_TEMPLATE
    return standing_alone(template, _set_tokens(template.image_token))


def read_template(source: str, image_token: str, end_tokens: tuple[str, ...]) -> ChatTemplate:
    """Our form of a published chat template."""
    if source == CHAT_TEMPLATE:
        source = QWEN2_VL.source
    source = source.removeprefix(opening(_set_tokens(image_token)))
    return replace(QWEN2_VL, source=source, end_tokens=end_tokens, image_token=image_token)


def _set_tokens(image_token: str) -> dict[str, str]:
    return {"image_token": image_token, "video_token": VIDEO}


def write_text_settings(
    processor: ProcessorConfig, tokenizer: Tokenizer
) -> tuple[dict[str, Any], dict[str, Any]]:
    """`tokenizer_config.json` and `generation_config.json`.

    Raises:
        TokenError: the tokenizer lacks a special token that they name.
    """
    template = processor.template
    ends = [tokenizer.special(token) for token in template.end_tokens]
    pad = tokenizer.special(PAD)
    tokens = {
        "tokenizer_class": "PreTrainedTokenizerFast",  # reads tokenizer.json as it is
        "bos_token": template.bos_token or None,
        "eos_token": template.end_tokens[0],
        "pad_token": PAD,
        "unk_token": None,
        "additional_special_tokens": list(tokenizer.special_tokens),
        "model_max_length": processor.max_tokens,
        "clean_up_tokenization_spaces": False,
        "split_special_tokens": False,
        "chat_template": write_template(template),
    }
    generation = {
        "bos_token_id": pad,
        "pad_token_id": pad,
        "eos_token_id": ends,
        "do_sample": False,
    }
    return tokens, generation


def read_processor_text(
    config: Mapping[str, Any], generation: Mapping[str, Any], source: str, tokenizer: Tokenizer
) -> tuple[ChatTemplate, int]:
    """The chat template with its tokens, and the longest sequence.

    Args:
        config: `config.json`.
        generation: `generation_config.json`; empty where there is none.
        source: The chat template in Jinja2.
        tokenizer: That of the folder.

    Raises:
        ConfigError: an id is missing, or stands for no special token of the tokenizer.
    """
    text = text_section(config)
    has_ends = generation.get("eos_token_id") is not None
    ends = Section("generation_config.json", generation) if has_ends else text
    image_token = tokens_of(Section("config.json", config), "image_token_id", tokenizer)[0]
    end_tokens = tokens_of(ends, "eos_token_id", tokenizer)
    template = read_template(source, image_token, end_tokens)
    return template, text.count("max_position_embeddings")
