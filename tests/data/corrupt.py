"""Three data sets of 200 samples each, two of them broken: six ways to be so."""

import struct
import zlib
from pathlib import Path

from tests.data.drawn import write_json, write_picture

from triptych.data.mixture import MixtureConfig, Share
from triptych.data.sources import CaptionedFolder, CocoCaptions, LlavaSource

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


def write_all(root: Path) -> None:
    for write in (write_llava, write_folder, write_coco):
        write(root)


def mixture(tolerate: float = 0.01) -> MixtureConfig:
    sources = (
        LlavaSource(path="llava.json", images="photos", tolerate=tolerate),
        CaptionedFolder(folder="folder", tolerate=tolerate),
        CocoCaptions(path="captions.json", images="coco", tolerate=tolerate),
    )
    return MixtureConfig(shares=tuple(Share(source=source) for source in sources))


EVERY_FAULT = [
    [
        ("17", "picture cannot be used"),
        ("llava.json: entry [18]", "picture slots that do not fit"),
    ],
    [("017.png", "picture cannot be used"), ("018.txt", "picture file missing")],
    [("coco17", "picture cannot be used"), ("coco18", "picture cannot be used")],
]
"""Of each data set: sample and reason."""
