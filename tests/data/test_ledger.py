"""The ledger counts and lists what is not used, and stops a run that lost too much."""

import json

import pytest

from triptych.data.ledger import Ledger
from triptych.errors import ConfigError, DataError


def ledger(kept: int = 8) -> Ledger:
    filled = Ledger("photos", num_kept=kept)
    filled.leave_out("7", "picture file missing", "7.jpg is not there")
    filled.leave_out("9", "picture file missing", "9.jpg is not there")
    filled.leave_out("5", "no captions")
    return filled


def test_reasons_are_counted_the_most_frequent_first():
    assert list(ledger().counts().items()) == [("picture file missing", 2), ("no captions", 1)]


def test_the_summary_says_how_many_and_why():
    assert ledger(kept=1234).summary() == (
        "photos: 1,234 samples, 3 left out: 2 picture file missing, 1 no captions"
    )


def test_the_summary_says_so_when_nothing_was_left_out():
    assert Ledger("photos", num_kept=2).summary() == "photos: 2 samples, none left out"


def test_every_left_out_sample_is_in_the_file():
    written = json.loads(json.dumps(ledger().as_dict()))
    assert written["num_kept"] == 8
    assert written["num_left_out"] == 3
    assert [each["sample_id"] for each in written["left_out"]] == ["7", "9", "5"]
    assert written["left_out"][0]["detail"] == "7.jpg is not there"


def test_a_share_within_the_tolerance_passes():
    ledger(kept=7).stop_above(0.3)  # 3 of 10


def test_a_share_above_the_tolerance_stops_the_run_and_names_the_samples():
    with pytest.raises(DataError, match=r"3 of 10 samples \(30\.00%\).*tolerated 29\.00%") as error:
        ledger(kept=7).stop_above(0.29)
    assert "  7: 7.jpg is not there\n" in str(error.value)
    assert "  5: no captions" in str(error.value)


def test_only_the_first_samples_are_named():
    long = Ledger("photos")
    for index in range(1200):
        long.leave_out(str(index), "gone")
    with pytest.raises(DataError, match=r"and 1,195 more$"):
        long.stop_above(0.5)


def test_an_empty_ledger_has_lost_nothing():
    assert Ledger("photos").share_left_out() == 0.0


@pytest.mark.parametrize("tolerate", [-0.1, 1.1, 5.0])
def test_a_tolerance_that_is_no_share_is_refused(tolerate: float):
    with pytest.raises(ConfigError, match="0 to 1"):
        ledger().stop_above(tolerate)
