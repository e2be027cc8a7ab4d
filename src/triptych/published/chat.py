"""Chat settings of published files that most families share, both ways.

    chat_template.jinja      how a conversation becomes text
    tokenizer_config.json    which special tokens begin, end and pad
    generation_config.json   their ids

A published template may leave it to the tokenizer to write the token that a sequence begins with.
Ours writes everything itself, so it is given that token.
"""

from collections.abc import Mapping
from typing import Any, cast

from triptych.processor import ProcessorConfig
from triptych.published.family import PublishedFiles, Settings
from triptych.published.language import language_family
from triptych.published.settings import Section
from triptych.published.text import opening, standing_alone, tokens_of
from triptych.text import ChatTemplate, Tokenizer

PAD = "<pad>"
"""What published tokenizers of several families pad with, where they have it."""

_BEGINNING = "{{ bos_token }}"


def write_template(template: ChatTemplate) -> str:
    """The chat template as others can run it."""
    return standing_alone(template, {"image_token": template.image_token})


def write_ids(template: ChatTemplate, tokenizer: Tokenizer, pad: str = PAD) -> dict[str, Any]:
    """Ids of the tokens that begin, end and pad.

    Raises:
        TokenError: the tokenizer lacks one.
    """
    ends = [tokenizer.special(token) for token in template.end_tokens]
    return {
        "bos_token_id": tokenizer.special(template.bos_token) if template.bos_token else None,
        "eos_token_id": ends,
        "pad_token_id": tokenizer.special_tokens.get(pad, ends[0]),
    }


def write_tokens(
    processor: ProcessorConfig,
    tokenizer: Tokenizer,
    processor_class: str,
    extra: Mapping[str, str],
    pad: str = PAD,
) -> dict[str, Any]:
    """`tokenizer_config.json`; `extra` are special tokens by the names of the processor's."""
    template = processor.template
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",  # reads tokenizer.json as it is
        "processor_class": processor_class,
        "bos_token": template.bos_token or None,
        "eos_token": template.end_tokens[0],
        "pad_token": pad if pad in tokenizer.special_tokens else template.end_tokens[0],
        "additional_special_tokens": list(tokenizer.special_tokens),
        "extra_special_tokens": dict(extra),
        "model_max_length": processor.max_tokens,
        "clean_up_tokenization_spaces": False,
        "split_special_tokens": False,
        "chat_template": write_template(template),
    }


def read_chat(
    files: PublishedFiles, text: Section, image_token: str, video_token: str = ""
) -> tuple[ChatTemplate, int]:
    """The chat template with its tokens, and the longest sequence.

    Args:
        files: Of the folder.
        text: The language model's group of settings.
        image_token: What the template writes where a picture stands.
        video_token: Likewise of a clip; empty where it knows none.

    Raises:
        ConfigError: an id is missing, or stands for no special token of the tokenizer.
    """
    bos_token = _beginning(files, text)
    text = text.over(**language_family(text).defaults)
    generation = Section("generation_config.json", files.generation)
    has_ends = files.generation.get("eos_token_id") is not None
    source = files.template.removeprefix(opening({"image_token": image_token}))
    is_written = "bos_token" in source or bos_token in source
    if bos_token and not is_written and _begins_itself(files.tokenizer, bos_token):
        source = _BEGINNING + source
    template = ChatTemplate(
        source=source,
        end_tokens=tokens_of(generation if has_ends else text, "eos_token_id", files.tokenizer),
        image_token=image_token,
        video_token=video_token,
        bos_token=bos_token,
    )
    return template, text.count("max_position_embeddings")


def _begins_itself(tokenizer: Tokenizer, bos_token: str) -> bool:
    """Whether the tokenizer's own settings put that token in front of every sequence."""
    ids = tokenizer.inner.encode("a", add_special_tokens=True).ids
    return ids[:1] == [tokenizer.special(bos_token)]


def _beginning(files: PublishedFiles, text: Section) -> str:
    """The token a sequence begins with, as the tokenizer's settings or else the model's say."""
    if "bos_token" in files.tokens:
        token: object = files.tokens["bos_token"] or ""
        is_group = isinstance(token, Mapping)
        return str(cast(Settings, token)["content"] if is_group else token)
    if "bos_token_id" not in text.values:
        text = text.over(**language_family(text).defaults)
    if text.values.get("bos_token_id") is None:
        return ""
    return tokens_of(text, "bos_token_id", files.tokenizer)[0]
