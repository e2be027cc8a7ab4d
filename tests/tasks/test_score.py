"""Scoring in Python: numbers by picture and text, vectors for a search."""

import pytest
import torch
from tests.laws.debug_models import picture
from tests.laws.debug_scorers import scorer

from triptych.checkpoint.scorers import export_scorer
from triptych.errors import UnknownNameError, UsageError
from triptych.tasks import Scorer, load_scorer

PICTURES = [picture(0), picture(1, 64, 48)]


def test_a_comparison_has_a_row_a_picture_and_a_number_a_text():
    compared = Scorer(scorer("clip_debug")).score(PICTURES, ["a", "b", "c"])
    assert compared.texts == ("a", "b", "c") and compared.compete
    assert [len(row) for row in compared.similarities] == [3, 3]
    assert [sum(row) for row in compared.probabilities] == pytest.approx([1, 1])


def test_vectors_multiply_to_the_similarities():
    scoring = Scorer(scorer("siglip_debug"))
    texts = ["a", "a red circle"]
    products = scoring.embed_pictures(PICTURES) @ scoring.embed_texts(texts).T
    compared = scoring.score(PICTURES, texts)
    assert not compared.compete
    torch.testing.assert_close(products, torch.tensor(compared.similarities))


@pytest.mark.parametrize("name", ["clip_debug", "blip2_itm_debug"])
def test_pictures_in_several_batches_are_those_in_one(name):
    scoring = Scorer(scorer(name))
    pictures = [picture(n) for n in range(5)]
    whole = scoring.score(pictures, ["a", "a red circle"])
    parts = scoring.score(pictures, ["a", "a red circle"], batch_size=2)
    for one, other in zip(whole.similarities, parts.similarities, strict=True):
        assert one == pytest.approx(other, abs=1e-5)
    for one, other in zip(whole.probabilities, parts.probabilities, strict=True):
        assert one == pytest.approx(other, abs=1e-5)
    with pytest.raises(UsageError, match="no picture"):
        scoring.score([], ["a"])


def test_a_folder_is_loaded_by_its_name(tmp_path):
    export_scorer(tmp_path / "clip", scorer("clip_debug"))
    again = load_scorer(tmp_path / "clip").score(PICTURES, ["a", "b"])
    assert again == Scorer(scorer("clip_debug")).score(PICTURES, ["a", "b"])


def test_a_model_computes_in_half_precision_where_asked(tmp_path):
    export_scorer(tmp_path / "siglip", scorer("siglip_debug"))
    half = load_scorer(tmp_path / "siglip", dtype="bfloat16")
    assert half.model.dtype == torch.bfloat16
    whole = load_scorer(tmp_path / "siglip").score(PICTURES, ["a", "a red circle"])
    compared = half.score(PICTURES, ["a", "a red circle"])
    for one, other in zip(whole.similarities, compared.similarities, strict=True):
        assert one == pytest.approx(other, abs=0.02) and one != other
    with pytest.raises(UnknownNameError, match="float23"):
        load_scorer(tmp_path / "siglip", dtype="float23")


def test_a_retriever_scores_but_does_not_embed():
    scoring = Scorer(scorer("blip2_itm_debug"))
    compared = scoring.score(PICTURES, ["a", "a red circle"])
    assert [len(row) for row in compared.probabilities] == [2, 2] and not compared.compete
    for embed, given in ((scoring.embed_pictures, PICTURES), (scoring.embed_texts, ["a"])):
        with pytest.raises(UsageError, match="blip2_itm_debug scores but does not embed"):
            embed(given)
