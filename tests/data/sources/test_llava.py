"""LLaVA's conversations: markers become pictures, and every mismatch is listed."""

from pathlib import Path
from typing import Any

import pytest
from tests.data.drawn import write_json, write_lines

from triptych.data.sources import LlavaSource
from triptych.errors import DataError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("coco/1.jpg", "coco/2.jpg", "clip.mp4"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / name).touch()
    return tmp_path


def turns(*texts: str) -> list[dict[str, str]]:
    return [
        {"from": "gpt" if index % 2 else "human", "value": text} for index, text in enumerate(texts)
    ]


def sample(*texts: str, **fields: Any) -> dict[str, Any]:
    return {"id": "7", "image": "coco/1.jpg", "conversations": turns(*texts)} | fields


def read(root: Path, *samples: object, tolerate: float = 0.0):
    write_json(root / "llava.json", samples)
    return LlavaSource(path="llava.json", images="images", tolerate=tolerate).read(root)


def test_the_published_form_is_read(root: Path):
    [read_one], ledger = read(root, sample("<image>\nWhat is it?", "A bus.", "Sure?", "Yes."))
    picture = {"type": "image", "image": root / "images" / "coco" / "1.jpg"}
    assert read_one.sample_id == "7"
    assert list(read_one.messages) == [
        {"role": "user", "content": [picture, {"type": "text", "text": "What is it?"}]},
        {"role": "assistant", "content": "A bus."},
        {"role": "user", "content": "Sure?"},
        {"role": "assistant", "content": "Yes."},
    ]
    assert (ledger.num_kept, ledger.left_out) == (1, [])


def test_several_pictures_stand_where_their_markers_do(root: Path):
    two = sample("<image> and\n<image>\nDiffer?", "Yes.", image=["coco/2.jpg", "coco/1.jpg"])
    [read_one], _ = read(root, two)
    assert read_one.messages[0]["content"] == [
        {"type": "image", "image": root / "images" / "coco" / "2.jpg"},
        {"type": "text", "text": " and"},
        {"type": "image", "image": root / "images" / "coco" / "1.jpg"},
        {"type": "text", "text": "Differ?"},
    ]


def test_a_marker_behind_the_text_stays_there(root: Path):
    [read_one], _ = read(root, sample("What is it?\n<image>", "A bus."))
    assert [part["type"] for part in read_one.messages[0]["content"]] == ["text", "image"]
    assert read_one.messages[0]["content"][0]["text"] == "What is it?"


def test_clips_and_text_alone_are_samples_too(root: Path):
    clip = {"id": 1, "video": "clip.mp4", "conversations": turns("<video>\nWhat?", "A dog runs.")}
    text = {"id": 2, "conversations": turns("Hello", "Hi!"), "source": "sharegpt"}
    (first, second), _ = read(root, clip, text)
    assert first.messages[0]["content"][0] == {
        "type": "video",
        "video": root / "images" / "clip.mp4",
    }
    assert second.messages[0] == {"role": "user", "content": "Hello"}
    assert second.extra == {"source": "sharegpt"}


def test_boxes_written_as_text_stay_text(root: Path):
    said = "The dog is at [0.1, 0.25, 0.5, 0.9]."
    [read_one], _ = read(root, sample("<image>\nWhere?", said))
    assert read_one.messages[1]["content"] == said


def test_ids_that_repeat_are_numbered(root: Path):
    same = sample("<image>\nWhat?", "A bus.")
    conversations, _ = read(root, same, same, same)
    assert [each.sample_id for each in conversations] == ["7", "7#2", "7#3"]


def test_lines_of_json_are_read_too(root: Path):
    write_lines(root / "llava.jsonl", sample("<image>\nWhat?", "A bus."))
    [read_one], _ = LlavaSource(path="llava.jsonl", images="images").read(root)
    assert read_one.sample_id == "7"


BAD = {
    "a marker too many": (
        sample("<image><image>\nWhat?", "A bus."),
        "picture slots that do not fit",
        r"a <image> without a picture under 'image'; name one picture for each",
    ),
    "a marker too few": (
        sample("What?", "A bus."),
        "picture slots that do not fit",
        r"1 more under 'image' than its text has <image>",
    ),
    "no file": (
        sample("<image>", "A bus.", image="coco/3.jpg"),
        "picture file missing",
        r"image names coco/3\.jpg, but there is no file",
    ),
    "empty answer": (sample("<image>\nWhat?", "  "), "empty content", r"\[1\]\.value is empty"),
    "no answer": (sample("<image>\nWhat?"), "no answer", "no turn is from gpt"),
    "no turns": (sample(), "empty content", "conversations is empty"),
    "unknown role": (
        sample(conversations=[{"from": "gtp", "value": "hi"}]),
        "unknown role",
        r"is from 'gtp'; did you mean gpt\?",
    ),
    "no conversations": ({"id": 7}, "missing key", "has no 'conversations'"),
    "no object": ([], "wrong shape", "the sample is a list, not an object"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_sample_is_refused_or_listed_with_its_place(root: Path, case: str):
    bad, reason, message = BAD[case]
    good = sample("<image>", "A bus.")
    with pytest.raises(DataError, match=rf"llava\.json: entry \[1\]: .*{message}"):
        read(root, good, bad)
    conversations, ledger = read(root, good, bad, tolerate=0.5)
    assert len(conversations) == 1
    assert [(each.sample_id, each.reason) for each in ledger.left_out] == [
        (f"{root / 'llava.json'}: entry [1]", reason)
    ]


def test_files_that_are_not_the_format_are_refused(root: Path):
    write_json(root / "llava.json", {"id": 1})
    with pytest.raises(DataError, match="holds an object, not a list; it should hold LLaVA"):
        LlavaSource(path="llava.json", images="images").read(root)
    (root / "llava.json").write_text('[{"id": 1},\n{]')
    with pytest.raises(DataError, match=r"llava\.json:2 is not valid JSON at column 2"):
        LlavaSource(path="llava.json", images="images").read(root)
    with pytest.raises(DataError, match="photos is not a folder"):
        LlavaSource(path="llava.json", images="photos").read(root)
