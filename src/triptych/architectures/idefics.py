"""IDEFICS: Flamingo as its reproduction was published, a Llama that looks at pictures.

    224 x 224 -> CLIP ViT-H/14 (257 tokens x 1280, no last norm) -> resampler, 64 latents
              -> gated cross-attention in front of every fourth block of Llama 7B

    vision 630,763,520   connector 125,961,984   fusion 1,434,585,088 (8 blocks)
    language 6,738,432,000                                           total 8,929,742,592

Published files hold 2,560 numbers more, a norm behind the vision panel that nothing reads; with one
gate a block instead of one a channel, which a folder's settings say, 65,520 fewer. The text
holds `<fake_token_around_image><image><fake_token_around_image>` for a picture, pictures side by
side share the token between them. These tokens have tables of their own, so that Llama's stay as
they were. A token looks at the last picture before it.

OBELICS (appendix B): https://arxiv.org/abs/2306.16527
Flamingo: https://arxiv.org/abs/2204.14198

Departures from Flamingo, all published: CLIP and Llama instead of NFNet and Chinchilla, RMSNorm and
SwiGLU in the new blocks, queries and keys normed in them and in the resampler, a gate for every
channel, no time embeddings. The new MLPs act on tokens before any picture, too.
"""

from dataclasses import replace

from triptych.architectures.architecture import Architecture
from triptych.architectures.debug import debug_decoder
from triptych.connector import ResamplerConfig, resampler_idefics
from triptych.fusion.gated import GatedConfig
from triptych.fusion.vlm import VLMConfig
from triptych.language import DecoderConfig, llama_7b
from triptych.media import FixedResizeConfig
from triptych.processor import ProcessorConfig
from triptych.text import ChatTemplate
from triptych.vision import ViTConfig, clip_vit_l14, clip_vit_l14_debug

PAPER = "https://arxiv.org/abs/2306.16527"

AROUND, IMAGE, END_OF_TURN = "<fake_token_around_image>", "<image>", "<end_of_utterance>"
"""Around a picture; where it stands; what ends a turn in the instructed models."""

SPECIALS = ("<unk>", "<s>", "</s>", AROUND, IMAGE, END_OF_TURN)

SOURCE = """\
{%- set around = "<fake_token_around_image>" -%}
{%- set end_of_turn = eos_token if eos_token == "<end_of_utterance>" else "" -%}
{%- macro said(message) -%}
{%- set now = namespace(text="", is_behind_image=false) -%}
{%- set text = [{"type": "text", "text": message.content}] -%}
{%- for part in (text if message.content is string else message.content) -%}
{%- if part.type == "image" -%}
{{- spoken(now.text, now.is_behind_image) -}}
{{- "" if now.is_behind_image and not now.text.strip(" ") else around -}}
{{- image_token + around -}}
{%- set now.text = "" -%}
{%- set now.is_behind_image = true -%}
{%- else -%}
{%- set now.text = now.text + part.text -%}
{%- endif -%}
{%- endfor -%}
{{- spoken(now.text, now.is_behind_image) -}}
{%- endmacro -%}
{%- macro spoken(text, is_behind_image) -%}
{%- if text.strip(" ") -%}
{{- text.strip(" ") if is_behind_image else " " + text.strip(" ") -}}
{%- endif -%}
{%- endmacro -%}
{{ bos_token }}
{%- for message in messages -%}
{%- if not loop.first -%}
{{ "\\n" }}
{%- endif -%}
{%- if message.role == "user" -%}
{{ "User:" + said(message) + end_of_turn }}
{%- elif message.role == "assistant" -%}
{{ "Assistant:" + said(message) + (eos_token if end_of_turn or loop.last else "") }}
{%- else -%}
{{ "System:" + said(message) + end_of_turn }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ "\\nAssistant:" }}
{%- endif -%}
"""

TEMPLATE = ChatTemplate(source=SOURCE, end_tokens=("</s>",), image_token=IMAGE, bos_token="<s>")
"""That of the model card. The plain model ends a conversation with `</s>`, the instructed one every
turn with `<end_of_utterance>`, its first end token then."""


def idefics_9b() -> Architecture:
    """IDEFICS 9B."""
    return _idefics(
        "idefics_9b",
        vision=replace(
            clip_vit_l14(), dim=1280, depth=32, ffn_dim=5120, activation="gelu", final_norm=False
        ),
        connector=resampler_idefics(),
        language=replace(llama_7b(32_002), extra_tokens=2, norm_eps=1e-6),
        every=4,
        template=TEMPLATE,
    )


def idefics_debug() -> Architecture:
    """Every part of its kind, small enough for a test; it ends turns as the instructed model."""
    connector = ResamplerConfig(
        num_latents=4,
        depth=2,
        num_heads=2,
        head_dim=16,
        activation="relu",
        qk_norm=True,
        project=False,
    )
    language = debug_decoder(depth=4, num_kv_heads=4, tied=False, vocab_size=323)
    return _idefics(
        "idefics_debug",
        vision=replace(clip_vit_l14_debug(), activation="gelu", final_norm=False),
        connector=connector,
        language=replace(language, extra_tokens=3),
        every=2,
        template=replace(TEMPLATE, end_tokens=(END_OF_TURN, "</s>")),
    )


def _idefics(
    name: str,
    *,
    vision: ViTConfig,
    connector: ResamplerConfig,
    language: DecoderConfig,
    every: int,
    template: ChatTemplate,
) -> Architecture:
    assert vision.image_size is not None
    return Architecture(
        name=name,
        model=VLMConfig(
            vision=vision,
            connector=connector,
            language=language,
            fusion=gated_like(language, every),
        ),
        processor=ProcessorConfig(
            resize=FixedResizeConfig(height=vision.image_size, width=vision.image_size),
            template=template,
            max_tokens=2048,
        ),
        paper=PAPER,
    )


def gated_like(
    language: DecoderConfig, every: int, *, qk_norm: bool = True, gate_channels: bool = True
) -> GatedConfig:
    """New blocks of the language model's own heads, widths and norms."""
    return GatedConfig(
        every=every,
        num_heads=language.num_heads,
        head_dim=language.head_width,
        ffn_dim=language.ffn_dim,
        gated_mlp=True,
        activation=language.activation,
        norm="rms",
        norm_eps=language.norm_eps,
        qk_norm="rms" if qk_norm else "none",
        gate_channels=gate_channels,
        mlp_before_pictures=True,
    )
