"""`triptych check`: planted faults are named, and a run is held against its forecast."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.command import Command

MODEL = ("--model", "qwen2_vl_debug")


def photo(path: Path, seed: int, size: tuple[int, int] = (120, 90)) -> str:
    cells = np.random.default_rng(seed).integers(0, 255, (6, 8, 3)).astype(np.uint8)
    Image.fromarray(cells).resize(size, Image.Resampling.BILINEAR).save(path)
    return path.name


def line(name: str, *pictures: str, asked: str = "What?", said: str = "a photo") -> str:
    shown = [{"type": "image", "image": each} for each in pictures]
    messages = [
        {"role": "user", "content": [*shown, {"type": "text", "text": asked}]},
        {"role": "assistant", "content": said},
    ]
    return json.dumps({"id": name, "messages": messages})


def good_lines(folder: Path, count: int) -> list[str]:
    return [line(f"good{n}", photo(folder / f"{n}.png", n)) for n in range(count)]


FOUND_BY_READING = {
    "picture file missing": line("gone", "gone.png"),
    "invalid JSON": '{"id": "half", "mess',
    "unknown role": line("role").replace('"user"', '"human"'),
    "unknown part type": line("part", "0.png").replace('"image"', '"imago"'),
    "missing key": '{"id": "key"}',
    "repeated id": line("copy"),
    "empty content": line("mute", said="  "),
    "place without a picture": line("box").replace(
        '"content": [', '"content": [{"type": "box", "box": [1, 1, 9, 9]}, ', 1
    ),
}
"""What a reader leaves out; findings name the place in the file."""

FOUND_BY_LOOKING = {
    "pictures alike": line("copy", "copy.jpg"),
    "picture cannot be used": line("torn", "torn.png"),
    "slot written as text": line("slot", asked="<image> What?"),
    "end cut off": line("long", said="word " * 200),
}
"""What else is wrong; findings name the sample."""

OF_ALL = ("too many unusable", "too many ends cut off")


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three good lines, then one with a fault of each kind."""
    folder = tmp_path_factory.mktemp("spoilt")
    lines = good_lines(folder, 3)
    photo(folder / "copy.jpg", 0, (60, 45))
    torn = (folder / "0.png").read_bytes()
    (folder / "torn.png").write_bytes(torn[: len(torn) // 2])
    faults = [*FOUND_BY_LOOKING.values(), *FOUND_BY_READING.values()]
    (folder / "spoilt.jsonl").write_text("\n".join([*lines, *faults]) + "\n")
    return folder / "spoilt.jsonl"


def test_a_fault_of_each_kind_is_found_with_its_sample_and_its_cure(
    triptych: Command, spoilt: Path
) -> None:
    done = triptych("check", spoilt, *MODEL, "--json")
    assert (done.code, done.err) == (1, "")
    told = json.loads(done.out)
    [stage] = told["stages"]
    found = {each["kind"]: each for each in stage["findings"]}
    places = range(4 + len(FOUND_BY_LOOKING), 100)
    expected = {kind: json.loads(text)["id"] for kind, text in FOUND_BY_LOOKING.items()}
    expected |= {kind: f"{spoilt}:{n}" for kind, n in zip(FOUND_BY_READING, places, strict=False)}
    expected |= dict.fromkeys(OF_ALL, f"MessagesSource {spoilt}")
    assert {kind: each["sample_id"] for kind, each in found.items()} == expected
    assert stage["counts"] == dict.fromkeys(found, 1)
    assert all(each["what"] and each["fix"] for each in found.values())
    assert [kind for kind, each in found.items() if each["spoils"]] == list(OF_ALL)
    assert told["spoils"]
    assert stage["sources"][0]["samples"] == stage["sources"][0]["looked_at"] == 15
    assert stage["sources"][0]["unusable"] == 9 and stage["sources"][0]["cut"] == 1
    assert sum(each["count"] for each in stage["tokens"]) == 6


def test_headers_alone_and_few_samples_find_less(triptych: Command, spoilt: Path) -> None:
    done = triptych("check", spoilt, *MODEL, "--headers", "--limit", "2", "--json")
    [stage] = json.loads(done.out)["stages"]
    assert not {"picture cannot be used", "pictures alike"} & set(stage["counts"])
    assert sum(each["count"] for each in stage["tokens"]) == 2


def test_good_data_is_shown_with_its_labels_in_colour_and_drawn(
    triptych: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "good.jsonl").write_text("\n".join(good_lines(tmp_path, 3)))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    done = triptych("check", tmp_path / "good.jsonl", *MODEL, "--out", tmp_path / "drawn" / "b.png")
    assert done.code == 0, done.out + done.err
    assert "nothing was found" in done.out
    green, bold_green, dim, end = "\x1b[32m", "\x1b[1;32m", "\x1b[2m", "\x1b[0m"
    assert f"{green}a photo{end}{bold_green}<|im_end|>{end}" in done.out
    assert f"{dim}What?{end}" in done.out
    assert "[picture 0: 30 slots]" in done.out
    assert "visual tokens of a picture: 30 to 30" in re.sub(r"\x1b\[\d*m", "", done.out)
    with Image.open(tmp_path / "drawn" / "b.png") as image:
        assert image.format == "PNG" and image.width > 2 * image.height


RECIPE = """\
summary: a try
model: {type: FreshModel, architecture: qwen2_vl_debug}
stages:
  - name: align
    train: {learning_rates: {connector: 1e-3}, epochs: 2, batch_size: 2, accumulate: 2}
    num_validated: 2
    data:
      shares:
        - source: {type: MessagesSource, path: good.jsonl}
    validation:
      shares:
        - source: {type: MessagesSource, path: held_out.jsonl}
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe in the folder of its data: eight samples, and one that is held out."""
    folder = tmp_path_factory.mktemp("recipe")
    (folder / "good.jsonl").write_text("\n".join(good_lines(folder, 8)))
    photo(folder / "other.png", 100)
    (folder / "held_out.jsonl").write_text(line("other", "other.png"))
    (folder / "mine.yaml").write_text(RECIPE)
    return folder / "mine.yaml"


def test_a_held_out_picture_that_is_trained_on_spoils_a_recipe(
    triptych: Command, recipe: Path, tmp_path: Path
) -> None:
    for path in recipe.parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    photo(tmp_path / "other.png", 5, (90, 60))
    where = ("--data", tmp_path)
    assert triptych("check", recipe, "--data", recipe.parent).code == 0
    done = triptych("check", recipe, *where, "--json")
    assert done.code == 1
    [finding] = json.loads(done.out)["stages"][0]["findings"]
    assert finding["kind"] == "held out and trained on"
    assert finding["sample_id"] == "other" and "of sample good5" in finding["what"]


def test_what_was_foreseen_is_held_against_what_happened(
    triptych: Command, recipe: Path, tmp_path: Path
) -> None:
    run, where = tmp_path / "run", ("--data", recipe.parent)
    assert triptych("train", recipe, *where, "--out", run).code == 0
    done = triptych("check", recipe, *where, "--time", "--against", run, "--json")
    assert done.code == 0, done.err
    [stage] = json.loads(done.out)["stages"]
    forecast, happened = stage["forecast"], stage["happened"]
    assert forecast["steps"] == 4 and forecast["hours"] > 0 and forecast["steps_per_hour"] > 0
    assert list(happened) == ["steps", "tokens a step", "hours", "checkpoint GB", "memory GB"]
    exact = ("steps", "tokens a step")
    assert all(happened[name]["ratio"] == pytest.approx(1.0) for name in exact)
    assert happened["checkpoint GB"]["ratio"] == pytest.approx(1.0, abs=0.1)
    # Of five steps, one is timed three times; all that is sure is that both are times.
    assert happened["hours"]["happened"] > 0
    shown = triptych("check", recipe, *where, "--against", run)
    assert "steps" in shown.out and "foreseen" in shown.out and "happened" in shown.out
    missing = triptych("check", recipe, *where, "--against", tmp_path / "none")
    assert missing.code == 1 and "none holds no record.jsonl of a run" in missing.err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("none.jsonl",), "there is no file none.jsonl; name a JSONL file of messages, or a rec"),
        (("some.jsonl", "--time"), "--time goes with a recipe, not with a file of data"),
        (("some.jsonl", "--against", "run"), "--against goes with a recipe"),
        (("some.jsonl", "--data", "there"), "--data goes with a recipe"),
        (("some.jsonl", "train.epochs=2"), "a change goes with a recipe"),
        (
            ("llava_debug", "--model", "mini"),
            "--model goes with a file of data; a recipe names its",
        ),
        (("some.jsonl", "--out", "bars.txt"), "bars.txt does not say which kind of picture"),
        (("llava_2",), "llava_2"),
        (("mini",), "mini makes its data while it runs"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(
    triptych: Command, options: tuple[str, ...], sentence: str
) -> None:
    done = triptych("check", *options)
    assert done.code == 2 and sentence in done.sentence
