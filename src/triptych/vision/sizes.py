"""Every number of every published vision transformer, on one page, each with a small twin.

A twin has its elder's dialect (norms, biases, tokens, positions) and toy widths: it trains in a
test. A model that reads another output of an encoder changes the fields that say so, see
`penultimate`.
"""

from dataclasses import replace

from triptych.vision.vit import ViTConfig

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def vit_l16() -> ViTConfig:
    """ViT-L/16 trained on ImageNet-21k, 303.3 M parameters. https://arxiv.org/abs/2010.11929"""
    return ViTConfig(
        image_size=224,
        patch_size=16,
        dim=1024,
        depth=24,
        num_heads=16,
        ffn_dim=4096,
        norm_eps=1e-12,
        class_token=True,
        keep_class_token=True,
    )


def clip_vit_l14() -> ViTConfig:
    """CLIP ViT-L/14, 303.2 M parameters. https://arxiv.org/abs/2103.00020"""
    return ViTConfig(
        image_size=224,
        patch_size=14,
        dim=1024,
        depth=24,
        num_heads=16,
        ffn_dim=4096,
        norm_eps=1e-5,
        activation="quick_gelu",
        patch_bias=False,
        pre_norm=True,
        class_token=True,
        keep_class_token=True,
        pixel_mean=CLIP_MEAN,
        pixel_std=CLIP_STD,
    )


def clip_vit_l14_336() -> ViTConfig:
    """CLIP ViT-L/14 trained on at 336 pixels, 303.5 M parameters."""
    return replace(clip_vit_l14(), image_size=336)


def eva_vit_g14() -> ViTConfig:
    """EVA-CLIP ViT-g/14 as BLIP-2 reads it: 39 of its 40 blocks, 985.9 M parameters.

    EVA: https://arxiv.org/abs/2211.07636. BLIP-2: https://arxiv.org/abs/2301.12597
    """
    return ViTConfig(
        image_size=224,
        patch_size=14,
        dim=1408,
        depth=39,
        num_heads=16,
        ffn_dim=6144,
        key_bias=False,
        class_token=True,
        keep_class_token=True,
        pixel_mean=CLIP_MEAN,
        pixel_std=CLIP_STD,
    )


def siglip_base_16_224() -> ViTConfig:
    """SigLIP B/16, 85.8 M parameters without its pooling head. https://arxiv.org/abs/2303.15343"""
    return ViTConfig(
        image_size=224,
        patch_size=16,
        dim=768,
        depth=12,
        num_heads=12,
        ffn_dim=3072,
        activation="gelu_tanh",
    )


def siglip_so400m_14_384() -> ViTConfig:
    """SigLIP So400m/14, 413.0 M parameters without its pooling head; 27 x 27 patches."""
    return replace(
        siglip_base_16_224(),
        image_size=384,
        patch_size=14,
        dim=1152,
        depth=27,
        num_heads=16,
        ffn_dim=4304,
    )


def dinov2_vit_b14() -> ViTConfig:
    """DINOv2 ViT-B/14, 86.6 M parameters; learned at 518 pixels, mostly read at fewer.

    https://arxiv.org/abs/2304.07193
    """
    return ViTConfig(
        image_size=518,
        patch_size=14,
        dim=768,
        depth=12,
        num_heads=12,
        ffn_dim=3072,
        interpolate_positions=True,
        class_token=True,
        keep_class_token=True,
        layer_scale=1.0,
        pixel_mean=IMAGENET_MEAN,
        pixel_std=IMAGENET_STD,
    )


def intern_vit_300m() -> ViTConfig:
    """InternViT-300M-448 of InternVL2 1B to 8B, 304.0 M. https://arxiv.org/abs/2404.16821"""
    return ViTConfig(
        image_size=448,
        patch_size=14,
        dim=1024,
        depth=24,
        num_heads=16,
        ffn_dim=4096,
        interpolate_positions=True,
        class_token=True,
        final_norm=False,
        layer_scale=0.1,
        pixel_mean=IMAGENET_MEAN,
        pixel_std=IMAGENET_STD,
    )


def intern_vit_6b() -> ViTConfig:
    """InternViT-6B-448 (V1.5) of InternVL2 26B and larger: 45 of its 48 blocks, 5.54 B."""
    return replace(
        intern_vit_300m(),
        dim=3200,
        depth=45,
        num_heads=25,
        ffn_dim=12800,
        norm="rms",
        qkv_bias=False,
        qk_norm="rms_width",
    )


def qwen2_vl_vit(depth: int = 32) -> ViTConfig:
    """Qwen2-VL's vision panel, the same at every size of the language model: 631.2 M.

    Reads pictures of any size in whole patches; the 2 x 2 merger behind it wants even grids.
    https://arxiv.org/abs/2409.12191
    """
    return ViTConfig(
        image_size=None,
        patch_size=14,
        dim=1280,
        depth=depth,
        num_heads=16,
        ffn_dim=5120,
        positions="rotary",
        temporal_patch_size=2,
        activation="quick_gelu",
        patch_bias=False,
        final_norm=False,
        pixel_mean=CLIP_MEAN,
        pixel_std=CLIP_STD,
    )


def qwen2_5_vl_vit(ffn_dim: int = 3420) -> ViTConfig:
    """Qwen2.5-VL's vision panel, 632.0 M: RMSNorm, gated layers, windows of 112 pixels.

    Four of the 32 blocks see the whole picture. `ffn_dim` is 3456 in the 72B model.
    https://arxiv.org/abs/2502.13923
    """
    return replace(
        qwen2_vl_vit(),
        ffn_dim=ffn_dim,
        norm="rms",
        activation="silu",
        gated_mlp=True,
        window=8,
        whole_blocks=(7, 15, 23, 31),
    )


def penultimate(config: ViTConfig) -> ViTConfig:
    """`config`, read as LLaVA does: patches of the second last block, as they are."""
    return replace(config, feature_layer=-2, final_norm=False, keep_class_token=False)


def vit_l16_debug() -> ViTConfig:
    """`vit_l16` in miniature."""
    return _miniature(vit_l16())


def clip_vit_l14_debug() -> ViTConfig:
    """`clip_vit_l14` in miniature."""
    return _miniature(clip_vit_l14())


def eva_vit_g14_debug() -> ViTConfig:
    """`eva_vit_g14` in miniature."""
    return _miniature(eva_vit_g14())


def siglip_base_16_224_debug() -> ViTConfig:
    """`siglip_base_16_224` in miniature."""
    return _miniature(siglip_base_16_224())


def siglip_so400m_14_384_debug() -> ViTConfig:
    """`siglip_so400m_14_384` in miniature; it too leaves a rim of the picture unseen."""
    return replace(_miniature(siglip_so400m_14_384()), image_size=35)


def intern_vit_300m_debug() -> ViTConfig:
    """`intern_vit_300m` in miniature."""
    return _miniature(intern_vit_300m())


def intern_vit_6b_debug() -> ViTConfig:
    """`intern_vit_6b` in miniature."""
    return _miniature(intern_vit_6b())


def qwen2_vl_vit_debug() -> ViTConfig:
    """`qwen2_vl_vit` in miniature."""
    return _miniature(qwen2_vl_vit())


def qwen2_5_vl_vit_debug() -> ViTConfig:
    """`qwen2_5_vl_vit` in miniature: windows of 4 patches, the second block without."""
    return replace(_miniature(qwen2_5_vl_vit()), window=4, whole_blocks=(1,))


def _miniature(config: ViTConfig) -> ViTConfig:
    """The same dialect on 4 x 4 patches of 8 pixels (any number of them where it is free)."""
    image_size = None if config.image_size is None else 32
    return replace(
        config,
        whole_blocks=(),
        image_size=image_size,
        patch_size=8,
        dim=32,
        depth=3,
        num_heads=2,
        ffn_dim=48,
    )
