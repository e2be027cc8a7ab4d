"""One sample in a hundred is broken, in every way there is: the run goes on and lists each."""

import struct
import zlib
from collections import Counter
from pathlib import Path

import pytest
from tests.data.drawn import write_json, write_picture
from tests.laws.debug_models import subject

from triptych.data.mixture import Mixture, MixtureConfig, Share
from triptych.data.sources import CaptionedFolder, CocoCaptions, LlavaSource
from triptych.errors import DataError
from triptych.processor import Sample
from triptych.train.order import Order

TURNS = [{"from": "human", "value": "<image>\nwhat is it?"}, {"from": "gpt", "value": "a cat"}]


def bomb(width: int, height: int) -> bytes:
    """A PNG of few bytes that claims to be so large."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    checked = header + struct.pack(">I", zlib.crc32(header))
    pixels = struct.pack(">I", 100) + b"IDAT"
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + checked + pixels


def write_llava(root: Path) -> None:
    """200 conversations: 17 shows a web page, 18 has more slots than pictures."""
    write_picture(root / "photos" / "a.jpg")
    (root / "photos" / "text.jpg").write_text("<!doctype html><title>404</title>")
    samples = [{"id": n, "image": "a.jpg", "conversations": TURNS} for n in range(200)]
    samples[17]["image"] = "text.jpg"
    samples[18]["conversations"] = [{**TURNS[0], "value": "<image><image>\nwhat?"}, TURNS[1]]
    write_json(root / "llava.json", samples)


def write_folder(root: Path) -> None:
    """200 captioned pictures: 17 has no bytes, 18 no file."""
    content = write_picture(root / "folder" / "000.png").read_bytes()
    for number in range(200):
        path = root / "folder" / f"{number:03d}.png"
        path.with_suffix(".txt").write_text("a red circle")
        if number != 18:
            path.write_bytes(b"" if number == 17 else content)


def write_coco(root: Path) -> None:
    """200 captions: 17 claims to be huge, 18 is cut off in its pixels."""
    write_picture(root / "coco" / "a.jpg")
    (root / "coco" / "bomb.jpg").write_bytes(bomb(60_000, 60_000))
    whole = write_picture(root / "coco" / "half.jpg", 200, 200).read_bytes()
    (root / "coco" / "half.jpg").write_bytes(whole[: len(whole) // 2])
    names = {17: "bomb.jpg", 18: "half.jpg"}
    images = [{"id": f"coco{n}", "file_name": names.get(n, "a.jpg")} for n in range(200)]
    captions = [{"id": n, "image_id": f"coco{n}", "caption": "a dog"} for n in range(200)]
    write_json(root / "captions.json", {"images": images, "annotations": captions})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corrupt")
    for write in (write_llava, write_folder, write_coco):
        write(folder)
    return folder


def build(root: Path, tolerate: float) -> Mixture:
    sources = (
        LlavaSource(path="llava.json", images="photos", tolerate=tolerate),
        CaptionedFolder(folder="folder", tolerate=tolerate),
        CocoCaptions(path="captions.json", images="coco", tolerate=tolerate),
    )
    shares = tuple(Share(source=source) for source in sources)
    return MixtureConfig(shares=shares).build(subject("llava_1_5_debug").processor, root)


def run(mixture: Mixture) -> list[Sample]:
    """One epoch as the loop goes through it, every batch collated."""
    processor = subject("llava_1_5_debug").processor
    order = Order(len(mixture), 64, 0, mixture.lengths())
    samples: list[Sample] = []
    for step in range(order.steps_per_epoch):
        step_samples = [mixture.sample(i, order.generator(step, i)) for i in order.indexes(step)]
        processor.collate(step_samples)
        samples += step_samples
    return samples


def listed(mixture: Mixture) -> list[list[tuple[str, str]]]:
    return [
        sorted((entry.sample_id.rpartition("/")[2], entry.reason) for entry in ledger.left_out)
        for ledger in mixture.ledgers
    ]


EVERY_FAULT = [
    [
        ("17", "picture cannot be used"),
        ("llava.json: entry [18]", "picture slots that do not fit"),
    ],
    [("017.png", "picture cannot be used"), ("018.txt", "picture file missing")],
    [("coco17", "picture cannot be used"), ("coco18", "picture cannot be used")],
]


def test_a_run_over_600_samples_completes_and_lists_the_six_that_are_broken(root: Path):
    mixture = build(root, tolerate=0.01)
    assert len(mixture) == len(mixture.lengths() or ()) == 595, "one shows no damage in its header"
    seen = Counter(sample.sample_id for sample in run(mixture))
    assert listed(mixture) == EVERY_FAULT
    assert [ledger.num_kept for ledger in mixture.ledgers] == [198, 198, 198]
    details = [entry.detail for ledger in mixture.ledgers for entry in ledger.left_out]
    for found in ("a web page", "<image>", "(0 bytes)", "no picture", "3,600,000,000", "cut off"):
        assert sum(found in detail for detail in details) == 1, found
    assert sorted(seen.values()) == [1] * 593 + [2], "one stands in for the one that was cut off"
    assert not {"17", "18", "017.png", "coco17", "coco18"} & set(seen)


def test_a_run_that_tolerates_less_stops_and_names_the_samples(root: Path):
    with pytest.raises(DataError, match=r"2 of 200 samples \(1\.00%\) cannot be used"):
        build(root, tolerate=0.009)
