"""Captions of COCO, Flickr8k, Flickr30k and folders, each in the layout it is published in."""

from pathlib import Path

import pytest
from tests.data.drawn import write_json, write_lines
from tests.toys import shared_data

from triptych.data.sources import (
    CaptionedFolder,
    CocoCaptions,
    Conversation,
    Conversations,
    Flickr8k,
    Flickr30k,
)
from triptych.errors import DataError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("1.jpg", "2.jpg", "3.jpg"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / name).touch()
    return tmp_path


def captions(conversation: Conversation) -> list[str]:
    alternatives = conversation.messages, *conversation.others
    return [messages[-1]["content"] for messages in alternatives]


def by_name(conversations: Conversations) -> dict[str, list[str]]:
    listed = [conversations[index] for index in range(len(conversations))]
    return {each.sample_id: captions(each) for each in listed}


# -- COCO ------------------------------------------------------------------------------------------

COCO = {
    "info": {},
    "images": [
        {"id": 9, "file_name": "1.jpg", "height": 360, "width": 640},
        {"id": 25, "file_name": "2.jpg", "height": 426, "width": 640},
    ],
    "annotations": [
        {"image_id": 25, "id": 1, "caption": "A giraffe."},
        {"image_id": 9, "id": 2, "caption": "Oranges next to a bowl\n"},
        {"image_id": 9, "id": 3, "caption": "Fruit on  a tray."},
    ],
}


def test_coco_pictures_come_with_all_their_captions_as_alternatives(root: Path):
    write_json(root / "captions.json", COCO)
    source = CocoCaptions(path="captions.json", images="images", prompt="Describe it.")
    (first, second), ledger = source.read(root)
    assert (first.sample_id, captions(first)) == (
        "9",
        ["Oranges next to a bowl", "Fruit on a tray."],
    )
    assert (second.sample_id, captions(second)) == ("25", ["A giraffe."])
    question = {
        "role": "user",
        "content": [
            {"type": "image", "image": root / "images" / "1.jpg"},
            {"type": "text", "text": "Describe it."},
        ],
    }
    assert first.messages[0] == first.others[0][0] == question
    assert (ledger.num_kept, ledger.left_out) == (2, [])


def test_coco_pictures_that_cannot_be_used_are_listed(root: Path):
    images = [*COCO["images"], {"id": 7, "file_name": "7.jpg"}, {"id": 8, "file_name": "3.jpg"}]
    annotations = [
        *COCO["annotations"],
        {"image_id": 7, "id": 4, "caption": "Gone."},
        {"image_id": 8, "id": 5, "caption": " "},
    ]
    write_json(root / "captions.json", {"images": images, "annotations": annotations})
    source = CocoCaptions(path="captions.json", images="images", tolerate=0.7)
    conversations, ledger = source.read(root)
    assert len(conversations) == 2
    path = root / "captions.json"
    assert [(each.sample_id, each.reason) for each in ledger.left_out] == [
        (f"{path}: annotations[4]", "empty content"),
        (f"{path}: images[2]", "picture file missing"),
        (f"{path}: images[3]", "no captions"),
    ]


def test_another_json_file_is_refused(root: Path):
    write_json(root / "captions.json", {"images": []})
    with pytest.raises(DataError, match="no list 'annotations'; is it the file"):
        CocoCaptions(path="captions.json", images="images").read(root)


def test_real_coco_captions_are_read(tmp_path: Path):
    folder = shared_data("grounding", "coco_000000039769")
    import json

    said = json.loads((folder / "captions.json").read_text())
    published = {
        "images": [{"id": 39769, "file_name": "000000039769.png"}],
        "annotations": [{"image_id": 39769, "id": i, "caption": c} for i, c in enumerate(said)],
    }
    write_json(tmp_path / "captions.json", published)
    source = CocoCaptions(path=str(tmp_path / "captions.json"), images=str(folder))
    [cats], _ = source.read()
    assert captions(cats)[2] == "two cats lying near two remotes on a purple sheets"


# -- Flickr ----------------------------------------------------------------------------------------


def test_real_flickr8k_is_read_split_by_split():
    folder = shared_data("flickr8k")
    conversations, ledger = Flickr8k(folder=str(folder)).read()
    assert len(conversations) == ledger.num_kept == 5996
    assert len(captions(conversations[0])) == 5
    assert len(ledger.left_out) == 4, "the absent pictures of this split"
    assert len(ledger.filtered) == 93, "what belongs to no split is no fault"
    ledger.stop_above(0.001)


FLICKR = {
    "results.token": (
        "1.jpg#0\tTwo young guys .\n1.jpg#1\tTwo men .\n2.jpg#0\tA child .\n",
        {"1.jpg": ["Two young guys .", "Two men ."], "2.jpg": ["A child ."]},
    ),
    "results.csv": (
        "image_name| comment_number| comment\n1.jpg| 0| Two young guys , | one .\n"
        "1.jpg| 1| Two men .\n2.jpg| 0| A child .\n",
        {"1.jpg": ["Two young guys , | one .", "Two men ."], "2.jpg": ["A child ."]},
    ),
    "annotations.csv": (
        "raw,sentids,split,filename,img_id\n"
        '"[""Two, young"", ""Two men""]","[0, 1]",train,1.jpg,0\n'
        '"[""A child""]",[2],test,2.jpg,1\n',
        {"1.jpg": ["Two, young", "Two men"], "2.jpg": ["A child"]},
    ),
    "dataset_flickr30k.json": (
        '{"images": [{"filename": "1.jpg", "split": "train", "sentences": [{"raw": "Two"}, '
        '{"raw": "Men"}]}, {"filename": "2.jpg", "split": "test", "sentences": [{"raw": "A"}]}]}',
        {"1.jpg": ["Two", "Men"], "2.jpg": ["A"]},
    ),
}


@pytest.mark.parametrize("name", FLICKR)
def test_flickr30k_is_read_in_every_form_it_goes_round_in(root: Path, name: str):
    text, expected = FLICKR[name]
    (root / name).write_text(text)
    conversations, ledger = Flickr30k(path=name, images="images", tolerate=0.0).read(root)
    assert by_name(conversations) == expected
    assert ledger.num_kept == 2


@pytest.mark.parametrize("name", ["annotations.csv", "dataset_flickr30k.json"])
def test_the_splits_of_a_file_that_names_them_are_kept_apart(root: Path, name: str):
    (root / name).write_text(FLICKR[name][0])
    conversations, _ = Flickr30k(path=name, images="images", split="test").read(root)
    assert list(by_name(conversations)) == ["2.jpg"]
    with pytest.raises(DataError, match="names no split 'dev'; it names: test, train"):
        Flickr30k(path=name, images="images", split="dev").read(root)


def test_the_line_of_flickr30k_that_lacks_a_bar_is_listed(root: Path):
    text = FLICKR["results.csv"][0] + "2.jpg| 4   A dog runs across the grass .\n"
    (root / "results.csv").write_text(text)
    source = Flickr30k(path="results.csv", images="images", tolerate=0.5)
    conversations, ledger = source.read(root)
    assert by_name(conversations) == FLICKR["results.csv"][1]
    assert [(e.sample_id, e.reason) for e in ledger.left_out] == [
        (f"{root / 'results.csv'}:5", "malformed line")
    ]


# -- folders ---------------------------------------------------------------------------------------


def test_a_text_beside_a_picture_is_its_caption(root: Path):
    (root / "images" / "1.txt").write_text("A bowl\nof pears.\n")
    (root / "images" / "2.txt").write_text("A cat")
    (root / "images" / "9.txt").write_text("Nobody's")
    (root / "images" / "sub").mkdir()
    (root / "images" / "sub" / "4.PNG").touch()
    (root / "images" / "sub" / "4.txt").write_text(" ")
    conversations, ledger = CaptionedFolder(folder="images", tolerate=0.7).read(root)
    assert by_name(conversations) == {"1.jpg": ["A bowl of pears."], "2.jpg": ["A cat"]}
    assert [(each.sample_id, each.reason) for each in ledger.left_out] == [
        ("3.jpg", "no captions"),
        ("9.txt", "picture file missing"),
        ("sub/4.PNG", "empty content"),
    ]


def test_a_table_of_captions_is_read_instead(root: Path):
    (root / "images" / "1.txt").write_text("Not read.")
    write_lines(
        root / "images" / "metadata.jsonl",
        {"file_name": "2.jpg", "text": "A cat"},
        {"file_name": "1.jpg", "text": "Pears"},
        {"file_name": "5.jpg", "text": "Gone"},
    )
    conversations, ledger = CaptionedFolder(folder="images", tolerate=0.7).read(root)
    assert by_name(conversations) == {"2.jpg": ["A cat"], "1.jpg": ["Pears"]}
    assert [(each.sample_id.rpartition("/")[2], each.reason) for each in ledger.left_out] == [
        ("metadata.jsonl:3", "picture file missing"),
        ("3.jpg", "no captions"),
    ]


def test_a_table_may_be_csv_and_call_its_captions_anything(root: Path):
    text = 'file_name,title\n1.jpg,"Pears, ripe"\n2.jpg,A cat\n3.jpg,A dog\n'
    (root / "images" / "metadata.csv").write_text(text)
    conversations, _ = CaptionedFolder(folder="images", column="title").read(root)
    assert by_name(conversations) == {
        "1.jpg": ["Pears, ripe"],
        "2.jpg": ["A cat"],
        "3.jpg": ["A dog"],
    }
    with pytest.raises(DataError, match="the line has no 'text'"):
        CaptionedFolder(folder="images", tolerate=0.0).read(root)
