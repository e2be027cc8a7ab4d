"""Whatever one gives the command line, a wrong input gets one helpful sentence."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from tests.cli.command import Command


def missing(folder: Path) -> Path:
    return folder / "missing.jpg"


def text_called_jpg(folder: Path) -> Path:
    path = folder / "text.jpg"
    path.write_text("This is a letter, not a picture.\n" * 20)
    return path


def truncated_jpeg(folder: Path) -> Path:
    path = folder / "cut.jpg"
    Image.effect_noise((200, 200), 80).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[:2000])
    return path


def huge_png_header(folder: Path) -> Path:
    """A file of a few bytes that claims 40000 x 40000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" * 64)
    path = folder / "huge.png"
    chunks = [
        struct.pack(">I", len(each) - 4) + each + struct.pack(">I", zlib.crc32(each))
        for each in (header, data, b"IEND")
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


def sliver(folder: Path) -> Path:
    path = folder / "sliver.png"
    Image.new("RGB", (1, 10_000)).save(path)
    return path


def empty_file(folder: Path) -> Path:
    path = folder / "empty.png"
    path.touch()
    return path


def folder_itself(folder: Path) -> Path:
    return folder


@pytest.mark.parametrize(
    "bad",
    [missing, text_called_jpg, truncated_jpeg, huge_png_header, sliver, empty_file, folder_itself],
)
@pytest.mark.parametrize("verb", ["caption", "ask", "locate", "read"])
def test_a_bad_picture_is_named_in_one_sentence(
    triptych: Command, model: Path, tmp_path: Path, verb: str, bad: Callable[[Path], Path]
) -> None:
    path = bad(tmp_path)
    question = ["what is it?"] if verb in ("ask", "locate") else []
    done = triptych(verb, path, *question, "--model", model, "--max-tokens", 2)
    assert done.code == 1
    assert path.name in done.sentence


def test_a_bad_picture_among_good_ones_is_the_one_that_is_named(
    triptych: Command, model: Path, photo: Path, tmp_path: Path
) -> None:
    done = triptych("caption", photo, text_called_jpg(tmp_path), photo, "--model", model)
    assert done.code == 1
    assert "text.jpg" in done.sentence


def test_a_picture_of_one_pixel_is_captioned(
    triptych: Command, model: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    done = triptych("caption", tmp_path / "dot.png", "--model", model, "--max-tokens", 2)
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("question", ["", "   "])
def test_an_empty_question_is_refused(
    triptych: Command, model: Path, photo: Path, question: str
) -> None:
    done = triptych("ask", photo, question, "--model", model)
    assert done.code == 2
    assert "question is empty" in done.sentence


def test_a_question_without_a_picture_is_refused(triptych: Command, model: Path) -> None:
    done = triptych("ask", "what is it?", "--model", model)
    assert done.code == 2
    assert "at least one picture" in done.sentence


def test_an_unknown_model_names_the_known_runs(
    triptych: Command, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs" / "flickr8k" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    done = triptych("caption", photo, "--model", "runs/flickr8")
    assert done.code == 2
    assert "did you mean runs/flickr8k" in done.sentence


def test_a_folder_without_a_model_is_refused(
    triptych: Command, photo: Path, tmp_path: Path
) -> None:
    done = triptych("caption", photo, "--model", tmp_path)
    assert done.code == 2
    assert "holds no trained model" in done.sentence


def test_torn_weights_are_named(
    triptych: Command, model: Path, photo: Path, tmp_path: Path
) -> None:
    torn = tmp_path / "torn"
    torn.mkdir()
    for path in (model / "model").iterdir():
        (torn / path.name).write_bytes(path.read_bytes())
    weights = torn / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    done = triptych("caption", photo, "--model", torn)
    assert done.code == 1
    assert "model.safetensors is torn" in done.sentence


@pytest.mark.parametrize(
    "wrong",
    [
        *(("--beams", 0), ("--top-p", 0), ("--temperature", -1), ("--max-tokens", 0)),
        *(("--min-p", 2), ("--repetition-penalty", 0), ("--alternatives", 21), ("--lookup", -1)),
        ("--contrast", "blank", "--contrast-strength", -1),
        *(("--beams", 3, "--temperature", 1), ("--beams", 3, "--contrast", "blank")),
    ],
)
def test_generation_options_out_of_range_are_refused(
    triptych: Command, model: Path, photo: Path, wrong: tuple[str | float, ...]
) -> None:
    done = triptych("caption", photo, "--model", model, *wrong)
    assert (done.code, done.sentence.count(";") <= 1) == (2, True)


@pytest.mark.parametrize("most", [0, -1, 3])
def test_a_number_of_pixels_that_makes_no_sense_is_refused(
    triptych: Command, model: Path, photo: Path, most: int
) -> None:
    done = triptych("caption", photo, "--model", model, "--max-pixels", most)
    assert done.code == 2
    assert "max_pixels must be" in done.sentence


def test_an_unknown_recipe_names_the_nearest(triptych: Command) -> None:
    done = triptych("train", "shape")
    assert done.code == 2
    assert "did you mean shapes" in done.sentence
    assert "did you mean flickr8k" in triptych("recipes", "show", "flickr9k").sentence


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("train.epoch=3", "did you mean epochs"),
        ("trian.epochs=3", "did you mean train"),
        ("train.epochs=many", "epochs must be int"),
        ("train.epochs=0", "epochs must be at least 1"),
        ("train.schedule=linear", "cosine, constant"),
        ("train.epochs", "write key=value"),
    ],
)
def test_a_wrong_setting_says_what_is_right(
    triptych: Command, tmp_path: Path, assignment: str, expected: str
) -> None:
    done = triptych("train", "shapes", assignment, "--out", tmp_path / "run")
    assert done.code == 2
    assert expected in done.sentence
    assert not (tmp_path / "run").exists()


def test_a_recipe_that_needs_data_says_so(triptych: Command, tmp_path: Path) -> None:
    done = triptych("train", "flickr8k", "--out", tmp_path / "run")
    assert done.code == 2
    assert "--data" in done.sentence
    done = triptych("train", "flickr8k", "--data", tmp_path / "nowhere", "--out", tmp_path / "run")
    assert done.code == 1
    assert "nowhere" in done.sentence


def test_an_unreadable_line_of_the_data_is_named(triptych: Command, tmp_path: Path) -> None:
    (tmp_path / "Flickr8k.token.txt").write_text("1.jpg#0\ta dog\nno tab and no number\n")
    done = triptych("train", "flickr8k", "--data", tmp_path, "--out", tmp_path / "run")
    assert done.code == 1
    assert "Flickr8k.token.txt:2" in done.sentence


def test_resuming_without_a_checkpoint_says_to_start(triptych: Command, tmp_path: Path) -> None:
    done = triptych("train", "shapes", "--resume", "--out", tmp_path / "run")
    assert done.code == 1
    assert "start without --resume" in done.sentence


def test_a_place_that_cannot_be_written_is_named(triptych: Command, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = triptych("train", "shapes", "--out", tmp_path / "file" / "run")
    assert done.code == 1
    assert "file" in done.sentence


def test_an_unknown_architecture_names_the_nearest(triptych: Command) -> None:
    done = triptych("xray", "--architecture", "qwen2_vl_7")
    assert done.code == 2
    assert "did you mean qwen2_vl_7b" in done.sentence


@pytest.mark.parametrize("size", ["10", "10x", "0x10", "-5x3", "axb"])
def test_a_wrong_size_is_refused(triptych: Command, size: str) -> None:
    done = triptych("xray", "--architecture", "llava_debug", "--size", size)
    assert done.code == 2
    assert "WIDTHxHEIGHT" in done.sentence


def test_an_xray_of_nothing_is_refused(triptych: Command) -> None:
    done = triptych("xray")
    assert done.code == 2
    assert "--architecture" in done.sentence
