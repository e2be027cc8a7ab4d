"""`triptych bench`: figures on stdout, progress on stderr, one sentence where it cannot."""

import json

import pytest
import torch
from PIL import Image

from triptych.measure import profile as profile_module
from triptych.measure.peaks import Peaks
from triptych.measure.stages import STAGES


@pytest.fixture(autouse=True)
def known_peaks(monkeypatch):
    """Measuring the machine takes seconds."""
    gemm = {"float32": 100e9, "bfloat16": 200e9, "int8": 400e9}
    known = Peaks(gemm=gemm, read=10e9, num_threads=1)
    monkeypatch.setattr(profile_module, "measure_peaks", lambda kinds: known)


def test_a_table_is_printed(triptych, model, photo):
    done = triptych("bench", model, photo, "--repeats", 2, "--new-tokens", 2)
    assert done.code == 0
    words = [line.split()[0] for line in done.out.splitlines()]
    assert words == ["qwen2_vl_debug", words[1], "stage", *STAGES, "first", "by"]
    assert done.err.splitlines() == [
        "peaks of this machine",
        "run for warmth",
        "run 1 of 2",
        "run 2 of 2",
        "peaks again",
    ]


def test_programs_read_json(triptych, model, photo):
    done = triptych("bench", model, photo, photo, "--repeats", 1, "--new-tokens", 3, "--json")
    told = json.loads(done.out)
    assert told["pictures"] == 2 and told["new_tokens"] == 3
    assert list(told["stages"]) == list(STAGES)
    assert told["stages"]["open"]["amount"] == 2 * 60 * 40


def test_a_picture_is_drawn_where_none_is_given(triptych):
    arguments = ("bench", "qwen2-vl-debug", "--random", "--repeats", 1, "--json")
    told = json.loads(triptych(*arguments, "--picture-size", "90x60").out)
    assert told["model"] == "qwen2_vl_debug"
    assert told["stages"]["open"]["amount"] == 90 * 60


def test_a_clip_is_watched(triptych, model, tmp_path):
    frames = [Image.new("RGB", (32, 32), (shade, 0, 0)) for shade in (0, 80, 160, 240)]
    frames[0].save(tmp_path / "clip.gif", save_all=True, append_images=frames[1:], duration=500)
    done = triptych(
        "bench", model, "--clip", tmp_path / "clip.gif", "--repeats", 1, "--new-tokens", 1, "--json"
    )
    told = json.loads(done.out)
    assert told["pictures"] == 1 and told["stages"]["open"]["amount"] == 4 * 32 * 32


def test_the_profile_is_drawn(triptych, model, photo, tmp_path):
    target = tmp_path / "profile.png"
    done = triptych("bench", model, photo, "--repeats", 1, "--picture", target)
    assert done.err.splitlines()[-1] == f"drawn: {target}"
    with Image.open(target) as drawn:
        assert drawn.width == 1600


def test_threads_are_those_asked_for(triptych, model, photo, monkeypatch):
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    triptych("bench", model, photo, "--repeats", 1, "--threads", 3)
    assert asked == [3]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["nosuch"], 2, "there is no model named 'nosuch'"),
        (["nosuch", "--random"], 2, "there is no architecture named 'nosuch'"),
        (["mini", "--picture-size", "big"], 2, "must be WIDTHxHEIGHT in pixels"),
        (["mini", "--picture", "profile"], 2, "does not say which kind of picture to write"),
        (["mini", "none.jpg"], 1, "none.jpg"),
        (["mini", "--quantize", "tongue=int8"], 2, "there is no panel 'tongue'"),
        (["mini", "--dtype", "float8"], 2, "no kind of numbers"),
        (["llava-debug", "--random", "--clip", "none.mp4"], 1, "none.mp4"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(triptych, arguments, code, sentence):
    done = triptych("bench", *arguments, "--repeats", 1)
    assert done.code == code
    [last] = [line for line in done.err.splitlines() if line.startswith("triptych: ")]
    assert sentence in last
    assert "Traceback" not in done.err and done.out == ""
