"""BLIP-2's generative stage: a frozen ViT and a frozen language model, and a Q-Former between.

    224 x 224 -> EVA ViT-g/14 (257 tokens x 1408) -> Q-Former, 32 queries x 768
              -> Linear -> 32 visual tokens in front of the text -> OPT 2.7B

    vision 985,952,256   connector 107,130,880 (queries, Q-Former, projection)
    language 2,651,596,800                                           total 3,744,679,936

Trained are the Q-Former, its query tokens and the projection to the language width; both other
panels stay frozen and in evaluation mode. The loss is on the text alone. Pictures stand in front of
everything, even of the token that begins a text; an answer ends with `</s>`, or with the line end
that the published models write instead.

https://arxiv.org/abs/2301.12597

Departures: the Q-Former's text side is left out here, because the generative stage does not use
it; slots carry the id of an added token, so OPT's published table of 50,272 entries is kept
(50,265 of them are words); keys of the vision panel have a bias, which published files store as
zeros and no softmax feels.
"""

from dataclasses import replace

from triptych.architectures.architecture import Architecture
from triptych.architectures.debug import debug_decoder
from triptych.connector import QFormerConfig, qformer_blip2
from triptych.fusion.vlm import VLMConfig
from triptych.language import LearnedPositionsConfig, opt_2_7b
from triptych.media import FixedResizeConfig
from triptych.processor import ProcessorConfig
from triptych.text import ChatTemplate
from triptych.vision import eva_vit_g14, eva_vit_g14_debug

PAPER = "https://arxiv.org/abs/2301.12597"

SOURCE = """\
{%- for message in messages if message.content is not string -%}
{%- for part in message.content if part.type == "image" -%}
{{ image_token }}
{%- endfor -%}
{%- endfor -%}
{{ bos_token }}
{%- set said = namespace(any=false) -%}
{%- for message in messages -%}
{%- set text -%}
{%- if message.content is string -%}
{{ message.content }}
{%- else -%}
{%- for part in message.content if part.type == "text" -%}
{{ part.text }}
{%- endfor -%}
{%- endif -%}
{%- endset -%}
{%- if said.any and text -%}
{{ " " }}
{%- endif -%}
{{ text }}
{%- if text -%}
{%- set said.any = true -%}
{%- endif -%}
{%- if message.role == "assistant" -%}
{{ eos_token }}
{%- endif -%}
{%- endfor -%}
"""

TEMPLATE = ChatTemplate(
    source=SOURCE, end_tokens=("</s>",), image_token="<image>", bos_token="</s>"
)
"""All pictures, then all texts with a space between them; no roles."""


def blip2_opt_2_7b() -> Architecture:
    """BLIP-2 with OPT 2.7B."""
    return Architecture(
        name="blip2_opt_2_7b",
        model=VLMConfig(
            vision=replace(eva_vit_g14(), key_bias=None),
            connector=qformer_blip2(),
            language=opt_2_7b(),
        ),
        processor=ProcessorConfig(
            resize=FixedResizeConfig(height=224, width=224),
            template=TEMPLATE,
            max_tokens=2048,
        ),
        paper=PAPER,
    )


def blip2_debug() -> Architecture:
    """Every part of its kind, small enough for a test."""
    language = replace(
        debug_decoder(num_kv_heads=4),
        norm="layer",
        activation="relu",
        gated_mlp=False,
        qkv_bias=True,
        out_bias=True,
        mlp_bias=True,
        positions=LearnedPositionsConfig(max_positions=256, offset=2),
    )
    return Architecture(
        name="blip2_debug",
        model=VLMConfig(
            vision=replace(eva_vit_g14_debug(), key_bias=None),
            connector=QFormerConfig(num_queries=4, dim=32, depth=2, num_heads=2, ffn_dim=64),
            language=language,
        ),
        processor=ProcessorConfig(
            resize=FixedResizeConfig(height=32, width=32),
            template=TEMPLATE,
            max_tokens=256,
        ),
        paper=PAPER,
    )
