"""Published vision transformers: their settings, and the names of their weights.

    vit                  Google's ViT                   all tokens, normalised
    clip_vision_model    CLIP, alone or half of `clip`  all tokens, normalised
    siglip_vision_model  SigLIP, or half of `siglip`    all patches, normalised; no pooling head
    dinov2               DINOv2, with registers or not  all tokens, normalised
    internvl_vision      InternViT as in transformers
    intern_vit_6b        InternViT as its authors publish it, query, key and value in one matrix

Settings that a file leaves out have the values that transformers gives them. What is read of such
a panel is what its own model puts out last; a system may read another output of it, see
`triptych.vision.penultimate`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from triptych.errors import ConfigError
from triptych.published.settings import Section, published_activation, read_activation
from triptych.published.tensors import PanelNames, Renames
from triptych.published.vision_names import (
    CLIP_NAMES,
    DINOV2_NAMES,
    INTERN_NAMES,
    INTERNVL_NAMES,
    VIT_NAMES,
)
from triptych.vision import (
    ViTConfig,
    clip_vit_l14,
    dinov2_vit_b14,
    intern_vit_300m,
    siglip_base_16_224,
    vit_l16,
)
from triptych.vision.patches import NUM_CHANNELS


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedVision:
    """One family of vision panels as it is published."""

    title: str
    """For messages."""

    model_types: tuple[str, ...]
    """What settings of a panel alone call it."""

    read: Callable[[Section], ViTConfig]
    """The panel that a group of settings describes, its colours not yet known."""

    names: PanelNames
    """What its parameters are called."""

    defaults: Mapping[str, object]
    """Settings that a file may leave out."""

    whole_types: tuple[str, ...] = ()
    """What the settings of a larger model call that, which hold the panel's under
    `vision_config`."""

    renames: Renames = ()
    """Beginnings of names in files of a larger model."""

    unread: tuple[str, ...] = ()
    """Beginnings of names, after renaming, of tensors that are no part of the panel."""


def find_vision(section: Section) -> tuple[PublishedVision, Section]:
    """The family that settings belong to, and the panel's own group of them.

    Raises:
        ConfigError: none that is known; lists those that are.
    """
    kind = section.values.get("model_type")
    for family in VISIONS:
        if kind in family.model_types:
            return family, section
        if kind in family.whole_types:
            return family, section.section("vision_config")
    known = [each for family in VISIONS for each in (*family.model_types, *family.whole_types)]
    raise ConfigError(
        f"{section.where}: model_type is {kind!r}; supported for vision: "
        f"{', '.join(map(repr, known))}"
    )


def read_vision(family: PublishedVision, section: Section) -> ViTConfig:
    """The panel that a group of settings describes, with the colours of the family.

    Raises:
        ConfigError: a setting is missing, malformed or not supported.
    """
    section = section.over(**family.defaults)
    section.require(num_channels=NUM_CHANNELS)
    return family.read(section)


def write_clip_or_siglip(config: ViTConfig) -> dict[str, Any]:
    """The settings of a CLIP or SigLIP panel; what they cannot say is found by reading back."""
    is_clip = config.class_token
    return {
        "model_type": (CLIP if is_clip else SIGLIP).model_types[0],
        "attention_dropout": 0.0,
        "hidden_act": published_activation(config.activation),
        "hidden_size": config.dim,
        "image_size": config.image_size,
        "intermediate_size": config.ffn_dim,
        "layer_norm_eps": config.norm_eps,
        "num_attention_heads": config.num_heads,
        "num_channels": NUM_CHANNELS,
        "num_hidden_layers": config.depth,
        "patch_size": config.patch_size,
        **({"projection_dim": 768} if is_clip else {"vision_use_head": False}),
    }


def read_sizes(section: Section) -> dict[str, Any]:
    """Our fields of the sizes that most vision transformers have.

    Raises:
        ConfigError: a setting is missing, malformed or not supported.
    """
    return {
        "image_size": section.side("image_size"),
        "patch_size": section.side("patch_size"),
        "dim": section.count("hidden_size"),
        "depth": section.count("num_hidden_layers"),
        "num_heads": section.count("num_attention_heads"),
        "ffn_dim": section.count("intermediate_size"),
        "norm_eps": section.number("layer_norm_eps"),
        "activation": read_activation(section, "hidden_act"),
    }


def _read_vit(section: Section) -> ViTConfig:
    return replace(vit_l16(), **read_sizes(section), qkv_bias=section.flag("qkv_bias"))


def _read_clip(section: Section) -> ViTConfig:
    return replace(clip_vit_l14(), **read_sizes(section))


def _read_siglip(section: Section) -> ViTConfig:
    return replace(siglip_base_16_224(), **read_sizes(section))


def _read_dinov2(section: Section) -> ViTConfig:
    section.require(use_swiglu_ffn=False)
    ffn_dim = int(section.count("hidden_size") * section.number("mlp_ratio"))
    has_registers = section.values.get("model_type") == "dinov2_with_registers"
    return replace(
        dinov2_vit_b14(),
        **{**read_sizes(section), "ffn_dim": ffn_dim},
        qkv_bias=section.flag("qkv_bias"),
        num_registers=section.count("num_register_tokens") if has_registers else 0,
        smooth_positions=has_registers,
    )


def _read_intern(section: Section) -> ViTConfig:
    section.require(use_absolute_position_embeddings=True)
    section.one_of("norm_type", "layer_norm", "rms_norm")
    is_original = section.values.get("model_type") == "intern_vit_6b"
    bias, has_qk_norm = (
        section.flag(key)
        for key in (
            ("qkv_bias", "qk_normalization") if is_original else ("attention_bias", "use_qk_norm")
        )
    )
    return replace(
        intern_vit_300m(),
        **read_sizes(section),
        qkv_bias=bias,
        qk_norm="rms_width" if has_qk_norm else "none",
        norm="rms" if section.values["norm_type"] == "rms_norm" else "layer",
        final_norm=not section.flag("use_mean_pooling"),
        keep_class_token=True,
    )


_BASE = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "image_size": 224,
    "patch_size": 16,
    "hidden_act": "gelu",
}

VIT = PublishedVision(
    title="ViT",
    model_types=("vit",),
    read=_read_vit,
    names=VIT_NAMES,
    defaults={**_BASE, "layer_norm_eps": 1e-12, "qkv_bias": True},
    renames=(("vit.", ""),),
    unread=("pooler.", "classifier."),
)
CLIP = PublishedVision(
    title="CLIP",
    model_types=("clip_vision_model",),
    whole_types=("clip",),
    read=_read_clip,
    names=CLIP_NAMES,
    defaults={**_BASE, "patch_size": 32, "layer_norm_eps": 1e-5, "hidden_act": "quick_gelu"},
    renames=(("vision_model.", ""),),
    unread=("text_model.", "text_projection.", "visual_projection.", "logit_scale"),
)
SIGLIP = PublishedVision(
    title="SigLIP",
    model_types=("siglip_vision_model",),
    whole_types=("siglip",),
    read=_read_siglip,
    names=CLIP_NAMES,
    defaults={**_BASE, "layer_norm_eps": 1e-6, "hidden_act": "gelu_pytorch_tanh"},
    renames=(("vision_model.", ""),),
    unread=("text_model.", "logit_scale", "logit_bias", "head."),
)
DINOV2 = PublishedVision(
    title="DINOv2",
    model_types=("dinov2", "dinov2_with_registers"),
    read=_read_dinov2,
    names=DINOV2_NAMES,
    defaults={
        **_BASE,
        "layer_norm_eps": 1e-6,
        "mlp_ratio": 4,
        "qkv_bias": True,
        "num_register_tokens": 4,
    },
    renames=(("dinov2_with_registers.", ""), ("dinov2.", "")),
    unread=("embeddings.mask_token", "classifier."),
)
_INTERN_DEFAULTS = {
    **_BASE,
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "image_size": 448,
    "patch_size": 14,
    "layer_norm_eps": 1e-6,
    "norm_type": "layer_norm",
    "use_mean_pooling": True,
}
INTERNVL = PublishedVision(
    title="InternViT",
    model_types=("internvl_vision",),
    whole_types=("internvl",),
    read=_read_intern,
    names=INTERNVL_NAMES,
    defaults={**_INTERN_DEFAULTS, "attention_bias": False, "use_qk_norm": False},
    renames=(("model.vision_tower.", ""), ("vision_tower.", "")),
    unread=(
        "embeddings.mask_token",
        "language_model.",
        "multi_modal_projector.",
        "model.",
        "lm_head.",
    ),
)
INTERN = PublishedVision(
    title="InternViT",
    model_types=("intern_vit_6b",),
    whole_types=("internvl_chat",),
    read=_read_intern,
    names=INTERN_NAMES,
    defaults={
        **_INTERN_DEFAULTS,
        "model_type": "intern_vit_6b",
        "hidden_size": 3200,
        "num_hidden_layers": 48,
        "num_attention_heads": 25,
        "intermediate_size": 12_800,
        "image_size": 224,
        "norm_type": "rms_norm",
        "qkv_bias": False,
        "qk_normalization": True,
    },
    renames=(("vision_model.", ""),),
    unread=("language_model.", "mlp1."),
)

VISIONS = (VIT, CLIP, SIGLIP, DINOV2, INTERNVL, INTERN)
"""Every family of vision panels that is read."""
