"""Several processes make one run: the same numbers, and an end that leaves nothing behind."""

from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from tests.train import test_pairs_stage
from tests.train.sittings import told_by

from triptych.errors import ConfigError
from triptych.train import loop
from triptych.train.config import PanelRates
from triptych.train.order import Order
from triptych.train.ranks import Ranks, join

TERM, KILLED = 143, -9


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """About six seconds of computing."""
    return told_by("tests.train.rank_runs", tmp_path_factory.mktemp("ranks"))


def test_however_sixteen_samples_are_cut_and_shared_their_gradient_is_the_same(
    told: dict[str, Any],
) -> None:
    # All samples of the second process are without a picture, and one is without a label. Largest
    # measured: 1.8e-7 of the largest entry, 6.8e-7 of a loss of 5.7.
    assert told["gradients"]["codes"] == [0, 0, 0]
    differences = told["gradients"]["differences"]
    assert len(differences) == 9  # three cuts, in one process and in each of two
    for cut, difference in differences.items():
        assert difference["labels"] == 0, cut
        assert difference["gradients"] < 1e-6, cut
        assert difference["loss"] < 2e-6, cut


def test_two_processes_record_the_losses_of_one(told: dict[str, Any]) -> None:
    runs = told["runs"]
    assert runs["codes"] == [0, 0, 0]
    one, two = runs["losses"]
    assert len(one) == 12 and two == pytest.approx(one, abs=1e-5)
    for what in ("labels", "validated"):
        assert runs[what][1] == pytest.approx(runs[what][0], abs=1e-5)
    assert runs["equal ledgers"]
    assert runs["said"] == "", "only the first process speaks"


def test_pairs_on_several_processes_are_compared_as_one_batch(told: dict[str, Any]) -> None:
    # Contrast, matching with negatives of all, captions. In float64: 1.1e-15 of the largest entry.
    pairs = told["pairs"]
    assert pairs["codes"] == [0] * 6 and pairs["same names"]
    assert max(pairs["far"]) < 1e-13
    # Every process has the whole loss, and the temperature its gradient once all the same.
    for scale in pairs["scale"][1:]:
        assert scale == pytest.approx(pairs["scale"][0], rel=1e-9)


@pytest.mark.parametrize("ranks", ["2", "3", "2shared"])
@pytest.mark.parametrize("kind", ["all objectives", "without matching", "vision learns, too"])
def test_a_matcher_learns_the_same_from_several_processes(
    told: dict[str, Any], kind: str, ranks: str
) -> None:
    told = told["matchers"]
    assert told["codes"] == [0] * 6, told["said"]
    one, several = told[f"{kind}, 1"], told[f"{kind}, {ranks}"]
    assert len(one["numbers"]) == 3
    for ours, theirs in zip(several["numbers"], one["numbers"], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
    assert several["weights"] < 1e-5


def test_a_matcher_whose_passes_do_not_go_round_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "join", lambda: Ranks(0, 3))
    rates = PanelRates(vision=1e-3, connector=1e-3)
    config = replace(test_pairs_stage.CONFIG, learning_rates=rates, accumulate=2)
    with pytest.raises(ConfigError, match="make accumulate at least 3, as many as there are"):
        test_pairs_stage.train(test_pairs_stage.stage_1(), tmp_path, config)


def test_killed_all_at_once_they_go_on_as_if_nobody_had_been(told: dict[str, Any]) -> None:
    killed = told["killed"]
    assert told["whole"]["codes"] == [0, 0]
    assert KILLED in killed["codes"] and 0 not in killed["codes"]
    assert killed["codes again"] == [0, 0]
    assert killed["damage"] == [] and killed["differences"] == []


def test_one_that_is_asked_to_stop_stops_all_with_a_checkpoint(told: dict[str, Any]) -> None:
    stopped = told["stopped"]
    assert stopped["codes"] == [TERM, TERM]
    assert stopped["damage"] == []
    last = int(stopped["checkpoints"][-1].removeprefix("step-"))
    assert f"stopped after step {last} of 12 with a checkpoint" in stopped["said"]
    assert stopped["differences"] == []


def test_one_that_dies_ends_the_run_with_a_checkpoint_that_one_process_goes_on_from(
    told: dict[str, Any],
) -> None:
    lost = told["lost"]
    assert lost["codes"] == [1, KILLED]
    assert "RankLostError: another process of this run" in lost["said"]
    assert lost["damage"] == []
    assert f"from step {int(lost['checkpoints'][-1].removeprefix('step-'))}" in lost["said"]
    assert lost["codes again"] == [0]
    assert lost["steps"] == [*range(1, 13)]


def test_a_gradient_that_is_no_number_for_one_is_skipped_by_all(told: dict[str, Any]) -> None:
    assert told["bad"] == {"codes": [0, 0], "skipped": [2]}


def test_what_is_compared_with_each_other_stays_together() -> None:
    whole = Order(19, 8, 7)
    shares = [Order(19, 8, 7, rank=rank, num_ranks=2, together=4) for rank in range(2)]
    for step in range(3):
        groups = [list(whole.indexes(step)[start : start + 4]) for start in (0, 4)]
        assert [list(share.indexes(step)) for share in shares] == groups


@pytest.mark.parametrize("num_ranks", [2, 3, 5])
def test_the_shares_of_a_step_are_the_step(num_ranks: int) -> None:
    whole = Order(11, 4, 7)
    shares = [Order(11, 4, 7, rank=rank, num_ranks=num_ranks) for rank in range(num_ranks)]
    for step in range(7):
        dealt = [share.indexes(step) for share in shares]
        assert sorted(chain(*dealt)) == sorted(whole.indexes(step))
        assert max(map(len, dealt)) - min(map(len, dealt)) <= 1
    assert len({each.dropout_seed(3) for each in shares}) == num_ranks
    assert shares[0].dropout_seed(3) == whole.dropout_seed(3)


def test_processes_that_nobody_tells_how_to_meet_are_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="RANK, MASTER_ADDR, MASTER_PORT not set"):
        join()
