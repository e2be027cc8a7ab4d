"""Caption scores, against the official script and against small cases worked out by hand."""

import json
import math
import random
import time

import pytest
from tests.toys import shared_data

from triptych.errors import DataError
from triptych.evaluate.metrics.captions import CaptionScores, CiderReward, score_captions

# The largest deviation measured from any official value below is 9e-16.

DOGS = {"1": ["two dogs play in the snow", "dogs run"], "2": ["a red bus on a city street"]}


@pytest.fixture(scope="module")
def golden() -> dict:
    """Person against person: the first caption of every test picture against the other four."""
    folder = shared_data("..", "golden", "captions")
    return json.loads(next(folder.glob("flickr8k_test*.json")).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def scores(golden: dict) -> CaptionScores:
    items = golden["items"]
    return score_captions(
        {name: item["hypothesis"] for name, item in items.items()},
        {name: item["references"] for name, item in items.items()},
    )


def test_flickr8k_scores_are_the_official_ones(golden: dict, scores: CaptionScores):
    official = golden["aggregate"]

    assert scores.bleu == pytest.approx([official[f"Bleu_{n}"] for n in range(1, 5)], abs=1e-12)
    assert scores.rouge_l == pytest.approx(official["ROUGE_L"], abs=1e-12)
    assert scores.cider == pytest.approx(official["CIDEr"], abs=1e-12)


def test_every_flickr8k_caption_has_its_official_scores(golden: dict, scores: CaptionScores):
    assert len(scores.per_item) == 1000
    for name, official in golden["per_item"].items():
        ours = scores.per_item[name]
        assert (ours.bleu[0], ours.bleu[3], ours.rouge_l, ours.cider) == pytest.approx(
            tuple(official[key] for key in ("Bleu_1", "Bleu_4", "ROUGE_L", "CIDEr")), abs=1e-12
        ), name


@pytest.mark.parametrize("name", ["coco_clipscore_good", "coco_clipscore_bad", "coco_own4"])
def test_small_sets_have_their_official_scores(name: str):
    golden = json.loads(shared_data("..", "golden", "metrics.json").read_text(encoding="utf-8"))
    if name not in golden:
        pytest.skip(f"the golden file holds no {name}")
    official = golden[name]
    scores = score_captions(official["cands"], official["refs"])
    items = [scores.per_item[item] for item in official["cands"]]

    assert scores.bleu == pytest.approx(official["BLEU"], abs=1e-12)
    assert scores.rouge_l == pytest.approx(official["ROUGE_L"], abs=1e-12)
    assert scores.cider == pytest.approx(official["CIDEr"], abs=1e-12)
    assert [item.rouge_l for item in items] == pytest.approx(official["ROUGE_L_each"], abs=1e-12)
    assert [item.cider for item in items] == pytest.approx(official["CIDEr_each"], abs=1e-12)


def test_bleu_by_hand():
    # Words: "the" counts twice of three times, as in the reference, and "cat": 3 of 4.
    # Bigrams: "the the" counts once of twice, "the cat" is not there: 1 of 3.
    scores = score_captions({"1": "the the the cat"}, {"1": ["on the the big cat"]})
    brevity = math.exp(1 - 5 / 4)
    assert scores.bleu[0] == pytest.approx(brevity * 3 / 4)
    assert scores.bleu[1] == pytest.approx(brevity * math.sqrt(3 / 4 * 1 / 3))


def test_bleu_compares_with_the_reference_of_nearest_length_and_prefers_the_shorter():
    # 3 words against references of 2 and 4 words: equally near, so no penalty for brevity.
    scores = score_captions({"1": "a b c"}, {"1": ["a b c d", "x y"]})
    assert scores.bleu[0] == pytest.approx(1.0)


def test_bleu_of_a_set_is_not_the_mean_of_its_items():
    scores = score_captions({"1": "dogs run", "2": "a bus"}, DOGS)
    mean = sum(item.bleu[0] for item in scores.per_item.values()) / 2
    assert scores.bleu[0] != pytest.approx(mean, abs=1e-3)


def test_rouge_takes_the_best_precision_and_the_best_recall_separately():
    # "a b": precision 2/2 from the first reference, recall 1/1 from the second.
    scores = score_captions({"1": "a b"}, {"1": ["a b x y", "b"]})
    assert scores.rouge_l == pytest.approx(1.0)


def test_rouge_counts_the_longest_common_subsequence():
    # a c d of "a b c d" and of "a x c d y": precision 3/4, recall 3/5.
    scores = score_captions({"1": "a b c d"}, {"1": ["a x c d y"]})
    precision, recall, weight = 3 / 4, 3 / 5, 1.2**2
    expected = (1 + weight) * precision * recall / (recall + weight * precision)
    assert scores.rouge_l == pytest.approx(expected)


def test_cider_of_a_single_picture_is_zero_even_for_a_perfect_caption():
    assert score_captions({"1": "dogs run"}, {"1": ["dogs run"]}).cider == 0.0


def test_cider_of_perfect_captions_without_common_words_is_ten():
    captions = {"1": "two dogs play outside", "2": "red buses cross bridges"}
    references = {item: [caption] for item, caption in captions.items()}
    assert score_captions(captions, references).cider == pytest.approx(10.0)


def test_words_are_counted_after_tokenization():
    scores = score_captions({"1": "The dog isn't here."}, {"1": ['"the dog is n\'t here"']})
    assert scores.rouge_l == pytest.approx(1.0)


def test_the_order_of_pictures_does_not_matter(golden: dict):
    items = golden["items"]
    names = list(items)[:50]
    captions = {name: items[name]["hypothesis"] for name in names}
    references = {name: items[name]["references"] for name in names}
    random.Random(0).shuffle(names)
    shuffled = score_captions({name: captions[name] for name in names}, references)
    assert shuffled == score_captions(captions, references)


def test_empty_captions_have_scores():
    scores = score_captions({"1": "", "2": "?!"}, DOGS)
    assert scores.rouge_l == 0.0
    assert scores.cider == 0.0
    assert scores.bleu[3] < 1e-4


def test_scoring_twice_gives_the_same():
    captions = {"1": "dogs run", "2": "a bus"}
    assert score_captions(captions, DOGS) == score_captions(captions, DOGS)


def test_scoring_is_fast():
    rng = random.Random(0)
    words = [f"word{index}" for index in range(500)]

    def text() -> str:
        return " ".join(rng.choices(words, k=11))

    references = {str(item): [text() for _ in range(5)] for item in range(200)}
    started = time.process_time()
    score_captions({item: text() for item in references}, references)
    # Without shape checks: 1.0 s for 1000 captions with 5 references each, on one core.
    assert time.process_time() - started < 5


def test_a_picture_without_a_caption_is_refused():
    with pytest.raises(DataError, match=r"1 of 2 pictures have references but no caption: 2;"):
        score_captions({"1": "dogs run"}, DOGS)


def test_a_caption_without_references_is_refused():
    with pytest.raises(DataError, match=r"1 of 3 pictures have a caption but no references: 3;"):
        score_captions({"1": "dogs run", "2": "a bus", "3": "a cat"}, DOGS)


def test_an_empty_list_of_references_is_refused():
    with pytest.raises(DataError, match="1 has an empty list of references"):
        score_captions({"1": "dogs run"}, {"1": []})


def test_references_given_as_one_text_are_refused():
    with pytest.raises(DataError, match="the references of 1 are one text; give a list"):
        score_captions({"1": "dogs run"}, {"1": "dogs run"})


def test_nothing_to_score_is_refused():
    with pytest.raises(DataError, match="no caption to score"):
        score_captions({}, {})


def test_a_reward_prefers_what_people_said_and_finished():
    reward = CiderReward(DOGS)
    best = reward("1", "two dogs play in the snow", True)

    assert best > reward("1", "two dogs play in the snow", False)
    assert best > reward("1", "two dogs play in the", True)
    assert reward("1", "a red bus on a city street", True) < 0.5 < reward("1", "dogs run", True)


def test_a_reward_without_references_is_refused():
    with pytest.raises(DataError, match="needs references"):
        CiderReward({})
