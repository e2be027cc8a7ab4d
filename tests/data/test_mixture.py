"""A mixture: shares to the sample, every sample equally often, number n a function of the seed."""

import json
from collections import Counter
from pathlib import Path

import pytest
import torch
from tests.data.drawn import write_json, write_picture
from tests.laws.debug_models import subject

from triptych.config import from_dict, to_dict
from triptych.data.drawn import DrawnShapes, DrawnWorld
from triptych.data.filters import FilterConfig
from triptych.data.mixture import Mixture, MixtureConfig, Share, shares_of
from triptych.data.sources import ChartQa, CocoCaptions
from triptych.errors import ConfigError, DataError
from triptych.processor import Sample
from triptych.train.source import NotingSource, SampleSource


class Numbers:
    """Samples that are named after their source and number; no two are of one length."""

    def __init__(self, name: str, count: int, has_lengths: bool = True) -> None:
        self.name, self.count, self.has_lengths = name, count, has_lengths

    def __len__(self) -> int:
        return self.count

    def sample(self, index: int, generator: torch.Generator) -> Sample:
        return Sample(
            sample_id=f"{self.name}{index}",
            token_ids=[0],
            labels=[0],
            branches=[0],
            position_ids=torch.zeros(1, dtype=torch.long),
            images=(),
            spans=(),
        )

    def lengths(self) -> tuple[int, ...] | None:
        return tuple(range(self.count)) if self.has_lengths else None


def mixture(
    weights: tuple[float, ...] = (1.0, 3.0), num_samples: int = 200, seed: int = 0
) -> Mixture:
    return Mixture([Numbers("a", 20), Numbers("b", 400)], weights, ["a", "b"], num_samples, seed)


def names(mixed: Mixture) -> list[str]:
    return [mixed.sample(n, torch.Generator()).sample_id for n in range(len(mixed))]


def test_shares_are_exact_to_a_sample_and_add_up():
    assert shares_of(200, [1.0, 3.0]) == [50, 150]
    assert shares_of(10, [1.0, 1.0, 1.0]) == [4, 3, 3]
    assert shares_of(7, [0.1, 0.2, 0.7]) == [1, 1, 5]
    assert sum(shares_of(999, [0.3, 0.3, 0.4, 7.7])) == 999


def test_a_small_source_is_seen_equally_often_and_a_large_one_in_part():
    seen = Counter(names(mixture()))
    small = Counter(count for name, count in seen.items() if name[0] == "a")
    large = [name for name in seen if name[0] == "b"]
    assert small == {2: 10, 3: 10}, "50 draws of 20 samples"
    assert len(large) == 150 and all(seen[name] == 1 for name in large)
    assert len({int(name[1:]) // 100 for name in large}) == 4, "drawn from all of it"
    assert mixture().times_seen() == {"a": 2.5, "b": 0.375}


def test_number_n_depends_on_the_seed_and_n_alone():
    first, again, other = (names(mixture(seed=seed)) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    assert names(mixture())[17] == mixture().sample(17, torch.Generator().manual_seed(5)).sample_id


def test_the_shares_lie_mixed_all_along_the_row():
    row = names(mixture(num_samples=2000))
    for start in range(0, 2000, 400):
        share = sum(name[0] == "a" for name in row[start : start + 400]) / 400
        assert abs(share - 0.25) < 0.08


def test_without_weights_and_length_every_sample_is_there_once():
    mixed = Mixture([Numbers("a", 20), Numbers("b", 400)], [20.0, 400.0], ["a", "b"])
    assert sorted(names(mixed)) == sorted(
        [f"a{n}" for n in range(20)] + [f"b{n}" for n in range(400)]
    )


def test_lengths_are_those_of_the_samples():
    mixed = mixture()
    assert list(mixed.lengths() or ()) == [int(name[1:]) for name in names(mixed)]
    unknown = Mixture(
        [Numbers("a", 20), Numbers("b", 4, has_lengths=False)], [1.0, 1.0], ["a", "b"]
    )
    assert unknown.lengths() is None


def test_a_source_without_room_is_refused():
    with pytest.raises(ConfigError, match="a has no room in a row of 10 samples"):
        mixture(weights=(0.001, 1.0), num_samples=10)


def test_the_summary_says_how_often_each_source_is_seen():
    assert mixture().summary().splitlines() == [
        "a: 50 of 200 samples (25.0%), each seen 2.50 times",
        "b: 150 of 200 samples (75.0%), each seen 0.38 times",
    ]


# -- configurations --------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six charts with two questions each and four captioned pictures."""
    for number in range(6):
        write_picture(tmp_path / "png" / f"{number}.png", 64, 48, number)
    questions = [
        {"imgname": f"{number}.png", "query": f"Which is number {asked}?", "label": "four"}
        for number in range(6)
        for asked in range(2)
    ]
    write_json(tmp_path / "charts.json", questions)
    images = [{"id": number, "file_name": f"{number}.png"} for number in range(4)]
    captions = [{"image_id": number, "id": number, "caption": "a cat"} for number in range(4)]
    write_json(tmp_path / "captions.json", {"images": images, "annotations": captions})
    return tmp_path


CONFIG = MixtureConfig(
    shares=(
        Share(source=ChartQa(path="charts.json", images="png"), weight=2.0, max_pixels=32 * 32),
        Share(
            source=CocoCaptions(path="captions.json", images="png"),
            weight=1.0,
            rules=FilterConfig(max_tokens=400, scripts=("latin", "greek")),
        ),
        Share(source=DrawnWorld(world="scenes", num_samples=5), weight=1.0),
    ),
    num_samples=16,
)


def test_a_mixture_of_files_and_drawings_is_built_from_its_configuration(root: Path):
    processor = subject("qwen2_vl_debug").processor
    mixed = CONFIG.build(processor, root, seed=3)
    assert isinstance(mixed, SampleSource)
    assert len(mixed) == 16
    ids = Counter(name.partition("/")[0] for name in names(mixed))
    assert sum(ids[f"{number}.png"] for number in range(6)) == 8
    assert sum(ids[str(number)] for number in range(4)) == 4
    assert ids["scenes"] == 4
    assert mixed.lengths() is None, "drawings are not known before they are drawn"
    assert mixed.times_seen() == {
        "ChartQa charts.json": 8 / 6,
        "CocoCaptions captions.json": 1.0,
        "DrawnWorld scenes": 0.8,
    }
    assert [ledger.num_kept for ledger in mixed.ledgers] == [6, 4]
    charts = [mixed.place(n) for n in range(16) if mixed.place(n)[0] == 0]
    shown = mixed.sources[0].sample(charts[0][1], torch.Generator()).images[0]
    assert shown.height * shown.width <= 32 * 32


def test_a_mixture_in_a_file_is_read_strictly():
    plain = json.loads(json.dumps(to_dict(CONFIG)))
    assert from_dict(MixtureConfig, plain) == CONFIG
    plain["shares"][0]["source"]["imagse"] = plain["shares"][0]["source"].pop("images")
    with pytest.raises(ConfigError, match=r"source has no key 'imagse'; did you mean images\?"):
        from_dict(MixtureConfig, plain)
    plain["shares"][0]["source"] = {"type": "ChartQA"}
    with pytest.raises(ConfigError, match=r"cannot be a 'ChartQA'; did you mean ChartQa"):
        from_dict(MixtureConfig, plain)
    plain = to_dict(CONFIG)
    plain["shares"][1]["rules"]["scripts"] = ["latim"]
    with pytest.raises(ConfigError, match=r"scripts.* is 'latim'; known: arabic"):
        from_dict(MixtureConfig, plain)


def test_what_a_mixture_cannot_be_is_refused():
    source = ChartQa(path="charts.json", images="png")
    with pytest.raises(ConfigError, match="at least one source"):
        MixtureConfig(shares=())
    with pytest.raises(ConfigError, match="weights to all sources of a mixture, or to none"):
        MixtureConfig(shares=(Share(source=source), Share(source=source, weight=1.0)))
    with pytest.raises(ConfigError, match=r"a weight must be above 0, got -1\.0"):
        Share(source=source, weight=-1.0)
    with pytest.raises(ConfigError, match="know no bounds of pixels and no rules"):
        Share(source=DrawnWorld(world="scenes", num_samples=5), max_pixels=100)


def test_what_a_worker_notices_finds_its_source(root: Path):
    for number in (0, 5):
        path = root / "png" / f"{number}.png"
        path.write_bytes(path.read_bytes()[:1000])
    shares = tuple(
        Share(source=source(path=path, images="png", tolerate=0.4))
        for source, path in ((ChartQa, "charts.json"), (CocoCaptions, "captions.json"))
    )
    processor = subject("qwen2_vl_debug").processor
    worker, run = (MixtureConfig(shares=shares).build(processor, root) for _ in range(2))
    assert isinstance(worker, NotingSource)
    noted = [worker.noted_sample(index, torch.Generator())[1] for index in range(len(worker))]
    for index, notes in enumerate(noted):
        run.note(index, notes)
    for ledgers in (worker.ledgers, run.ledgers):
        lost = [sorted(each.sample_id for each in ledger.left_out) for ledger in ledgers]
        assert lost == [["0.png", "5.png"], ["0"]]
    charts = [n for n in range(len(run)) if noted[n] and run.place(n)[0] == 0]
    strict = MixtureConfig(shares=(Share(source=STRICT), shares[1])).build(processor, root)
    with pytest.raises(DataError, match="of 6 samples"):
        strict.note(charts[0], noted[charts[0]])


STRICT = ChartQa(path="charts.json", images="png", tolerate=0.0)


def test_a_model_that_writes_no_places_is_not_asked_for_any():
    processor = subject("llava_1_5_debug").processor
    assert processor.config.coordinates is None
    source = DrawnWorld(world="screens", num_samples=6, max_questions=99).build(processor)
    samples = [source.sample(n, torch.Generator().manual_seed(n)) for n in range(6)]
    assert all(any(label >= 0 for label in sample.labels) for sample in samples)


def test_drawn_shapes_are_the_same_pictures_each_time_and_others_elsewhere():
    processor = subject("llava_1_5_debug").processor
    first = DrawnShapes(num_samples=4).build(processor)
    others = DrawnShapes(num_samples=4, first=4, prompt="what is it?").build(processor)

    def drawn(source, index, seed):
        return source.sample(index, torch.Generator().manual_seed(seed))

    one, again, other = drawn(first, 2, 0), drawn(first, 2, 1), drawn(others, 2, 0)
    assert torch.equal(one.images[0].pixels, again.images[0].pixels)
    assert not torch.equal(one.images[0].pixels, other.images[0].pixels)
    assert len({tuple(drawn(first, 2, seed).token_ids) for seed in range(20)}) == 3
    said = processor.tokenizer.decode(other.token_ids)
    assert "what is it?" in said and " a " in said
    with pytest.raises(ConfigError, match="num_samples must be at least 1, got 0"):
        DrawnShapes(num_samples=0)
