"""Runs on mixtures of real sources: what is broken is replaced, listed, and too much of it ends
the run, whoever makes the samples."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.data.drawn import write_json, write_picture
from tests.laws.debug_models import Subject, build_subject

from triptych.data.drawn import DrawnWorld
from triptych.data.mixture import Mixture, MixtureConfig, Share
from triptych.data.sources import CocoCaptions
from triptych.errors import DataError
from triptych.train import PanelRates, TrainConfig, fit
from triptych.train.record import read_record

CONFIG = TrainConfig(learning_rates=PanelRates(connector=1e-2), epochs=1, batch_size=8)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty captions; number 7 is of a picture that is cut off where no header shows it."""
    folder = tmp_path_factory.mktemp("mixed")
    write_picture(folder / "coco" / "a.jpg")
    whole = write_picture(folder / "coco" / "half.jpg", 200, 200).read_bytes()
    (folder / "coco" / "half.jpg").write_bytes(whole[: len(whole) // 2])
    images = [{"id": n, "file_name": "half.jpg" if n == 7 else "a.jpg"} for n in range(20)]
    captions = [{"id": n, "image_id": n, "caption": "a dog"} for n in range(20)]
    write_json(folder / "captions.json", {"images": images, "annotations": captions})
    return folder


def mixture(debug: Subject, root: Path, tolerate: float) -> Mixture:
    coco = CocoCaptions(path="captions.json", images="coco", tolerate=tolerate)
    shares = (
        Share(source=coco),
        Share(source=DrawnWorld(world="scenes", num_samples=12, max_questions=1)),
    )
    return MixtureConfig(shares=shares).build(debug.processor, root)


def train(debug: Subject, source: Mixture, folder: Path, num_workers: int) -> None:
    fit(
        debug.architecture,
        debug.model,
        debug.processor,
        source,
        replace(CONFIG, num_workers=num_workers),
        folder,
        validate=lambda model: {"val_loss": 0.0},
    )


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_broken_picture_is_replaced_and_listed_once(
    tmp_path: Path, root: Path, num_workers: int
) -> None:
    debug = build_subject("llava_1_5_debug")
    source = mixture(debug, root, tolerate=0.1)
    train(debug, source, tmp_path, num_workers)
    lines = read_record(tmp_path / "ledger.jsonl")
    assert [line["reason"] for line in lines] == ["picture cannot be used"]
    assert len(read_record(tmp_path / "record.jsonl")) == 4
    assert [len(ledger.left_out) for ledger in source.ledgers] == [1]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_more_broken_pictures_than_tolerated_end_the_run(
    tmp_path: Path, root: Path, num_workers: int
) -> None:
    debug = build_subject("llava_1_5_debug")
    with pytest.raises(DataError, match=r"1 of 20 samples \(5.00%\) cannot be used"):
        train(debug, mixture(debug, root, tolerate=0.04), tmp_path, num_workers)
