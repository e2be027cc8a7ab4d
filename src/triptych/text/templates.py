"""The chat templates of the built-in architectures, and the special tokens they write."""

from triptych.text.template import ChatTemplate

QWEN2_VL_SPECIALS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
"""Special tokens of Qwen2-VL in the order of their ids (151643 to 151656 as published)."""

QWEN2_VL = ChatTemplate(
    source="""\
{%- if messages[0].role != "system" -%}
{{ "<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n" }}
{%- endif -%}
{%- for message in messages -%}
{{ "<|im_start|>" + message.role + "\\n" }}
{%- if message.content is string -%}
{{ message.content }}
{%- else -%}
{%- for part in message.content -%}
{%- if part.type == "image" -%}
{{ "<|vision_start|>" + image_token + "<|vision_end|>" }}
{%- elif part.type == "video" -%}
{{ "<|vision_start|>" + video_token + "<|vision_end|>" }}
{%- else -%}
{{ part.text }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{ "<|im_end|>\\n" }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ "<|im_start|>assistant\\n" }}
{%- endif -%}
""",
    end_tokens=("<|im_end|>", "<|endoftext|>"),
    image_token="<|image_pad|>",
    video_token="<|video_pad|>",
)
"""ChatML, pictures and clips between vision marks; a default system message where there is none."""

_SAID = """\
{%- macro said(message, after_image="") -%}
{%- if message.content is string -%}
{{ message.content }}
{%- else -%}
{%- for part in message.content -%}
{%- if part.type == "image" -%}
{{ image_token + after_image }}
{%- else -%}
{{ part.text }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
"""

VICUNA = ChatTemplate(
    source=_SAID
    + """\
{{- bos_token -}}
{%- if messages[0].role != "system" -%}
{{ "A chat between a curious user and an artificial intelligence assistant. " }}
{{- "The assistant gives helpful, detailed, and polite answers to the user's questions. " }}
{%- endif -%}
{%- for message in messages -%}
{%- if message.role == "system" -%}
{{ said(message) + " " }}
{%- elif message.role == "user" -%}
{{ "USER: " + said(message, "\\n") + " " }}
{%- else -%}
{{ "ASSISTANT: " + said(message) + eos_token }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ "ASSISTANT:" }}
{%- endif -%}
""",
    end_tokens=("</s>",),
    image_token="<image>",
    bos_token="<s>",
)
"""The conversation format of Vicuna, which LLaVA-1.5 was tuned with."""

MISTRAL = ChatTemplate(
    source=_SAID
    + """\
{{- bos_token -}}
{%- for message in messages -%}
{%- if message.role == "system" -%}
{{ "<<SYS>>\\n" + said(message) + "\\n<</SYS>>\\n\\n" }}
{%- elif message.role == "user" -%}
{{ "[INST] " + said(message, "\\n") + " [/INST]" }}
{%- else -%}
{{ " " + said(message) + eos_token }}
{%- endif -%}
{%- endfor -%}
""",
    end_tokens=("</s>",),
    image_token="<image>",
    bos_token="<s>",
)
"""The conversation format of Mistral's instructed models, as LLaVA-NeXT was tuned with it."""

PALIGEMMA = ChatTemplate(
    source="""\
{%- for message in messages -%}
{%- if message.content is not string -%}
{%- for part in message.content -%}
{%- if part.type == "image" -%}
{{ image_token }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- endfor -%}
{{ bos_token }}
{%- for message in messages -%}
{%- if message.content is string -%}
{{ message.content }}
{%- else -%}
{%- for part in message.content -%}
{%- if part.type == "text" -%}
{{ part.text }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{ eos_token if message.role == "assistant" else "\\n" }}
{%- endfor -%}
""",
    end_tokens=("<eos>",),
    image_token="<image>",
    bos_token="<bos>",
)
"""Pictures, the token of beginning, each text with a line end, each answer with an end token."""

INTERNVL_SPECIALS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<img>",
    "</img>",
    "<IMG_CONTEXT>",
    "<video>",
)
"""Special tokens of InternVL that matter to pictures and turns."""

_INTERNVL = """\
{%- for message in messages -%}
{{ "<|im_start|>" + message.role + "\\n" + said(message, "\\n") + "<|im_end|>BEHIND" }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ "<|im_start|>assistant\\n" }}
{%- endif -%}
"""


def internvl_source(system: str = "", behind: str = "\\n") -> str:
    """A conversation of InternVL: a system message where there is no other, `behind` each turn."""
    opening = f'{{{{ "<|im_start|>system\\n{system}<|im_end|>{behind}" }}}}'
    unless = '{%- if messages[0].role != "system" -%}'
    beginning = f"{unless}\n{opening}\n{{%- endif -%}}\n" if system else ""
    return _SAID + beginning + _INTERNVL.replace("BEHIND", behind)


INTERNVL = ChatTemplate(
    source=internvl_source(),
    end_tokens=("<|im_end|>",),
    image_token="<IMG_CONTEXT>",
)
"""ChatML, a line end behind every picture; no system message of its own."""

SMOLVLM_SPECIALS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<global-img>",
    *(f"<row_{row}_col_{col}>" for row in range(1, 7) for col in range(1, 7)),
    "<fake_token_around_image>",
    "<image>",
    "<end_of_utterance>",
)
"""Special tokens of SmolVLM that matter to pictures and turns."""

SMOLVLM = ChatTemplate(
    source="""\
{{- bos_token -}}
{%- for message in messages -%}
{{ message.role | capitalize }}
{%- if message.content is string -%}
{{ ": " + message.content }}
{%- else -%}
{{ ":" if message.content and message.content[0].type == "image" else ": " }}
{%- for part in message.content -%}
{%- if part.type == "image" -%}
{{ image_token }}
{%- else -%}
{{ part.text }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{ eos_token + "\\n" }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ "Assistant:" }}
{%- endif -%}
""",
    end_tokens=("<end_of_utterance>",),
    image_token="<image>",
    bos_token="<|im_start|>",
)
"""The conversation format of SmolVLM; no space behind the colon where a picture comes first."""

GIT_TEXT = """\
{{- bos_token -}}
{%- for message in messages -%}
{%- if message.role != "assistant" and not loop.first -%}
{{ " " }}
{%- endif -%}
{%- if message.content is string -%}
{{ message.content }}
{%- else -%}
{%- for part in message.content -%}
{%- if part.type == "text" -%}
{{ part.text }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{ eos_token if message.role == "assistant" else "" }}
{%- endfor -%}
"""
"""Texts as GIT reads them, pictures apart: a beginning, then a question and its answer in a row."""

GIT = ChatTemplate(
    source="""\
{%- for message in messages -%}
{%- if message.content is not string -%}
{%- for part in message.content -%}
{%- if part.type == "image" -%}
{{ image_token }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- endfor -%}
"""
    + GIT_TEXT,
    end_tokens=("[SEP]",),
    image_token="[MASK]",
    bos_token="[CLS]",
)
"""All pictures, then the texts. BERT's vocabulary has no token for pictures; that of a word left
out, which GIT never reads, stands where one does."""

KOSMOS2_SPECIALS = (
    "<s>",
    "<pad>",
    "</s>",
    "<unk>",
    "</doc>",
    "<image>",
    "</image>",
    "</chunk>",
    "</line>",
    "<phrase>",
    "</phrase>",
    "<object>",
    "</object>",
    "</delimiter_of_multi_objects/>",
    "<grounding>",
)
"""Special tokens of Kosmos-2, without its 1024 cells of pictures."""

KOSMOS2 = ChatTemplate(
    source="""\
{%- set seen = namespace(pictures=0) -%}
{{- bos_token -}}
{%- for message in messages -%}
{%- if message.content is not string -%}
{%- for part in message.content -%}
{%- if part.type == "image" -%}
{%- set seen.pictures = seen.pictures + 1 -%}
{{ "<image>" + image_token + "</image>" }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- endfor -%}
{%- for message in messages -%}
{%- if seen.pictures or not loop.first -%}
{{ " " }}
{%- endif -%}
{%- if message.grounded -%}
{{ "<grounding> " }}
{%- endif -%}
{%- if message.content is string -%}
{{ message.content | trim }}
{%- else -%}
{%- for part in message.content -%}
{%- if part.type == "text" -%}
{{ part.text | trim if loop.last else part.text }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{ eos_token if message.role == "assistant" else "" }}
{%- endfor -%}
""",
    end_tokens=("</s>",),
    image_token="<unk>",
    bos_token="<s>",
)
"""A beginning, all pictures between their marks, then the texts, divided by spaces; no roles. A
message with `"grounded": True` asks for the places of all things that the answer names. What
stands for a visual token has no token of its own: the published processor takes any, we `<unk>`."""

_NO_ROLES = (
    _SAID
    + """\
{%- for message in messages -%}
{{ said(message) }}
{%- if message.role == "assistant" -%}
{{ eos_token }}
{%- endif -%}
{%- endfor -%}
"""
)

PLAIN_CAPTION = ChatTemplate(source=_NO_ROLES, end_tokens=("<end>",), image_token="<image>")
"""Pictures, then the prompt if there is one, then the answer and an end token; no roles."""

FLAMINGO = ChatTemplate(source=_NO_ROLES, end_tokens=("<EOC>",), image_token="<image>")
"""A marker for each picture, the text that belongs to it, and an end-of-chunk token."""
