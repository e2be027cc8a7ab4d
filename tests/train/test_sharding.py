"""Processes that share a model: the numbers of one process, and checkpoints of shards."""

from dataclasses import replace
from typing import Any

import pytest
from tests.train.sittings import told_by
from tests.train.tiny_run import CONFIG

from triptych.errors import ConfigError
from triptych.train.contents import check_shard_files

TERM, KILLED = 143, -9


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """About fifteen seconds of computing."""
    return told_by("tests.train.shard_runs", tmp_path_factory.mktemp("shards"))


def test_gradients_are_those_of_one_process_whoever_has_pictures_and_however_many_passes(
    told: dict[str, Any],
) -> None:
    # Every second sample is without a picture: with two processes that is all of one of them, which
    # runs no vision panel. Largest measured: 1.8e-7 of the largest entry, 6.3e-7 of a loss of 5.7.
    made = dict(told["gradients"])
    assert set(made.pop("codes")) == {0}
    assert len(made) == 8  # two ranks twice, four ranks once
    for cut, found in made.items():
        assert found["gradients"] < 1e-6, cut
        assert found["loss"] < 2e-6, cut
        assert found["left split"] == [], cut


def test_a_process_holds_its_share_and_little_more(told: dict[str, Any]) -> None:
    # More because vectors are whole on every one: 2 % of so small a model.
    assert told["gradients"]["shared-1-2-1"]["held"] < 1 / 2 + 0.02
    assert told["gradients"]["shared-4-4-3"]["held"] < 1 / 4 + 0.02


@pytest.mark.parametrize(
    "kind", ["adamw", "muon", "frozen", "bfloat16", "packed and recomputed", "lora"]
)
def test_losses_and_weights_after_four_steps_are_those_of_one_process(
    told: dict[str, Any], kind: str
) -> None:
    assert told["runs"]["codes"] == [0, 0, 0], told["runs"]["said"]
    found = told["runs"][kind]
    one, two = found["losses"]
    assert len(one) == 4 and two == pytest.approx(one, rel=LOSSES.get(kind, 1e-6))
    # Both processes end with the whole model.
    assert found["weights"][0] == found["weights"][1] < WEIGHTS.get(kind, 1e-5)


LOSSES = {"bfloat16": 1e-4, "muon": 1e-4}
"""Where matrix products are in bfloat16 another order of sums is another rounding."""

WEIGHTS = {"bfloat16": 3e-3, "muon": 1e-3}
"""Measured 7e-4 and 2e-4, elsewhere at most 1.9e-6: AdamW divides by the size of gradients, the
smallest of which differ most."""


def test_killed_they_go_on_from_the_last_checkpoint_as_if_nobody_had_been(
    told: dict[str, Any],
) -> None:
    assert told["end"] == [0, 0]
    killed = told["killed"]
    assert killed["codes"] == [1, KILLED] and killed["damage"] == []
    assert killed["checkpoints"][-1] == "step-00000008"
    assert (
        "was killed or cannot be reached any more; see why, then go on with --resume from"
        in (killed["said"])
    )
    again = told["again"]["2"]
    assert again["codes"] == [0, 0]
    assert again["same names"] and again["differing"] == 0 and again["same lines"]


def test_a_checkpoint_is_a_file_of_each_process_and_json(told: dict[str, Any]) -> None:
    assert told["again"]["2"]["files"] == [
        "manifest.json",
        "shard-00001-model-00001-of-00001.safetensors",
        "shard-00002-model-00001-of-00001.safetensors",
        "training.json",
    ]


def test_another_number_of_processes_goes_on(told: dict[str, Any]) -> None:
    # Dropout is drawn by each process for itself, so their numbers are others; that they are the
    # same without is another test.
    for num_ranks in (1, 4):
        again = told["again"][str(num_ranks)]
        assert again["codes"] == [0] * num_ranks, again["said"]
        assert again["same names"] and 0 < again["far"] < 0.1
        ours, theirs = again["losses"]
        assert ours[:8] == theirs[:8] and ours[8:] == pytest.approx(theirs[8:], rel=0.05)


def test_processes_that_share_go_on_from_one_that_held_all(told: dict[str, Any]) -> None:
    assert KILLED in told["alone"]["codes"]
    assert told["then shared"]["codes"] == [0, 0], told["then shared"]["said"]
    assert told["then shared"]["same names"]


def test_asked_to_stop_all_of_them_write_a_checkpoint(told: dict[str, Any]) -> None:
    stopped = told["stopped"]
    assert stopped["codes"] == [TERM, TERM] and stopped["damage"] == []
    last = int(stopped["checkpoints"][-1].removeprefix("step-"))
    assert f"stopped after step {last} of 12 with a checkpoint" in stopped["said"]
    again = told["stopped again"]
    assert again["differing"] == 0 and again["same lines"]


def test_a_shard_that_is_damaged_is_found_and_the_checkpoint_before_it_taken(
    told: dict[str, Any],
) -> None:
    damaged = told["damaged"]
    assert damaged["codes"] == [0, 0, 0]
    assert "step-00000008 is damaged: the checksum of shard-00002" in damaged["said"]
    assert "the run goes on from step-00000005 instead" in damaged["said"]


def test_a_disk_that_is_full_for_one_process_leaves_the_checkpoint_before(
    told: dict[str, Any],
) -> None:
    refused = told["refused"]
    assert refused["codes"] == [0, 0]
    assert refused["checkpoints"] == ["step-00000004"]
    assert "no checkpoint of step 5: process 2 cannot write its shards" in refused["said"]
    assert "No space left on device" in refused["said"]


def test_a_torch_that_would_pickle_shards_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.distributed import checkpoint

    monkeypatch.delattr(checkpoint, "HuggingFaceStorageWriter")
    with pytest.raises(ConfigError, match=r"torch 2.* cannot keep shards as safetensors; install"):
        check_shard_files()


def test_float16_is_refused() -> None:
    with pytest.raises(ConfigError, match="set precision to bfloat16 or float32, or sharded to"):
        replace(CONFIG, sharded=True, precision="float16")
