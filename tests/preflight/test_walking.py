"""Data looked through before a run: what is wrong is named, what is right is let pass."""

import json

import numpy as np
import pytest
from PIL import Image

from triptych.data.drawn import DrawnShapes
from triptych.data.mixture import MixtureConfig, Share
from triptych.data.sources import MessagesSource
from triptych.errors import DataError
from triptych.media import open_image
from triptych.media.looks import Look, look_of
from triptych.preflight import opening, saying, walking
from triptych.preflight.duplicates import find_alike
from triptych.preflight.memory import compare_with_run, foresee_training
from triptych.preflight.showing import coloured, histogram
from triptych.preflight.walking import look_before, look_through
from triptych.recipes.looking import design_of
from triptych.recipes.stages import FreshModel
from triptych.train import PanelRates, TrainConfig


@pytest.fixture(scope="module")
def begun():
    return design_of(FreshModel(architecture="qwen2_vl_debug"), "begun")


def photo(seed: int, path, size=(120, 90)):
    cells = np.random.default_rng(seed).integers(0, 255, (6, 8, 3)).astype(np.uint8)
    Image.fromarray(cells).resize(size, Image.Resampling.BILINEAR).save(path)
    return path


def lines(path, *samples):
    """Each sample a picture's name, a question and an answer."""
    rows = []
    for number, (name, text, answer) in enumerate(samples):
        content = [{"type": "text", "text": text}]
        if name:
            content.insert(0, {"type": "image", "image": name})
        rows.append(
            {
                "id": str(number),
                "messages": [
                    {"role": "user", "content": content},
                    {"role": "assistant", "content": answer},
                ],
            }
        )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = MessagesSource(path=str(path), tolerate=0.5)
    return MixtureConfig(shares=(Share(source=source),))


def kinds_of(looked) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in looked.findings:
        found.setdefault(each.kind, []).append(each.sample_id)
    return found


def test_right_data_gives_no_finding(tmp_path, begun):
    for number in range(3):
        photo(number, tmp_path / f"{number}.png")
    mixture = lines(tmp_path / "d.jsonl", *((f"{n}.png", "What?", "a photo") for n in range(3)))
    looked = look_through(mixture, begun[1], opens=True)
    assert looked.findings == [] and not looked.spoils
    assert looked.num_looked == len(looked.lengths) == len(looked.visual_tokens) == 3


def test_each_fault_is_named_with_its_sample(tmp_path, begun):
    photo(0, tmp_path / "good.png")
    photo(0, tmp_path / "copy.jpg", (60, 45))
    content = photo(1, tmp_path / "torn.png").read_bytes()
    (tmp_path / "torn.png").write_bytes(content[: len(content) // 2])
    mixture = lines(
        tmp_path / "d.jsonl",
        ("good.png", "What?", "a photo"),
        ("copy.jpg", "What?", "a photo"),
        ("torn.png", "What?", "a photo"),
        ("none.png", "What?", "a photo"),
        ("", "<image> What?", "a photo"),
    )
    looked = look_through(mixture, begun[1], opens=True)
    assert kinds_of(looked) == {
        "picture file missing": [f"{tmp_path / 'd.jsonl'}:4"],
        walking.UNREADABLE: ["2"],
        saying.SLOT_AS_TEXT: ["4"],
        opening.ALIKE: ["1"],
    }
    assert all(each.fix for each in looked.findings) and not looked.spoils
    # A header alone shows neither damage behind it nor copies.
    assert walking.UNREADABLE not in kinds_of(look_through(mixture, begun[1]))


def test_too_many_faults_spoil_a_run_and_stop_it_before_it_begins(tmp_path, begun):
    missing = (("none.png", "What?", "a") for _ in range(3))
    mixture = lines(tmp_path / "d.jsonl", ("", "What?", "a"), *missing)
    assert walking.MANY in kinds_of(look_through(mixture, begun[1]))
    with pytest.raises(DataError, match="3 of 4 samples cannot be used"):
        look_before(mixture, begun[1], say=lambda _: None)


def test_held_out_pictures_that_are_trained_on_are_named(tmp_path, begun):
    photo(0, tmp_path / "a.png")
    photo(0, tmp_path / "b.png", (80, 60))
    trained = lines(tmp_path / "d.jsonl", ("a.png", "What?", "a photo"))
    held_out = lines(tmp_path / "v.jsonl", ("b.png", "What?", "a photo"))
    looked = look_through(trained, begun[1], held_out=held_out, opens=True)
    assert list(kinds_of(looked)) == [opening.LEAKED] and looked.spoils


def test_an_end_that_does_not_fit_is_told(tmp_path, begun):
    mixture = lines(tmp_path / "d.jsonl", ("", "What?", "word " * 3000), ("", "What?", "a"))
    looked = look_through(mixture, begun[1])
    assert kinds_of(looked) == {"end cut off": ["0"]}


def test_copies_look_alike_and_other_pictures_do_not(tmp_path):
    looks = []
    for seed in range(10):
        path = photo(seed, tmp_path / "p.png", (200, 150))
        looks.append(look_of(open_image(path)))
        with Image.open(path) as image:
            image.resize((70, 52)).save(tmp_path / "p.jpg", quality=60)
        looks.append(look_of(open_image(tmp_path / "p.jpg")))
    assert find_alike(looks) == [(2 * n, 2 * n + 1) for n in range(10)]


def test_no_pair_is_missed_by_comparing_few():
    rng = np.random.default_rng(0)
    base = [int.from_bytes(rng.bytes(32), "big") for _ in range(20)]
    looks = [Look(bits, (90, 90, 90)) for bits in base]
    for bits in base:
        flipped = rng.choice(256, size=int(rng.integers(1, 40)), replace=False)
        looks.append(Look(bits ^ sum(1 << int(bit) for bit in flipped), (95, 88, 90)))
    slow = [
        (next(i for i in range(j) if looks[i].is_like(looks[j])), j)
        for j in range(len(looks))
        if any(looks[i].is_like(looks[j]) for i in range(j))
    ]
    assert find_alike(looks) == slow and 0 < len(slow) < 20


def test_a_histogram_counts_every_value_once():
    values = [3, 3, 4, 90, 17, 55, 56]
    bins = histogram(values)
    assert sum(each.count for each in bins) == len(values)
    for each in bins:
        assert each.count == sum(each.low <= value <= each.high for value in values)


def test_a_sample_shows_what_is_learned_in_green(begun):
    processor = begun[1]
    mixture = MixtureConfig(shares=(Share(source=DrawnShapes(num_samples=2, prompt="What?")),))
    looked = look_through(mixture, processor)
    text = coloured(processor, looked.example)
    green = "".join(text.plain[s.start : s.end] for s in text.spans if "green" in str(s.style))
    labels = [label for label in looked.example.labels if label >= 0]
    assert green == processor.tokenizer.decode(labels, skip_special=False)
    assert f"[picture 0: {looked.visual_tokens[0]} slots]" in text.plain


def test_the_forecast_counts_what_moves_and_is_held_against_a_record(tmp_path, begun):
    design, processor = begun
    mixture = MixtureConfig(shares=(Share(source=DrawnShapes(num_samples=8)),))
    looked = look_through(mixture, processor)
    model = design.build(0)
    sizes = {
        panel: sum(each.numel() for each in getattr(model, panel).parameters())
        for panel in ("vision", "connector", "language")
    }
    train = TrainConfig(learning_rates=PanelRates(connector=1e-3), epochs=3, batch_size=4)
    forecast = foresee_training(design, train, looked, 8, seconds_per_step=2.0)
    assert forecast.weights == 4 * sum(sizes.values())
    assert forecast.gradients == 4 * sizes["connector"]
    assert forecast.optimizer == 8 * sizes["connector"]
    assert forecast.num_steps == 6 and forecast.hours == pytest.approx(12 / 3600)
    record = "".join(
        json.dumps({"step": n + 1, "loss": 1.0, "tokens": 50, "seconds": 4.0 * (n + 1)}) + "\n"
        for n in range(6)
    )
    (tmp_path / "record.jsonl").write_text(record)
    ratios = compare_with_run(forecast, tmp_path)
    assert ratios["steps"] == (6, 6, 1.0)
    assert ratios["hours"][2] == pytest.approx(2.0)
    with pytest.raises(DataError, match=r"holds no record\.jsonl"):
        compare_with_run(forecast, tmp_path / "none")
