"""BLIP-2's first stage in the loop: a matcher learns three objectives from pairs."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.laws.debug_scorers import build_scorer
from tests.train.sittings import find_differences
from tests.train.tiny_run import tiny_run

from triptych.architectures import ScorerArchitecture
from triptych.checkpoint.scorers import LoadedScorer
from triptych.errors import ConfigError
from triptych.fusion.matching import Matcher
from triptych.objectives.mixture import Objectives, PairObjectives
from triptych.processor import Sample
from triptych.train import Interrupted, PanelRates, TrainConfig, fit
from triptych.train.checkpoints import Progress
from triptych.train.record import read_record

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "grey": (128, 128, 128)}

CONFIG = TrainConfig(
    learning_rates=PanelRates(connector=4e-3, fusion=4e-3),
    epochs=120,
    schedule="constant",
    batch_size=4,
    warmup_steps=5,
    objectives=PairObjectives(label_smoothing=0.0),
    weight_decay=0.0,
    validate_every=60,
    checkpoint_every=20,
)


@dataclass
class Colours:
    """Pictures of one colour, and what that is called."""

    scorer: LoadedScorer
    dies_at: int = 10_000
    count: int = 0

    def __len__(self) -> int:
        return 4

    def lengths(self) -> None:
        """Unknown."""

    def sample(self, index: int, generator: torch.Generator) -> Sample:
        self.count += 1
        if self.count == self.dies_at:
            raise KeyboardInterrupt
        name, colour = list(COLOURS.items())[index]
        picture = np.full((32, 32, 3), colour, dtype=np.uint8)
        return self.scorer.processor.encode_pair(picture, f"it is {name}", sample_id=name)


def stage_1() -> LoadedScorer:
    """The debug retriever with all that its training needs, and fresh weights."""
    scorer = build_scorer("blip2_itm_debug")
    design = replace(
        scorer.architecture, model=replace(scorer.architecture.model, pretraining=True)
    )
    return replace(scorer, architecture=design, model=design.build(seed=0))


def train(
    scorer: LoadedScorer,
    folder: Path,
    config: TrainConfig = CONFIG,
    *,
    dies_at: int = 10_000,
    resume: bool = False,
) -> Progress:
    assert isinstance(scorer.architecture, ScorerArchitecture)
    return fit(
        scorer.architecture,
        scorer.model,
        scorer.processor,
        Colours(scorer, dies_at),
        config,
        folder,
        validate=lambda model: {"val_loss": 0.0},
        resume=resume,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedScorer, Path]:
    folder, scorer = tmp_path_factory.mktemp("stage_1"), stage_1()
    train(scorer, folder)
    return scorer, folder


def test_all_three_objectives_fall_and_the_vision_panel_keeps_every_bit(
    whole: tuple[LoadedScorer, Path],
) -> None:
    scorer, folder = whole
    lines = read_record(folder / "record.jsonl")
    assert [lines[0][what] for what in ("images", "tokens", "labels")] == [
        4,
        lines[0]["labels"] + 4,
        lines[0]["labels"],
    ]
    for name in ("contrasting", "matching", "captioning"):
        assert lines[-1][name] < lines[0][name] / 2, name
    assert lines[0]["loss"] == lines[0]["contrasting"]
    fresh = stage_1().model
    assert all(map(torch.equal, scorer.model.vision.parameters(), fresh.vision.parameters()))
    assert isinstance(scorer.model, Matcher)
    samples = [Colours(scorer).sample(index, torch.Generator()) for index in range(4)]
    with torch.no_grad():
        found = scorer.model.without_pretraining().score(scorer.processor.collate(samples))
    assert found.similarities.argmax(dim=1).tolist() == [0, 1, 2, 3]


def test_it_goes_on_with_exactly_its_numbers(
    tmp_path: Path, whole: tuple[LoadedScorer, Path]
) -> None:
    with pytest.raises((Interrupted, KeyboardInterrupt)):
        train(stage_1(), tmp_path, dies_at=4 * 83 + 2)
    assert 60 <= len(read_record(tmp_path / "record.jsonl")) < 120
    train(stage_1(), tmp_path, resume=True)
    assert find_differences(tmp_path, whole[1]) == []


def test_workers_make_pairs_too(tmp_path: Path) -> None:
    short = replace(CONFIG, epochs=3)
    train(stage_1(), tmp_path / "without", short)
    train(stage_1(), tmp_path / "with", replace(short, num_workers=2))
    assert find_differences(tmp_path / "with", tmp_path / "without") == []


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Matcher, PairProcessor and Objectives do not go tog"):
        train(stage_1(), tmp_path, replace(CONFIG, objectives=Objectives()))
    with pytest.raises(ConfigError, match="VLM, Processor and PairObjectives do not go together"):
        tiny_run().fit(tmp_path, replace(CONFIG, learning_rates=PanelRates(connector=1.0)))
    with pytest.raises(ConfigError, match="share no row; set pack_tokens to 0 instead of 64"):
        train(stage_1(), tmp_path, replace(CONFIG, pack_tokens=64))
    with pytest.raises(
        ConfigError, match=r"language=1\.0, but this model has no such panel; it has"
    ):
        train(stage_1(), tmp_path, replace(CONFIG, learning_rates=PanelRates(language=1.0)))
