"""Files and folders that are whole or absent, whenever the writer is stopped."""

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from triptych.checkpoint.files import (
    load_state,
    open_tensors,
    read_json,
    read_tensors,
    recover_folder,
    replacing_folder,
    write_bytes,
    write_json,
    write_tensors,
)
from triptych.errors import CheckpointError


class PowerCut(BaseException):
    """Nothing catches it on purpose."""


def cut_power(*args: object, **options: object) -> None:
    raise PowerCut


def test_json_comes_back_as_it_was(tmp_path):
    value = {"a": [1, 2.5, None], "ü": {"b": True}}
    write_json(tmp_path / "new" / "x.json", value)
    assert read_json(tmp_path / "new" / "x.json") == value
    assert os.listdir(tmp_path / "new") == ["x.json"]


def test_a_crash_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    write_json(path, 1)
    monkeypatch.setattr(os, "fsync", cut_power)
    with pytest.raises(PowerCut):
        write_json(path, 2)
    assert read_json(path) == 1


def test_a_half_written_file_is_no_obstacle(tmp_path, monkeypatch):
    path = tmp_path / "x"
    with monkeypatch.context() as patched, pytest.raises(PowerCut):
        patched.setattr(os, "fsync", cut_power)
        write_bytes(path, b"half")
    assert not path.exists()
    write_bytes(path, b"whole")
    assert path.read_bytes() == b"whole"


def test_a_folder_takes_the_place_of_the_old_one_as_a_whole(tmp_path):
    folder = tmp_path / "model"
    for name in ("a", "b"):
        with replacing_folder(folder) as partial:
            assert not any(partial.iterdir())
            (partial / name).touch()
    assert os.listdir(folder) == ["b"]
    assert os.listdir(tmp_path) == ["model"]


def test_an_error_while_filling_leaves_the_old_folder_and_nothing_else(tmp_path):
    folder = tmp_path / "model"
    with replacing_folder(folder) as partial:
        (partial / "old").touch()
    with pytest.raises(PowerCut), replacing_folder(folder) as partial:
        (partial / "new").touch()
        raise PowerCut
    assert os.listdir(folder) == ["old"]
    assert os.listdir(tmp_path) == ["model"]


@pytest.mark.parametrize("failing", [1, 2])
def test_a_failing_rename_leaves_the_old_folder(tmp_path, monkeypatch, failing):
    folder = tmp_path / "model"
    with replacing_folder(folder) as partial:
        (partial / "old").touch()
    rename, calls = Path.rename, iter(range(1, 9))

    def sometimes(path: Path, target: Path) -> Path:
        if next(calls) == failing:
            raise PowerCut
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", sometimes)
    with pytest.raises(PowerCut), replacing_folder(folder) as partial:
        (partial / "new").touch()
    assert os.listdir(folder) == ["old"]


def test_a_folder_caught_between_two_renames_is_put_back(tmp_path):
    folder = tmp_path / "model"
    (tmp_path / "model.replaced").mkdir()
    (tmp_path / "model.replaced" / "old").touch()
    recover_folder(folder)
    assert os.listdir(tmp_path) == ["model"]
    assert os.listdir(folder) == ["old"]


def test_a_folder_that_stands_is_not_overwritten_by_what_it_replaced(tmp_path):
    for name in ("model", "model.replaced"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    recover_folder(tmp_path / "model")
    assert os.listdir(tmp_path / "model") == ["model"]


def test_tensors_come_back_bit_for_bit(tmp_path):
    tensors = {
        "half": torch.randn(3, 4).bfloat16(),
        "turned": torch.randn(3, 4).T,
        "none": torch.zeros(0, 2),
        "whole": torch.arange(5),
    }
    write_tensors(tmp_path / "x.safetensors", tensors)
    read = read_tensors(tmp_path / "x.safetensors")
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensors[name]) for name in tensors)
    assert all(read[name].dtype == tensors[name].dtype for name in tensors)


def test_tensors_that_share_memory_are_each_written_out(tmp_path):
    shared = torch.randn(3)
    write_tensors(tmp_path / "x.safetensors", {"a": shared, "b": shared})
    read = read_tensors(tmp_path / "x.safetensors")
    assert torch.equal(read["a"], shared) and torch.equal(read["b"], shared)


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_torn_file_is_refused_with_a_cure(tmp_path, kept):
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": torch.randn(100)})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"x.safetensors is torn .* earlier checkpoint"):
        read_tensors(path)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(CheckpointError, match=r"x.safetensors does not exist; is .* a model"):
        read_tensors(tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match=r"x.json does not exist; is .* a model"):
        read_json(tmp_path / "x.json")


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b""])
def test_what_is_not_json_is_refused(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x.json is not valid JSON"):
        read_json(tmp_path / "x.json")


@pytest.mark.parametrize("suffix", [".bin", ".pt", ".pth", ".ckpt", ".pkl"])
def test_a_pickle_is_never_opened(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=r"pickle.*run code.*convert it to safetensors"):
        read_tensors(path)


def test_a_pickle_under_another_name_is_no_safetensors_file(tmp_path):
    path = tmp_path / "weights.safetensors"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="torn or not a safetensors file"), open_tensors(path):
        pass


def test_weights_that_do_not_fit_are_listed_and_nothing_is_loaded():
    module = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))
    before = module[1].bias.detach().clone()
    given = {"0.weight": torch.zeros(3, 5), "1.bias": torch.ones(4), "2.bias": torch.zeros(4)}
    message = (
        r"x.safetensors does not fit this model; missing: 0.bias, 1.weight; unexpected: 2.bias; "
        r"shape: 0.weight is \(3, 5\), expected \(3, 2\)"
    )
    with pytest.raises(CheckpointError, match=message):
        load_state(module, given, "x.safetensors")
    assert torch.equal(module[1].bias, before)


def test_a_long_list_of_names_is_cut():
    module = nn.Sequential(*(nn.Linear(1, 1) for _ in range(4)))
    with pytest.raises(CheckpointError, match=r"2.bias and 3 more"):
        load_state(module, {}, "x")
