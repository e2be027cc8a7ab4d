"""A run on another device than the processor: its numbers, its checkpoints, going on from them."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from tests.elsewhere import ELSEWHERE, elsewhere, moved
from tests.train.tiny_run import CONFIG, tiny_run

from triptych.errors import ConfigError
from triptych.train.placing import place
from triptych.train.record import read_record
from triptych.train.run import Run

MUON = replace(
    CONFIG, optimizer="muon", accumulate=1, max_steps=4, validate_every=2, checkpoint_every=2
)


@pytest.fixture(autouse=True)
def without_autocast(monkeypatch):
    monkeypatch.setattr(Run, "precision", lambda _: nullcontext())


def there():
    run = tiny_run()
    moved(run.model)
    return run


def losses(folder):
    return [line["loss"] for line in read_record(folder / "record.jsonl")]


def weights(run):
    return {name: each.detach().cpu() for name, each in run.model.named_parameters()}


def test_a_run_elsewhere_learns_what_one_here_learns(tmp_path):
    here = tiny_run()
    here.fit(tmp_path / "here", MUON)
    with elsewhere():
        run = there()
        run.fit(tmp_path / "there", MUON)
        assert run.model.device == ELSEWHERE
    assert losses(tmp_path / "there") == pytest.approx(losses(tmp_path / "here"), rel=1e-4)


# torch does not expect numbers on the device that plays elsewhere.
@pytest.mark.filterwarnings("ignore:for .*copying from a non-meta:UserWarning")
def test_a_run_elsewhere_goes_on_from_its_checkpoint_to_the_last_bit(tmp_path):
    def die(count):
        if count == 2 * 3 + 1:  # in the fourth step
            raise RuntimeError("dead")

    with elsewhere():
        whole = there()
        whole.fit(tmp_path / "whole", MUON)
        with pytest.raises(RuntimeError, match="dead"):
            there().fit(tmp_path / "parts", MUON, before_sample=die)
        resumed = there()
        resumed.fit(tmp_path / "parts", MUON, resume=True)
        assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
        expected, found = weights(whole), weights(resumed)
    assert all(torch.equal(found[name], each) for name, each in expected.items())


def test_a_model_is_brought_where_it_is_to_be_trained_and_else_left(tmp_path):
    run = tiny_run()
    run.model.to("meta")
    place(run.model, "")
    assert run.model.device.type == "meta"
    run = tiny_run()
    place(run.model, "meta")
    assert run.model.device.type == "meta"


def test_a_device_that_is_not_there_is_refused_in_a_sentence():
    with pytest.raises(ConfigError, match=r"device='cuda:99' cannot be trained on .*; name one"):
        place(tiny_run().model, "cuda:99")
    with pytest.raises(ConfigError, match="device='gpu' cannot"):
        place(tiny_run().model, "gpu")
