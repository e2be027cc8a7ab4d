"""`fits` and `models`: what there is, and whether it can run here."""

import json
from pathlib import Path

import pytest
from huggingface_hub import constants
from tests.cli.command import Command

from triptych.xray import catalogue, forecast


@pytest.fixture(autouse=True)
def nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(catalogue, "ARCHITECTURES", ("qwen2_vl_2b",))
    monkeypatch.setattr(catalogue, "SCORERS", {})
    monkeypatch.setattr(forecast, "available_memory_bytes", lambda: 8 * 10**9)


def test_a_model_that_fits_exits_with_0_and_one_that_does_not_with_1(triptych: Command) -> None:
    small, large = triptych("fits", "mini"), triptych("fits", "qwen2_vl_2b")
    assert (small.code, large.code) == (0, 1)
    assert "fits: this machine has 8.00 GB to spare" in small.out
    assert "does not fit" in large.out and "999 tokens" in large.out
    assert triptych("fits", "qwen2_vl_2b", "--dtype", "bfloat16").code == 0
    assert triptych("fits", "qwen2_vl_2b", "--quantize", "int8").code == 0
    assert small.err == large.err == ""


def test_json_says_the_same_in_bytes(triptych: Command) -> None:
    done = triptych("fits", "qwen2_vl_2b", "--pictures", 2, "--tokens", 100, "--json")
    told = json.loads(done.out)
    assert done.code == 1 and told["fits"] is False
    assert told["tokens"] == 2 * 999 + 100
    assert told["weight_bytes"]["total"] == 4 * 2_208_985_600
    parts = ("cache_bytes", "activation_bytes", "program_bytes")
    total = told["weight_bytes"]["total"] + sum(told[part] for part in parts)
    assert told["total_bytes"] == total


def test_a_folder_fits_like_its_architecture(triptych: Command, model: Path) -> None:
    told = json.loads(triptych("fits", model, "--json").out)
    assert told["name"] == "qwen2_vl_debug" and told["fits"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fits", "qwne"), "no model named 'qwne'"),
        (("fits", "mini", "--picture", "large"), "must be WIDTHxHEIGHT"),
        (("models", "nowhere"), "nowhere is not a folder"),
    ],
)
def test_what_does_not_exist_is_refused(
    triptych: Command, arguments: tuple[str, ...], message: str
) -> None:
    done = triptych(*arguments)
    assert done.code == 2
    assert message in done.sentence


def test_models_are_listed_for_people_and_programs(triptych: Command, model: Path) -> None:
    shown = triptych("models", model)
    assert (shown.code, shown.err) == (0, "")
    assert "mini" in shown.out and "qwen2_vl_2b" in shown.out and "in folders" in shown.out
    told = json.loads(triptych("models", model, "--json").out)
    kinds = [each["kind"] for each in told["models"]]
    assert kinds == ["embedded", "folder", "native"]
    assert told["models"][2]["parameters"]["total"] == 2_208_985_600
    assert told["families"]["Qwen2-VL"] == ["qwen2_vl"]
