"""Vision panels against the reference implementations, on tiny models with random weights.

Every parameter of the reference is drawn anew (else zeros and ones hide mistakes), its weights
are renamed and loaded strictly, and every layer's output is compared element by element.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
import torch
from einops import rearrange
from torch import Tensor, nn

from triptych.vision import (
    ViTConfig,
    clip_vit_l14_debug,
    eva_vit_g14_debug,
    intern_vit_6b_debug,
    intern_vit_300m_debug,
    penultimate,
    qwen2_vl_vit_debug,
    siglip_base_16_224_debug,
    siglip_so400m_14_384_debug,
    vit_l16_debug,
)

pytest.importorskip("transformers")

TOLERANCE = 1e-5
"""Measured worst cases on a CPU: Qwen2-VL 2.9e-6, CLIP 2.1e-6, ViT and SigLIP 2.0e-6, EVA 1.5e-6,
InternViT 1.4e-6 (float32 sums in another order). The other GELU gives 3e-5 or more, another
epsilon 1e-4, corner-aligned interpolation 7e-2, rows and columns exchanged 9e-3."""

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "image_size": 32,
    "patch_size": 8,
}

MLP = {"fc1": "up", "fc2": "down"}
CLIP_KEYS = {
    "encoder.layers.": "blocks.",
    "embeddings.class_embedding": "class_token",
    "embeddings.patch_embedding": "patch",
    "embeddings.position_embedding.weight": "positions",
    "embeddings.position_embedding": "positions",
    "pre_layrnorm": "pre_norm",
    "post_layernorm": "final_norm",
    "layer_norm1": "norm_1",
    "layer_norm2": "norm_2",
    "self_attn.qkv": "attention.qkv",
    "self_attn.projection": "attention.out",
    "self_attn.q_proj": "attention.query",
    "self_attn.k_proj": "attention.key",
    "self_attn.v_proj": "attention.value",
    "self_attn.out_proj": "attention.out",
    **MLP,
}
VIT_KEYS = {
    "encoder.layer.": "blocks.",
    "layers.": "blocks.",
    "embeddings.cls_token": "class_token",
    "embeddings.patch_embeddings.projection": "patch",
    "embeddings.position_embeddings": "positions",
    "layernorm_before": "norm_1",
    "layernorm_after": "norm_2",
    "layernorm": "final_norm",
    "lambda_": "scale_",
    "q_proj": "query",
    "k_proj": "key",
    "v_proj": "value",
    "o_proj": "out",
    "projection_layer": "out",
    "q_norm": "query_norm",
    "k_norm": "key_norm",
    **MLP,
}
QWEN_KEYS = {
    "patch_embed.proj": "patch",
    "norm1": "norm_1",
    "norm2": "norm_2",
    "attn.qkv": "attention.qkv",
    "attn.proj": "attention.out",
    **MLP,
}


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def randomise(reference: nn.Module) -> nn.Module:
    """Draw every parameter: norms and layer scales around one, all else around zero."""
    generator = torch.Generator().manual_seed(0)
    for name, parameter in reference.named_parameters():
        is_factor = parameter.ndim == 1 and (name.endswith("weight") or "lambda" in name)
        drawn = torch.randn(parameter.shape, generator=generator) * 0.05
        parameter.data = drawn + 1 if is_factor else drawn
    return reference.eval()


def pictures(height: int, width: int, *frames: int) -> Tensor:
    """One loud and one quiet picture: in the quiet one a wrong epsilon shows."""
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randn(2, *frames, 3, height, width, generator=generator)
    pixels[1] *= 0.02
    return pixels


def renamed(reference: nn.Module, renames: Mapping[str, str]) -> dict[str, Tensor]:
    """The reference's parameters under our names and in our shapes."""
    state: dict[str, Tensor] = {}
    for name, tensor in reference.named_parameters():
        for theirs, ours in renames.items():
            name = name.replace(theirs, ours)
        match name:
            case "patch.weight":
                tensor = tensor.flatten(1)
            case "class_token":
                tensor = tensor.flatten()
            case "positions":
                tensor = tensor.flatten(0, -2)
            case _:
                pass
        state[name] = tensor
    return state


def split_qkv(state: Mapping[str, Tensor], *, key_bias: bool = True) -> dict[str, Tensor]:
    """Fused query, key and value layers, taken apart."""
    split: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if "qkv" not in name:
            split[name] = tensor
            continue
        for part, piece in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
            if key_bias or not (part == "key" and name.endswith("bias")):
                split[name.replace("qkv", part)] = piece
    return split


def layers(config: ViTConfig, state: Mapping[str, Tensor], pixels: Tensor) -> list[Tensor]:
    """Our outputs, layer by layer, as sequences with the class token in front."""
    vision = config.build().eval()
    vision.load_state_dict(state)
    named = vision.intermediates(pixels)
    assert torch.equal(list(named.values())[-1 - config.class_token], vision(pixels).cells)
    return [
        torch.cat([named.get(f"{name}.prefix", cells[:, 0, :0]), cells.flatten(1, 2)], dim=1)
        for name, cells in named.items()
        if not name.endswith(".prefix")
    ]


def assert_same(ours: list[Tensor], theirs: list[Tensor]) -> None:
    assert len(ours) == len(theirs)
    for our, their in zip(ours, theirs, strict=True):
        assert our.std() > 1e-2, "an output of almost nothing compares equal to anything"
        torch.testing.assert_close(our, their, rtol=0, atol=TOLERANCE)


def outputs(reference: nn.Module, pixels: Tensor, **options: bool) -> list[Tensor]:
    """Their embedding, the output of each block, and the final output where it differs."""
    given = reference(pixels, output_hidden_states=True, **options)
    last = given.last_hidden_state
    found = list(given.hidden_states)
    return found if torch.equal(found[-1], last) else [*found, last]


SIZES = pytest.mark.parametrize(
    ("height", "width"), [(32, 32), (40, 64)], ids=["learned size", "interpolated"]
)


@SIZES
def test_vit_l16_is_googles(height, width):
    from transformers import ViTConfig as Config
    from transformers import ViTModel

    reference = ViTModel(Config(**SMALL, attn_implementation="eager"), add_pooling_layer=False)
    state = renamed(randomise(reference), VIT_KEYS)
    ours = replace(vit_l16_debug(), interpolate_positions=True)

    pixels = pictures(height, width)
    theirs = outputs(reference, pixels, interpolate_pos_encoding=True)
    assert_same(layers(ours, state, pixels), theirs)


@SIZES
def test_clip_is_openais(height, width):
    from transformers import CLIPVisionConfig, CLIPVisionModel

    reference = CLIPVisionModel(CLIPVisionConfig(**SMALL, attn_implementation="eager"))
    state = renamed(randomise(reference), CLIP_KEYS)
    ours = replace(clip_vit_l14_debug(), interpolate_positions=True)

    pixels = pictures(height, width)
    theirs = outputs(reference, pixels, interpolate_pos_encoding=True)
    # Theirs normalises the class token alone; GIT and Kosmos-2 read every token normalised.
    theirs.append(reference.post_layernorm(theirs[-1]))
    assert_same(layers(ours, state, pixels), theirs)


def test_clip_is_llavas_when_read_at_the_second_last_block():
    from transformers import CLIPVisionConfig, CLIPVisionModel

    reference = CLIPVisionModel(CLIPVisionConfig(**SMALL, attn_implementation="eager"))
    state = renamed(randomise(reference), CLIP_KEYS)
    config = penultimate(clip_vit_l14_debug())
    vision = config.build().eval()
    vision.load_state_dict({key: state[key] for key in vision.state_dict()})

    pixels = pictures(32, 32)
    theirs = reference(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
    assert_same([vision(pixels).sequence()], [theirs])


@SIZES
def test_eva_is_blip2s(height, width):
    from transformers import Blip2VisionConfig, Blip2VisionModel

    reference = Blip2VisionModel(Blip2VisionConfig(**SMALL, attn_implementation="eager"))
    randomise(reference)
    for name, parameter in reference.named_parameters():
        if name.endswith("qkv.bias"):  # published weights hold zeros here
            parameter.data[32:64] = 0
    state = split_qkv(renamed(reference, CLIP_KEYS), key_bias=False)
    ours = replace(eva_vit_g14_debug(), interpolate_positions=True)

    pixels = pictures(height, width)
    theirs = outputs(reference, pixels, interpolate_pos_encoding=True)
    assert_same(layers(ours, state, pixels), theirs)


@pytest.mark.parametrize(
    ("config", "height", "width"),
    [
        (siglip_base_16_224_debug(), 32, 32),
        (siglip_base_16_224_debug(), 40, 64),
        (siglip_so400m_14_384_debug(), 35, 35),
    ],
    ids=["learned size", "interpolated", "with an unseen rim"],
)
def test_siglip_is_googles(config, height, width):
    from transformers import SiglipVisionConfig, SiglipVisionModel

    options = SMALL | {"image_size": config.image_size, "attn_implementation": "eager"}
    reference = SiglipVisionModel(SiglipVisionConfig(**options, vision_use_head=False))
    state = renamed(randomise(reference), CLIP_KEYS)
    ours = replace(config, interpolate_positions=True)

    pixels = pictures(height, width)
    theirs = outputs(reference, pixels, interpolate_pos_encoding=True)
    assert_same(layers(ours, state, pixels), theirs)


@SIZES
@pytest.mark.parametrize(
    ("config", "options"),
    [
        (intern_vit_300m_debug(), {"attention_bias": True}),
        (intern_vit_6b_debug(), {"norm_type": "rms_norm", "use_qk_norm": True}),
    ],
    ids=["300M", "6B"],
)
def test_intern_vit_is_internvls(config, options, height, width):
    from transformers.models.internvl import InternVLVisionConfig, InternVLVisionModel

    reference = InternVLVisionModel(
        InternVLVisionConfig(**SMALL, **options, attn_implementation="eager")
    )
    state = renamed(randomise(reference), VIT_KEYS)

    pixels = pictures(height, width)
    assert_same(layers(config, state, pixels), outputs(reference, pixels))


def block_major(pixels: Tensor) -> Tensor:
    """Qwen2-VL's own input: patches two by two, each (channel, frame, row, col)."""
    if pixels.ndim == 4:
        pixels = torch.stack([pixels, pixels], dim=1)
    return rearrange(
        pixels,
        "slice frame channel (row r y) (col c x) -> (slice row col r c) (channel frame y x)",
        r=2,
        c=2,
        y=8,
        x=8,
    )


@pytest.mark.parametrize(
    ("frames", "grid_thw"),
    [((), [[1, 4, 6], [1, 4, 6]]), ((2,), [[2, 4, 6]])],
    ids=["two pictures", "four frames of one video"],
)
def test_qwen2_vls_vit_is_qwens_before_the_merger(frames, grid_thw):
    from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLVisionConfig
    from transformers.models.qwen2_vl.modeling_qwen2_vl import (
        Qwen2VisionTransformerPretrainedModel,
    )

    reference = randomise(
        Qwen2VisionTransformerPretrainedModel(
            Qwen2VLVisionConfig(
                embed_dim=32,
                depth=3,
                num_heads=2,
                mlp_ratio=2,
                patch_size=8,
                hidden_size=16,
                attn_implementation="eager",
            )
        )
    )
    state = split_qkv(renamed(reference, QWEN_KEYS))
    state = {key: value for key, value in state.items() if not key.startswith("merger")}
    ours = replace(qwen2_vl_vit_debug(), ffn_dim=64)

    pixels = pictures(32, 48, *frames)
    given = reference(
        block_major(pixels), grid_thw=torch.tensor(grid_thw), output_hidden_states=True
    )
    theirs = [
        rearrange(hidden, "(slice row col r c) d -> slice (row r col c) d", row=2, col=3, r=2, c=2)
        for hidden in given.hidden_states
    ]
    assert_same(layers(ours, state, pixels), theirs)
