"""What is particular to dual encoders: unit vectors, one product, and who speaks for a text."""

from dataclasses import replace

import pytest
import torch
from tests.laws.debug_models import picture
from tests.laws.debug_scorers import TEXTS, scorer

from triptych.connector.pooling import ClassTokenPoolConfig, ProbePoolConfig
from triptych.errors import ConfigError, ShapeError
from triptych.fusion.dual import SimilarityConfig
from triptych.language.text_encoder import TextEncoderConfig
from triptych.shapes import VisionFeatures

NAMES = ["clip_debug", "siglip_debug"]
PICTURES = [picture(0), picture(1, 64, 48)]


def text_encoder(**changes: object) -> torch.nn.Module:
    config = TextEncoderConfig(
        vocab_size=20,
        dim=16,
        depth=2,
        num_heads=2,
        ffn_dim=24,
        max_tokens=6,
        is_causal=True,
        speaker="end",
        end_id=7,
    )
    torch.manual_seed(0)
    return replace(config, **changes).build(shared_dim=8)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_scores_are_cosines_scaled_and_shifted(name):
    debug = scorer(name)
    inputs = debug.processor.encode(PICTURES, TEXTS)
    images = debug.model.embed_images(inputs.pixels)
    texts = debug.model.embed_texts(inputs.token_ids)
    for vectors in (images, texts):
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(vectors)))
    cosines = (images[:, None] * texts).sum(dim=-1)
    fusion = debug.model.fusion
    shift = 0.0 if fusion.bias is None else fusion.bias
    torch.testing.assert_close(debug.model(inputs), cosines * fusion.log_scale.exp() + shift)
    torch.testing.assert_close(debug.model.score(inputs).similarities, cosines)


@torch.no_grad()
def test_texts_compete_in_clip_and_stand_alone_in_siglip():
    clip, siglip = (scorer(name) for name in NAMES)
    rows = [
        each.model.score(each.processor.encode(PICTURES, TEXTS)).probabilities.sum(dim=1)
        for each in (clip, siglip)
    ]
    torch.testing.assert_close(rows[0], torch.ones(2))
    assert (rows[1] - 1).abs().min() > 0.01


def test_a_fresh_model_begins_with_the_published_scale_and_bias():
    softmax, sigmoid = (SimilarityConfig(meaning=each).build() for each in ("softmax", "sigmoid"))
    assert softmax.log_scale.exp().item() == pytest.approx(1 / 0.07) and softmax.bias is None
    assert sigmoid.log_scale.exp().item() == pytest.approx(10) and sigmoid.bias.item() == -10


@torch.no_grad()
def test_the_first_end_token_speaks_for_a_text():
    encoder = text_encoder()
    ids = torch.tensor([[1, 2, 7, 7, 7, 9]])
    expected = encoder.projection(encoder.read(ids)[:, 2])
    torch.testing.assert_close(encoder(ids), expected)
    # What comes behind it does not matter, as it is not seen.
    torch.testing.assert_close(encoder(torch.tensor([[1, 2, 7, 4, 5, 6]])), expected)


@torch.no_grad()
def test_the_largest_id_speaks_where_old_settings_say_so():
    encoder = text_encoder(speaker="largest", end_id=None)
    ids = torch.tensor([[1, 19, 7, 19, 0, 0]])
    torch.testing.assert_close(encoder(ids), encoder.projection(encoder.read(ids)[:, 1]))


@torch.no_grad()
def test_only_without_a_causal_mask_does_a_token_see_what_comes_later():
    ids = torch.tensor([[1, 2, 3, 0], [1, 2, 3, 9]])
    both = text_encoder(speaker="last", end_id=None, is_causal=False)
    first, second = both.read(ids)[:, 0]
    assert (first - second).abs().max() > 1e-3
    first, second = text_encoder().read(ids)[:, :3]
    assert torch.equal(first, second)


@torch.no_grad()
def test_the_last_position_speaks_where_all_see_each_other():
    encoder = text_encoder(speaker="last", end_id=None, is_causal=False)
    ids = torch.tensor([[1, 2, 7, 0, 0, 0]])
    torch.testing.assert_close(encoder(ids), encoder.projection(encoder.read(ids)[:, -1]))


def test_a_text_without_an_end_token_is_refused():
    with pytest.raises(ShapeError, match="no end token 7"):
        text_encoder()(torch.tensor([[1, 2, 7], [1, 2, 3]]))


def test_a_text_longer_than_the_positions_is_refused():
    with pytest.raises(ShapeError, match="a text of 7 tokens is longer than the 6 positions"):
        text_encoder()(torch.tensor([[1, 2, 3, 4, 5, 6, 7]]))


@pytest.mark.parametrize(("speaker", "end_id"), [("end", None), ("last", 3), ("largest", 3)])
def test_an_end_token_is_named_only_where_it_speaks(speaker, end_id):
    with pytest.raises(ConfigError, match="end_id is for speaker='end'"):
        text_encoder(speaker=speaker, end_id=end_id)


def test_a_probe_in_another_width_is_refused():
    with pytest.raises(ConfigError, match=r"vision width of 32, but .* in 24 dimensions"):
        ProbePoolConfig(num_heads=2, ffn_dim=8).build(vision_dim=32, shared_dim=24)


def test_a_class_token_that_is_not_there_is_refused():
    pool = ClassTokenPoolConfig().build(vision_dim=8, shared_dim=4)
    with pytest.raises(ShapeError, match="keep_class_token=True"):
        pool(VisionFeatures(torch.zeros(1, 2, 2, 8), torch.zeros(1, 0, 8)))


@torch.no_grad()
def test_a_probe_reads_patches_in_any_order():
    torch.manual_seed(0)
    pool = ProbePoolConfig(num_heads=2, ffn_dim=8).build(vision_dim=8, shared_dim=8)
    cells = torch.randn(1, 2, 3, 8)
    none = cells.new_zeros(1, 0, 8)
    pooled = [pool(VisionFeatures(each, none)) for each in (cells, cells.flip(1, 2), cells * 2)]
    torch.testing.assert_close(pooled[0], pooled[1])
    assert (pooled[0] - pooled[2]).abs().max() > 0.01
