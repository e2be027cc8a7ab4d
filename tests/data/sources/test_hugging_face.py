"""Hugging Face data sets: rows become conversations, whatever the columns are called."""

import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.data.drawn import write_lines, write_picture

from triptych.data.sources import HuggingFaceData
from triptych.data.sources.conversation import BadSample
from triptych.data.sources.hugging_face import read_row
from triptych.errors import ConfigError, DataError, MissingExtraError

PICTURE = {"bytes": b"picture", "path": None}
OTHER = {"bytes": b"other", "path": "7.jpg"}


def source(**columns: Any) -> HuggingFaceData:
    return HuggingFaceData(path="owner/name", **columns)


def said(messages: Any) -> list[Any]:
    return [
        (message["role"], message["content"])
        if isinstance(message["content"], str)
        else (message["role"], [part.get("text", part.get("image")) for part in message["content"]])
        for message in messages
    ]


def test_a_caption_or_several_are_answers_to_the_picture():
    read = read_row(source(text="text"), {"image": PICTURE, "text": "A cat."}, "train[0]")
    assert said(read.messages) == [("user", [b"picture"]), ("assistant", "A cat.")]
    row = {"jpg": [PICTURE], "captions": ["A cat.", "A  dog."]}
    several = read_row(source(images="jpg", text="captions", prompt="Say."), row, "train[0]")
    assert said(several.messages) == [("user", [b"picture", "Say."]), ("assistant", "A cat.")]
    assert said(several.others[0])[1] == ("assistant", "A dog.")


def test_a_question_is_asked_about_the_picture():
    row = {"image": PICTURE, "query": "What is it?", "label": ["a cat", "cat"]}
    read = read_row(source(question="query", answer="label"), row, "train[0]")
    assert said(read.messages) == [("user", [b"picture", "What is it?"]), ("assistant", "a cat")]


TURNS = {
    "llava": [{"from": "human", "value": "Same?"}, {"from": "gpt", "value": "No."}],
    "chat": [{"role": "user", "content": "Same?"}, {"role": "assistant", "content": "No."}],
    "cauldron": [{"user": "Same?", "assistant": "No.", "source": "x"}],
    "parts": [
        {
            "role": "user",
            "content": [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "Same?"}],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "No."}]},
    ],
}


@pytest.mark.parametrize("form", TURNS)
def test_turns_are_read_in_every_form_with_the_pictures_in_front(form: str):
    row = {"images": [PICTURE, OTHER], "texts": TURNS[form]}
    read = read_row(source(images="images", conversations="texts"), row, "train[0]")
    assert said(read.messages) == [("user", [b"picture", b"other", "Same?"]), ("assistant", "No.")]


def test_pictures_stand_at_their_markers():
    turns = [{"user": "First <image> then <image>.", "assistant": "Yes."}]
    row = {"images": [PICTURE, OTHER], "texts": turns}
    read = read_row(source(images="images", conversations="texts"), row, "train[0]")
    assert said(read.messages)[0][1] == ["First ", b"picture", " then ", b"other", "."]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"image": None, "text": "A cat."}, "picture slots that do not fit"),
        ({"image": {"bytes": None, "path": None}, "text": "A cat."}, "no picture"),
        ({"image": PICTURE, "text": " "}, "empty content"),
        ({"image": PICTURE, "text": None}, "wrong shape"),
    ],
)
def test_a_row_that_is_not_what_its_columns_promise_is_refused(row: Any, reason: str):
    with pytest.raises(BadSample) as error:
        read_row(source(text="text"), row, "train[0]")
    assert error.value.kind == reason


@pytest.mark.parametrize(
    "columns", [{}, {"text": "a", "conversations": "b"}, {"question": "a"}, {"answer": "a"}]
)
def test_columns_that_say_two_things_or_none_are_refused(columns: dict[str, str]):
    with pytest.raises(ConfigError, match="only one of these"):
        source(**columns)


def test_without_the_package_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'triptych\[datasets\]'"):
        source(text="text").read()


def test_what_cannot_be_loaded_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch):
    fake = ModuleType("datasets")

    def load_dataset(*args: object, **options: object) -> None:
        raise ValueError("Unknown split 'dev'.\nShould be one of ['train'].")

    fake.load_dataset = load_dataset  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "datasets", fake)
    with pytest.raises(
        DataError, match=r"owner/name \(split dev\) cannot be loaded: Unknown split"
    ):
        source(text="text", split="dev").read()


# -- the package itself ----------------------------------------------------------------------------

needs_datasets = pytest.mark.skipif(
    find_spec("datasets") is None, reason="needs the extra `datasets`, which is not installed"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A local image folder, in the layout that `datasets` itself reads."""
    rows = []
    for number in range(5):
        write_picture(tmp_path / "data" / "train" / f"{number}.png", number=number)
        rows.append({"file_name": f"{number}.png", "text": f"caption {number}"})
    write_lines(tmp_path / "data" / "train" / "metadata.jsonl", *rows)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    return tmp_path


@needs_datasets
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("stream", [0, 3])
def test_a_real_folder_is_read_mapped_and_streamed_without_decoding(folder: Path, stream: int):
    local = HuggingFaceData(path="data", text="text", stream=stream)
    conversations, ledger = local.read(folder)
    assert len(conversations) == ledger.num_kept == (stream or 5)
    for number in (2, 0):
        content = (folder / "data" / "train" / f"{number}.png").read_bytes()
        picture = conversations[number].messages[0]["content"][0]["image"]
        assert picture == content or Path(picture).read_bytes() == content
        assert conversations[number].messages[1]["content"] == f"caption {number}"
    assert conversations[1].sample_id == "train[1]"


@needs_datasets
@pytest.mark.filterwarnings("ignore")
def test_a_column_that_is_not_there_is_named_with_the_nearest(folder: Path):
    with pytest.raises(DataError, match=r"data has no column 'txt'; did you mean text\?"):
        HuggingFaceData(path="data", text="txt").read(folder)
