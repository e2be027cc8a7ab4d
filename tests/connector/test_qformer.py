"""What is particular to the Q-Former: who sees whom, and what needs the text side."""

from dataclasses import replace

import pytest
import torch

from triptych.connector import QFormer, QFormerConfig, QFormerTextConfig
from triptych.errors import ConfigError, ShapeError
from triptych.shapes import VisionFeatures

TINY = QFormerConfig(
    num_queries=3,
    dim=8,
    depth=3,
    num_heads=2,
    ffn_dim=16,
    text=QFormerTextConfig(vocab_size=20, max_positions=6),
)


@pytest.fixture
def qformer() -> QFormer:
    """Weights far larger than at the start, so that every path shows."""
    torch.manual_seed(0)
    built = TINY.build(vision_dim=6, language_dim=10)
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return built


@pytest.fixture
def pictures() -> VisionFeatures:
    torch.manual_seed(1)
    return VisionFeatures(torch.randn(2, 2, 3, 6), torch.randn(2, 1, 6))


TEXT = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]])


def caption_mask(num_queries: int, num_text: int) -> torch.Tensor:
    """Queries see queries; text sees queries and the text before it.

    1 1 1 0 0
    1 1 1 0 0
    1 1 1 0 0
    1 1 1 1 0
    1 1 1 1 1
    """
    size = num_queries + num_text
    mask = torch.ones(size, size).tril().bool()
    mask[:num_queries, :num_queries] = True
    return mask[None, None]


def test_only_every_second_layer_looks_at_the_picture(qformer: QFormer):
    looks = [layer.cross_attention is not None for layer in qformer.layers]
    assert looks == [True, False, True]


def test_without_a_mask_queries_and_text_see_each_other(qformer: QFormer, pictures: VisionFeatures):
    states = qformer.encode_pair(pictures, TEXT)
    other = qformer.encode_pair(pictures, TEXT.roll(1, dims=0))
    assert states.shape == (2, 3 + 4, 8)
    assert not torch.allclose(states[:, :3], other[:, :3])


def test_under_a_caption_mask_queries_do_not_see_the_text(
    qformer: QFormer, pictures: VisionFeatures
):
    states = qformer.encode_pair(pictures, TEXT, caption_mask(3, 4))
    torch.testing.assert_close(states[:, :3], qformer.encode_image(pictures))


def test_under_a_caption_mask_text_does_not_see_what_follows(
    qformer: QFormer, pictures: VisionFeatures
):
    states = qformer.encode_pair(pictures, TEXT, caption_mask(3, 4))
    shorter = qformer.encode_pair(pictures, TEXT[:, :2], caption_mask(3, 2))
    torch.testing.assert_close(states[:, :5], shorter)


def test_padding_that_is_hidden_changes_nothing(qformer: QFormer, pictures: VisionFeatures):
    padded = torch.cat([TEXT, torch.zeros(2, 2, dtype=torch.long)], dim=1)
    keep = torch.tensor([True] * (3 + 4) + [False] * 2)[None, None, None]
    states = qformer.encode_pair(pictures, padded, keep)
    torch.testing.assert_close(states[:, :7], qformer.encode_pair(pictures, TEXT))


def test_text_reaches_the_picture_through_the_queries_only(
    qformer: QFormer, pictures: VisionFeatures
):
    # Cut text off from the queries: it must then be what it is without any picture.
    apart = torch.block_diag(torch.ones(3, 3), torch.ones(4, 4)).bool()[None, None]
    states = qformer.encode_pair(pictures, TEXT, apart)
    torch.testing.assert_close(states[:, 3:], qformer.encode_text(TEXT))
    torch.testing.assert_close(states[:, :3], qformer.encode_image(pictures))


def test_text_has_positions_and_queries_have_none(qformer: QFormer, pictures: VisionFeatures):
    words = torch.tensor([[5, 6]])
    swapped = qformer.encode_text(words.flip(1)).flip(1)
    assert not torch.allclose(qformer.encode_text(words), swapped)

    before = qformer.encode_image(pictures)
    qformer.queries.data = qformer.queries.data.flip(0)
    torch.testing.assert_close(qformer.encode_image(pictures).flip(1), before)


def test_gradients_reach_every_parameter_of_the_text_side(
    qformer: QFormer, pictures: VisionFeatures
):
    states = qformer.encode_pair(pictures, TEXT)
    (states * torch.randn_like(states)).sum().backward()
    for name, parameter in qformer.named_parameters():
        if not name.startswith("language_projection"):
            assert parameter.grad is not None, name
            # Softmax ignores what is added to all keys alike, so a key bias never learns.
            assert name.endswith("key.bias") or parameter.grad.abs().sum() > 1e-6, name


def test_training_drops_and_evaluation_does_not(pictures: VisionFeatures):
    torch.manual_seed(0)
    built = replace(TINY, dropout=0.5).build(vision_dim=6, language_dim=10)
    assert not torch.equal(built(pictures), built(pictures))
    built.eval()
    assert torch.equal(built(pictures), built(pictures))


def test_starts_as_bert_does():
    torch.manual_seed(0)
    built = replace(TINY, dim=64, ffn_dim=256).build(vision_dim=64, language_dim=64)
    for name, parameter in built.named_parameters():
        if "norm" in name:
            expected = torch.full_like(parameter, float(name.endswith("weight")))
            torch.testing.assert_close(parameter, expected)
        elif parameter.ndim == 1:
            assert not parameter.any(), name
        else:
            assert parameter.std().item() == pytest.approx(0.02, rel=0.2), name


def test_text_without_a_text_side_is_refused(pictures: VisionFeatures):
    built = replace(TINY, text=None).build(vision_dim=6, language_dim=10)
    with pytest.raises(ConfigError, match=r"without its text side; set text="):
        built.encode_text(TEXT)
    with pytest.raises(ConfigError, match="without its text side"):
        built.encode_pair(pictures, TEXT)


def test_a_text_longer_than_its_positions_is_refused(qformer: QFormer):
    with pytest.raises(ShapeError, match="text of 7 tokens is longer than 6 positions"):
        qformer.encode_text(torch.zeros(1, 7, dtype=torch.long))


def test_texts_and_pictures_must_be_as_many(qformer: QFormer, pictures: VisionFeatures):
    with pytest.raises(ShapeError, match="1 texts for 2 pictures"):
        qformer.encode_pair(pictures, TEXT[:1])


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="num_heads=5 does not divide dim=768"):
        QFormerConfig(num_heads=5)
    with pytest.raises(ConfigError, match="cross_attention_every must be at least 1, got 0"):
        QFormerConfig(cross_attention_every=0)
    with pytest.raises(ConfigError, match=r"dropout must be in \[0, 1\), got 1"):
        QFormerConfig(dropout=1.0)
    with pytest.raises(ConfigError, match="vocab_size must be at least 1"):
        QFormerTextConfig(vocab_size=0)
