"""LLaVA-1.5 as a whole against transformers: picture in, logits out, and what it then says.

Inputs are made by our processor from messages. The reference gets the same token ids and pixels
in its own form, so slots, positions and padding are compared along with the weights.
"""

import pytest
import torch
from tests.language.reference import LLAMA_KEYS
from tests.laws.debug_models import answered, picture, tokenizer_for
from torch import Tensor, nn

from triptych.architectures import find_architecture
from triptych.fusion.vlm import VLM
from triptych.generate import GenerationOptions, generate
from triptych.processor import Processor, ask_about

transformers = pytest.importorskip("transformers")

TOLERANCE = 1e-5
"""Measured worst case on a CPU: 4.6e-6, where logits spread by 0.8."""

KEYS = {
    "model.vision_tower.embeddings.class_embedding": "vision.class_token",
    "model.vision_tower.embeddings.patch_embedding": "vision.patch",
    "model.vision_tower.embeddings.position_embedding.weight": "vision.positions",
    "model.vision_tower.encoder.layers.": "vision.blocks.",
    "model.vision_tower.pre_layrnorm": "vision.pre_norm",
    "model.vision_tower.": "vision.",
    "model.multi_modal_projector.linear_1": "connector.up",
    "model.multi_modal_projector.linear_2": "connector.down",
    "model.language_model.": "language.",
    "lm_head": "language.lm_head",
    "layer_norm1": "norm_1",
    "layer_norm2": "norm_2",
    "self_attn.out_proj": "attention.out",
    "fc1": "up",
    "fc2": "down",
    **LLAMA_KEYS,
}

UNUSED = ("vision_tower.encoder.layers.2.", "post_layernorm")
"""Behind the second last block: weights that the published files hold and nothing reads."""

ARCHITECTURE = find_architecture("llava_1_5_debug")
PROCESSOR = Processor(
    ARCHITECTURE.processor,
    ARCHITECTURE.model,
    tokenizer_for(ARCHITECTURE.processor.template),
)


@pytest.fixture(scope="module")
def reference():
    vision = transformers.CLIPVisionConfig(
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=48,
        image_size=32,
        patch_size=8,
    )
    text = transformers.LlamaConfig(
        vocab_size=320,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
    )
    config = transformers.LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=PROCESSOR.image_id,
        image_seq_length=16,
        attn_implementation="eager",
    )
    return randomise(transformers.LlavaForConditionalGeneration(config))


@pytest.fixture(scope="module")
def ours(reference):
    return with_weights(ARCHITECTURE.model.build(), reference)


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
    state: dict[str, Tensor] = {}
    for name, tensor in reference.named_parameters():
        if any(part in name for part in UNUSED):
            continue
        for theirs, our in KEYS.items():
            name = name.replace(theirs, our)
        state[name] = tensor.flatten(1) if name == "vision.patch.weight" else tensor
    model.load_state_dict(state)
    return model.eval()


ONE_PICTURE = [
    answered(ask_about([picture(0)], "what is it?"), "a red circle"),
    answered(ask_about([picture(1, 64, 48)], "is there a blue square to the left?"), "yes"),
]
TWO_PICTURES = [
    answered(ask_about([picture(2), picture(3, 90, 30)], "what changed?"), "the circle"),
    answered(ask_about([picture(4)], "hi"), "a white cross"),
]
TEXT_ONLY = [
    answered(ask_about([], "what is a cross?"), "two lines"),
    answered(ask_about([], "hi"), "hello"),
]


@pytest.mark.parametrize("pad", ["left", "right"])
@pytest.mark.parametrize(
    "conversations",
    [ONE_PICTURE, TWO_PICTURES, TEXT_ONLY],
    ids=["one picture", "two pictures", "text only"],
)
@torch.no_grad()
def test_logits_are_llavas(ours, reference, conversations, pad):
    inputs = PROCESSOR.collate([PROCESSOR.encode(each) for each in conversations], pad=pad)
    theirs = reference(
        input_ids=inputs.token_ids,
        attention_mask=inputs.token_mask.long(),
        position_ids=inputs.position_ids,
        pixel_values=torch.stack(inputs.images) if inputs.images else None,
    ).logits
    assert not inputs.token_mask.all() and theirs.std() > 0.1
    difference = (ours(inputs) - theirs)[inputs.token_mask].abs().max()
    assert difference <= TOLERANCE


@torch.no_grad()
def test_answers_are_llavas(ours, reference):
    prompts = [PROCESSOR.encode(each[:1], add_generation_prompt=True) for each in ONE_PICTURE]
    inputs = PROCESSOR.collate(prompts, pad="left")
    theirs = reference.generate(
        input_ids=inputs.token_ids,
        attention_mask=inputs.token_mask.long(),
        pixel_values=torch.stack(inputs.images),
        max_new_tokens=6,
        do_sample=False,
        eos_token_id=PROCESSOR.end_ids[0],
        pad_token_id=PROCESSOR.pad_id,
    )[:, inputs.token_ids.shape[1] :]
    answers = generate(ours, PROCESSOR, prompts, GenerationOptions(max_new_tokens=6))
    for answer, row in zip(answers, theirs.tolist(), strict=True):
        assert list(answer.token_ids) == row[: len(answer.token_ids)]
