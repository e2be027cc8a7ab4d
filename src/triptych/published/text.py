"""Text settings of published files that families share: tokens by id, templates that stand alone.

Other engines know no `image_token` and `video_token`; a template that uses them is written with a
beginning that sets them.
"""

from collections.abc import Mapping

from triptych.errors import ConfigError
from triptych.published.settings import Section
from triptych.text import ChatTemplate, Tokenizer


def tokens_of(section: Section, key: str, tokenizer: Tokenizer) -> tuple[str, ...]:
    """The special tokens whose ids a setting gives.

    Raises:
        ConfigError: it is missing, or an id stands for no special token of the tokenizer.
    """
    names = {id: token for token, id in tokenizer.special_tokens.items()}
    for id in section.ids(key):
        if id not in names:
            raise ConfigError(
                f"{section.where}: {key} names the token {id}, which is no special token of "
                "tokenizer.json; do the two files belong together?"
            )
    return tuple(names[id] for id in section.ids(key))


def standing_alone(template: ChatTemplate, tokens: Mapping[str, str]) -> str:
    """The template's source, made to set those of `tokens` that it uses.

    Args:
        template: Ours.
        tokens: Special tokens by the name under which a template of ours may use them.
    """
    needs_tokens = any(name in template.source for name in tokens)
    return opening(tokens) + template.source if needs_tokens else template.source


def opening(tokens: Mapping[str, str]) -> str:
    """The beginning that sets these tokens."""
    settings = "".join(f'{{% set {name} = "{token}" %}}' for name, token in tokens.items())
    # Behind the empty text a line end at the start of the template counts as it did before.
    return settings + '{{ "" }}'
