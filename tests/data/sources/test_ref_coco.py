"""RefCOCO: phrases and boxes, either way round, and no pickle."""

from pathlib import Path
from typing import Any

import pytest
from tests.data.drawn import write_json

from triptych.data.sources import RefCoco
from triptych.errors import ConfigError, DataError

BOX = [103.93, 299.99, 238.15, 477.41]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    ref = {
        "ref_id": 0,
        "ann_id": 1719310,
        "image_id": 581857,
        "split": "train",
        "file_name": "COCO_train2014_000000581857_16.jpg",
        "category_id": 1,
        "sentences": [
            {"sent_id": 0, "sent": "the lady with the blue shirt", "raw": "THE LADY"},
            {"sent_id": 1, "sent": "lady with back to us"},
        ],
    }
    other = {**ref, "ref_id": 1, "split": "testA", "sentences": [{"sent_id": 2, "sent": "a cat"}]}
    write_json(tmp_path / "refs(unc).json", [ref, other])
    instances = {
        "images": [{"id": 581857, "file_name": "COCO_train2014_000000581857.jpg"}],
        "annotations": [
            {"id": 1719310, "image_id": 581857, "bbox": [103.93, 299.99, 134.22, 177.42]}
        ],
    }
    write_json(tmp_path / "instances.json", instances)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "COCO_train2014_000000581857.jpg").touch()
    return tmp_path


def source(**changes: Any) -> RefCoco:
    given = {"refs": "refs(unc).json", "instances": "instances.json", "images": "images"}
    return RefCoco(**(given | changes))


def test_a_phrase_is_answered_with_its_box(root: Path):
    [lady], ledger = source().read(root)
    picture = {"type": "image", "image": root / "images" / "COCO_train2014_000000581857.jpg"}
    phrase = "the lady with the blue shirt"
    assert lady.messages == (
        {
            "role": "user",
            "content": [picture, {"type": "text", "text": f"Locate {phrase}."}],
        },
        {"role": "assistant", "content": [{"type": "box", "box": BOX, "label": phrase}]},
    )
    assert lady.others[0][1]["content"][0]["label"] == "lady with back to us"
    assert lady.extra["questions"][1] == {
        "id": "1",
        "ref_id": 0,
        "phrase": "lady with back to us",
        "box": BOX,
    }
    assert (ledger.num_kept, ledger.left_out) == (1, [])


def test_a_box_is_answered_with_its_phrase(root: Path):
    [lady], _ = source(task="describe", prompt="What is in {box}?").read(root)
    assert lady.messages[0]["content"][1:] == [
        {"type": "text", "text": "What is in "},
        {"type": "box", "box": BOX},
        {"type": "text", "text": "?"},
    ]
    assert lady.messages[1]["content"] == "the lady with the blue shirt"


def test_splits_are_kept_apart(root: Path):
    [cat], _ = source(split="testA").read(root)
    assert cat.extra["questions"][0]["phrase"] == "a cat"


def test_a_pickle_is_never_read(root: Path):
    (root / "refs(unc).p").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    with pytest.raises(DataError, match=r"is a pickle.*convert it once.*name refs\(unc\)\.json"):
        source(refs="refs(unc).p").read(root)


def test_what_does_not_fit_is_listed(root: Path):
    write_json(
        root / "refs(unc).json",
        [
            {"ann_id": 1719310, "image_id": 581857, "split": "train", "sentences": [{"sent": "a"}]},
            {"ann_id": 5, "image_id": 581857, "split": "train", "sentences": [{"sent": "b"}]},
            {"ann_id": 1719310, "image_id": 581857, "split": "train", "sentences": []},
        ],
    )
    conversations, ledger = source(tolerate=0.9).read(root)
    assert len(conversations) == 1
    assert [each.reason for each in ledger.left_out] == ["no annotation", "empty content"]


def test_a_prompt_without_a_place_for_the_phrase_is_refused():
    with pytest.raises(ConfigError, match=r"must have \{phrase\} in it once"):
        source(prompt="Where is it?")
