"""Conversations in JSONL: what is read, and what every bad line is told."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from triptych.data.sources.messages import read_messages
from triptych.errors import ConfigError, DataError

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write lines, objects as JSON and texts as they are, beside a picture `photos/7.jpg`."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "7.jpg").touch()

    def lines(*samples: object) -> Path:
        texts = [each if isinstance(each, str) else json.dumps(each) for each in samples]
        path = tmp_path / "samples.jsonl"
        path.write_text("\n".join(texts) + "\n", encoding="utf-8")
        return path

    return lines


def user(content: object) -> dict[str, Any]:
    return {"id": "1", "messages": [{"role": "user", "content": content}]}


IMAGE = {"type": "image", "image": "photos/7.jpg"}
GOOD = {
    "id": "7",
    "messages": [
        {"role": "user", "content": [IMAGE, {"type": "text", "text": "What is this?"}]},
        {"role": "assistant", "content": "A pear."},
    ],
}


def test_a_conversation_is_read_with_the_place_of_its_picture(write: Write, tmp_path: Path):
    [sample], ledger = read_messages(write(GOOD))

    assert sample.sample_id == "7"
    assert list(sample.messages) == [
        {
            "role": "user",
            "content": [
                {"type": "image", "image": tmp_path / "photos" / "7.jpg"},
                {"type": "text", "text": "What is this?"},
            ],
        },
        {"role": "assistant", "content": "A pear."},
    ]
    assert (ledger.num_kept, ledger.left_out) == (1, [])


def test_samples_come_in_the_order_of_the_file_and_blank_lines_do_not_count(write: Write):
    samples, _ = read_messages(write(GOOD | {"id": 2}, "", GOOD | {"id": 1}))
    assert [sample.sample_id for sample in samples] == ["2", "1"]


def test_the_image_url_form_is_the_same_thing(write: Write, tmp_path: Path):
    part = {"type": "image_url", "image_url": {"url": "photos/7.jpg"}}
    [sample], _ = read_messages(write(user([part])))
    assert sample.messages[0]["content"] == [
        {"type": "image", "image": tmp_path / "photos" / "7.jpg"}
    ]


def test_a_data_uri_is_kept_as_it_is(write: Write):
    uri = "data:image/png;base64,iVBORw0KGgo="
    [sample], _ = read_messages(write(user([{"type": "image", "image": uri}])))
    assert sample.messages[0]["content"][0]["image"] == uri


def test_other_keys_are_kept(write: Write):
    [sample], _ = read_messages(write(GOOD | {"category": "fruit"}))
    assert sample.extra == {"category": "fruit"}


def test_clips_boxes_and_points_are_read_with_their_options(write: Write, tmp_path: Path):
    (tmp_path / "frames").mkdir()
    (tmp_path / "clip.mp4").touch()
    parts = [
        IMAGE | {"max_pixels": 10_000},
        {"type": "video", "video": "clip.mp4", "fps": 1.5, "max_frames": 8},
        {"type": "video", "video": "frames", "source_fps": 25},
        {"type": "box", "box": [1, 2.5, 3, 4], "label": "pear", "image": 1},
        {"type": "point", "point": [5, 6]},
    ]
    [sample], _ = read_messages(write(user(parts)))
    assert sample.messages[0]["content"] == [
        parts[0] | {"image": tmp_path / "photos" / "7.jpg"},
        parts[1] | {"video": tmp_path / "clip.mp4"},
        parts[2] | {"video": tmp_path / "frames"},
        parts[3],
        parts[4],
    ]


BAD = {
    "invalid JSON": ('{"id": "1", ', r"is not valid JSON at column"),
    "a list": ([1], r"the line is a list, not an object"),
    "no id": ({"messages": GOOD["messages"]}, r"the line has no 'id'; add the key"),
    "no messages": ({"id": "1"}, r"the line has no 'messages'"),
    "null id": ({"id": None, "messages": []}, r"id is None; write a text or a whole number"),
    "no turns": ({"id": "1", "messages": []}, r"messages is empty"),
    "turns no list": ({"id": "1", "messages": "hi"}, r"messages is a text, not a list"),
    "no role": ({"id": "1", "messages": [{"content": "hi"}]}, r"messages\[0\] has no 'role'"),
    "unknown role": (
        {"id": "1", "messages": [{"role": "usr", "content": "hi"}]},
        r"messages\[0\] has the role 'usr'; did you mean user\?; use one of system, user",
    ),
    "unknown key": (
        {"id": "1", "messages": [{"role": "user", "content": "hi", "contents": 1}]},
        r"unknown key 'contents'; did you mean content\?",
    ),
    "empty text": (user("  "), r"messages\[0\]\.content is empty"),
    "empty list": (user([]), r"messages\[0\]\.content is empty"),
    "null content": (user(None), r"messages\[0\]\.content is null, not a list"),
    "empty text part": (user([{"type": "text", "text": ""}]), r"content\[0\]\.text is empty"),
    "text part without text": (user([{"type": "text"}]), r"content\[0\] has no 'text'"),
    "part without type": (user([{"text": "hi"}]), r"content\[0\] has no 'type'"),
    "unknown part": (
        user([{"type": "img", "img": "7.jpg"}]),
        r"content\[0\] has the type 'img'.*use one of text, image, image_url",
    ),
    "a place in no picture": (
        user([IMAGE, {"type": "point", "point": [1, 2], "image": 1}]),
        r"has a point in picture 1, of 1; count the pictures from 0",
    ),
    "a box of three numbers": (
        user([IMAGE, {"type": "box", "box": [1, 2, 3]}]),
        r"content\[1\]\.box is \[1, 2, 3\]; write a list of 4 numbers",
    ),
    "a box the wrong way round": (
        user([IMAGE, {"type": "box", "box": [3, 2, 1, 4]}]),
        r"its right left of its left",
    ),
    "a point that is no number": (
        user([IMAGE, {"type": "point", "point": [1, float("nan")]}]),
        r"point is \[1, nan\]",
    ),
    "an option that is none": (user([IMAGE | {"fps": 2}]), r"unknown key 'fps'"),
    "an option below 0": (user([IMAGE | {"max_pixels": 0}]), r"max_pixels is 0; write a number"),
    "missing clip": (
        user([{"type": "video", "video": "gone.mp4"}]),
        r"names gone\.mp4, but there is no file",
    ),
    "part no object": (user(["hi"]), r"content\[0\] is a text, not an object"),
    "missing picture": (
        user([IMAGE, {"type": "image", "image": "photos/8.jpg"}]),
        r"content\[1\] names photos/8\.jpg, but there is no file .*put the picture there",
    ),
    "picture on the web": (
        user([{"type": "image", "image": "https://example.com/7.jpg"}]),
        r"does not fetch from the web; download the picture",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_line_is_refused_with_its_place_what_is_wrong_and_the_cure(write: Write, case: str):
    line, message = BAD[case]
    with pytest.raises(DataError, match=rf"samples\.jsonl:2: .*{message}"):
        read_messages(write(GOOD, line))


def test_an_id_used_twice_is_refused(write: Write):
    with pytest.raises(DataError, match=r":2: id '7' is already taken by .*samples\.jsonl:1;"):
        read_messages(write(GOOD, GOOD))


def test_tolerated_bad_lines_are_listed(write: Write):
    path = write(GOOD, "{", *(GOOD | {"id": index} for index in range(10, 18)))
    samples, ledger = read_messages(path, tolerate=0.1)

    assert len(samples) == ledger.num_kept == 9
    assert ledger.counts() == {"invalid JSON": 1}
    assert ledger.left_out[0].sample_id == f"{path}:2"


def test_more_bad_lines_than_tolerated_stop_the_run_and_are_named(write: Write):
    path = write(GOOD, "{", user(""), *(GOOD | {"id": index} for index in range(7)))
    with pytest.raises(DataError, match=r"2 of 10 samples \(20\.00%\)") as error:
        read_messages(path, tolerate=0.1)
    assert f"{path}:3: messages[0].content is empty" in str(error.value)


def test_a_file_without_conversations_is_refused(write: Write):
    with pytest.raises(DataError, match="holds no sample"):
        read_messages(write(""))


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="it should hold one JSON object a line"):
        read_messages(tmp_path / "samples.jsonl")


def test_a_tolerance_that_is_no_share_is_refused(write: Write):
    with pytest.raises(ConfigError, match="0 to 1"):
        read_messages(write(GOOD), tolerate=5.0)
