"""Qwen2-VL as a whole against transformers: pictures and clips, M-RoPE, merger, logits.

Inputs are made by our processor from messages. The reference gets the same token ids and the same
pixels as block-major patches, and works out its own positions. After a clip with more slices than
rows and columns its positions are not the paper's (see `nn.rotary.multimodal_positions`), so that
clips here are short.
"""

from dataclasses import replace

import pytest
import torch
from einops import rearrange
from tests.laws.debug_models import answered, clip, picture, tokenizer_for, watch
from torch import Tensor, nn

from triptych.architectures import find_architecture
from triptych.fusion.vlm import VLM
from triptych.generate import GenerationOptions, generate
from triptych.inputs import ModelInputs
from triptych.processor import Processor, ask_about
from triptych.published.families.qwen2_vl_layout import from_published
from triptych.vision import qwen2_vl_vit_debug

transformers = pytest.importorskip("transformers")

TOLERANCE = 1e-5
"""Measured worst case on a CPU: 2.9e-6, where logits spread by 0.8."""

PATCH, MERGE = 8, 2

DEBUG = find_architecture("qwen2_vl_debug")
# The reference's MLP is a whole multiple of its width; ours is not in the debug twin.
MODEL = replace(DEBUG.model, vision=replace(qwen2_vl_vit_debug(), ffn_dim=64))
PROCESSOR = Processor(DEBUG.processor, MODEL, tokenizer_for(DEBUG.processor.template))


@pytest.fixture(scope="module")
def reference():
    special = PROCESSOR.tokenizer.special
    text = {
        "vocab_size": 320,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-5,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 1e6,
            "mrope_section": [2, 3, 3],
        },
        "bos_token_id": None,
        "eos_token_id": PROCESSOR.end_ids[0],
    }
    vision = {
        "depth": 3,
        "embed_dim": 32,
        "num_heads": 2,
        "mlp_ratio": 2,
        "patch_size": PATCH,
        "hidden_size": 64,
    }
    config = transformers.Qwen2VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=special("<|image_pad|>"),
        video_token_id=special("<|video_pad|>"),
        vision_start_token_id=special("<|vision_start|>"),
        vision_end_token_id=special("<|vision_end|>"),
        tie_word_embeddings=True,
        attn_implementation="eager",
    )
    return randomise(transformers.Qwen2VLForConditionalGeneration(config))


@pytest.fixture(scope="module")
def ours(reference):
    return with_weights(MODEL.build(), reference)


def randomise(model: nn.Module) -> nn.Module:
    """Draw every parameter anew: no gate, bias or norm keeps a value that hides a mistake."""
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        drawn = torch.randn(parameter.shape, generator=generator)
        is_norm = parameter.ndim == 1 and name.endswith("weight")
        parameter.data = 1 + 0.05 * drawn if is_norm else 0.1 * drawn
    return model.eval()


def with_weights(model: VLM, reference: nn.Module) -> VLM:
    """Our model with the reference's weights, all of which must find their place."""
    state = dict(from_published(reference.named_parameters(), MODEL))
    model.load_state_dict(state)
    return model.eval()


def packed(inputs: ModelInputs) -> dict[str, Tensor]:
    """The pictures as the reference reads them: every still twice, patches two by two."""
    given: dict[str, Tensor] = {}
    stills = [torch.stack([image, image])[None] for image in inputs.images if image.ndim == 3]
    clips = [image for image in inputs.images if image.ndim == 5]
    if stills:
        given["pixel_values"], given["image_grid_thw"] = patches_and_grids(stills)
    if clips:
        given["pixel_values_videos"], given["video_grid_thw"] = patches_and_grids(clips)
    if given:
        is_image = (inputs.token_ids == PROCESSOR.image_id).int()
        is_video = (inputs.token_ids == PROCESSOR.video_id).int()
        given["mm_token_type_ids"] = is_image + 2 * is_video
    return given


def patches_and_grids(visuals: list[Tensor]) -> tuple[Tensor, Tensor]:
    patches = [
        rearrange(
            pixels,
            "time frame channel (row r y) (col c x) -> (time row col r c) (channel frame y x)",
            r=MERGE,
            c=MERGE,
            y=PATCH,
            x=PATCH,
        )
        for pixels in visuals
    ]
    grids = [[len(p), p.shape[-2] // PATCH, p.shape[-1] // PATCH] for p in visuals]
    return torch.cat(patches), torch.tensor(grids)


ONE_PICTURE = [
    answered(ask_about([picture(0, 40, 60)], "what is it?"), "a red circle"),
    answered(ask_about([picture(1, 90, 50)], "is there a blue square to the left?"), "yes"),
]
TWO_PICTURES = [
    answered(ask_about([picture(2, 64, 48), picture(3, 33, 80)], "what changed?"), "the circle"),
    answered(ask_about([picture(4, 32, 32)], "hi"), "a white cross"),
]
CLIPS = [
    answered(watch(clip(0, 4, 48, 32)), "a red circle"),
    answered([*watch(clip(1, 5, 32, 64)), *ask_about([picture(5, 40, 60)], "and here?")], "yes"),
    answered([*ask_about([picture(6, 32, 48)]), *watch(clip(2, 2, 64, 48), "hi")], "no"),
]
TEXT_ONLY = [
    answered(ask_about([], "what is a cross?"), "two lines"),
    answered(ask_about([], "hi"), "hello"),
]


@pytest.mark.parametrize(
    ("conversations", "pad"),
    [
        (ONE_PICTURE, "left"),
        (ONE_PICTURE, "right"),
        (TWO_PICTURES, "left"),
        (TWO_PICTURES, "right"),
        (CLIPS, "left"),
        (CLIPS, "right"),
        (TEXT_ONLY, "right"),
    ],
    ids=["one left", "one right", "two left", "two right", "clips left", "clips right", "text"],
)
@torch.no_grad()
def test_logits_are_qwen2_vls(ours, reference, conversations, pad):
    inputs = PROCESSOR.collate([PROCESSOR.encode(each) for each in conversations], pad=pad)
    assert len({image.shape for image in inputs.images}) == len(inputs.images)
    theirs = reference(
        input_ids=inputs.token_ids, attention_mask=inputs.token_mask.long(), **packed(inputs)
    ).logits
    assert not inputs.token_mask.all() and theirs.std() > 0.1
    difference = (ours(inputs) - theirs)[inputs.token_mask].abs().max()
    assert difference <= TOLERANCE


@pytest.mark.parametrize("conversations", [TWO_PICTURES, CLIPS], ids=["two pictures", "clips"])
def test_positions_are_qwen2_vls(reference, conversations):
    inputs = PROCESSOR.collate([PROCESSOR.encode(each) for each in conversations], pad="left")
    given = packed(inputs)
    theirs, _ = reference.model.get_rope_index(
        inputs.token_ids,
        given["mm_token_type_ids"],
        image_grid_thw=given["image_grid_thw"],
        video_grid_thw=given.get("video_grid_thw"),
        attention_mask=inputs.token_mask.long(),
    )
    assert torch.equal(inputs.position_ids[:, inputs.token_mask], theirs[:, inputs.token_mask])


@pytest.mark.parametrize("conversations", [TWO_PICTURES, CLIPS], ids=["two pictures", "clips"])
@torch.no_grad()
def test_answers_are_qwen2_vls(ours, reference, conversations):
    prompts = [PROCESSOR.encode(each[:-1], add_generation_prompt=True) for each in conversations]
    inputs = PROCESSOR.collate(prompts, pad="left")
    theirs = reference.generate(
        input_ids=inputs.token_ids,
        attention_mask=inputs.token_mask.long(),
        **packed(inputs),
        max_new_tokens=6,
        do_sample=False,
        eos_token_id=list(PROCESSOR.end_ids),
        pad_token_id=PROCESSOR.pad_id,
    )[:, inputs.token_ids.shape[1] :]
    answers = generate(ours, PROCESSOR, prompts, GenerationOptions(max_new_tokens=6))
    for answer, row in zip(answers, theirs.tolist(), strict=True):
        assert list(answer.token_ids) == row[: len(answer.token_ids)]
