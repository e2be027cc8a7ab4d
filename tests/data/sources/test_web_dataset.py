"""WebDataset shards: pictures are read from their place in the tar, whichever is asked for."""

import io
import json
import tarfile
from pathlib import Path

import pytest
from tests.data.drawn import write_picture

from triptych.data.sources import WebDataset
from triptych.data.sources.web_dataset import Member, find_shards
from triptych.errors import DataError


def write_shard(path: Path, files: dict[str, bytes | str]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def test_captions_are_read_and_pictures_found_at_random(tmp_path: Path):
    contents = [
        write_picture(tmp_path / f"{number}.png", number=number).read_bytes() for number in range(4)
    ]
    for shard in range(2):
        files: dict[str, bytes | str] = {}
        for number in (2 * shard, 2 * shard + 1):
            files[f"part/{number:03d}.PNG"] = contents[number]
            files[f"part/{number:03d}.txt"] = f"caption {number}\n"
        write_shard(tmp_path / f"train-{shard:02d}.tar", files)
    conversations, ledger = WebDataset(shards="train-{00..01}.tar").read(tmp_path)
    assert [each.sample_id for each in conversations] == [f"part/00{n}" for n in range(4)]
    for number in (3, 0, 2, 1):
        prompt, answer = conversations[number].messages
        picture = prompt["content"][0]["image"]
        assert isinstance(picture, Member)
        assert picture.read() == contents[number]
        assert answer["content"] == f"caption {number}"
    assert (ledger.num_kept, ledger.left_out) == (4, [])


def test_json_gives_captions_turns_or_messages(tmp_path: Path):
    part = {"type": "image", "image": "1.jpg"}
    messages = [
        {"role": "user", "content": [part, {"type": "text", "text": "Which?"}]},
        {"role": "assistant", "content": "That."},
    ]
    turns = [{"from": "human", "value": "<image>\n<image>\nSame?"}, {"from": "gpt", "value": "No."}]
    write_shard(
        tmp_path / "a.tar",
        {
            "x.jpg": b"first",
            "x.json": json.dumps({"caption": "A pear.", "url": "u"}),
            "y.0.jpg": b"second",
            "y.1.jpg": b"third",
            "y.json": json.dumps({"conversations": turns}),
            "z.0.jpg": b"fourth",
            "z.1.jpg": b"fifth",
            "z.json": json.dumps({"messages": messages, "kind": "choice"}),
        },
    )
    (x, y, z), _ = WebDataset(shards="*.tar", prompt="Describe it.").read(tmp_path)
    assert x.messages[0]["content"][1] == {"type": "text", "text": "Describe it."}
    assert x.messages[1]["content"] == "A pear."
    assert x.extra == {"url": "u"}
    assert [part["image"].read() for part in y.messages[0]["content"][:2]] == [b"second", b"third"]
    assert z.messages[0]["content"][0]["image"].read() == b"fifth"
    assert z.extra == {"kind": "choice"}


BAD = {
    "no text": ({"b.jpg": b"p"}, "no captions"),
    "no picture": ({"b.txt": "A cat."}, "no picture"),
    "two pictures": (
        {"b.0.jpg": b"p", "b.1.jpg": b"q", "b.txt": "Cats."},
        "picture slots that do not fit",
    ),
    "broken json": ({"b.jpg": b"p", "b.json": "{"}, "invalid JSON"),
    "empty caption": ({"b.jpg": b"p", "b.txt": " \n"}, "empty content"),
    "not utf-8": ({"b.jpg": b"p", "b.txt": b"caf\xe9"}, "text that cannot be read"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_sample_is_listed_by_shard_and_key(tmp_path: Path, case: str):
    files, reason = BAD[case]
    shard = write_shard(tmp_path / "a.tar", {"a.jpg": b"p", "a.txt": "A pear.", **files})
    conversations, ledger = WebDataset(shards="a.tar", tolerate=0.5).read(tmp_path)
    assert [each.sample_id for each in conversations] == ["a"]
    assert [(e.sample_id, e.reason) for e in ledger.left_out] == [(f"{shard}: b", reason)]


def test_a_shard_that_is_cut_off_gives_what_it_has_and_is_listed(tmp_path: Path):
    files = {f"{n}.{kind}": f"{n}" * 600 for n in "abcd" for kind in ("jpg", "txt")}
    shard = write_shard(tmp_path / "a.tar", files)
    shard.write_bytes(shard.read_bytes()[: 8 * 1536 - 700])
    conversations, ledger = WebDataset(shards="a.tar", tolerate=0.5).read(tmp_path)
    assert [each.sample_id for each in conversations] == ["a", "b", "c"]
    assert "shard cut off" in ledger.counts()


def test_a_shard_cut_off_after_it_was_read_is_noticed(tmp_path: Path):
    shard = write_shard(tmp_path / "a.tar", {"a.jpg": b"p" * 2000, "a.txt": "A pear."})
    [only], _ = WebDataset(shards="a.tar").read(tmp_path)
    shard.write_bytes(shard.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"a\.tar is cut off within a\.jpg"):
        only.messages[0]["content"][0]["image"].read()


def test_what_is_no_plain_tar_is_refused(tmp_path: Path):
    with tarfile.open(tmp_path / "a.tar", "w:gz"):
        pass
    with pytest.raises(DataError, match=r"no tar file, or compressed.*unpack it"):
        WebDataset(shards="a.tar").read(tmp_path)


def test_every_shard_of_a_range_must_be_there(tmp_path: Path):
    for number in (8, 9, 10):
        (tmp_path / f"s{number:03d}.tar").touch()
    assert [p.name for p in find_shards(tmp_path, "s{008..010}.tar")] == [
        "s008.tar",
        "s009.tar",
        "s010.tar",
    ]
    with pytest.raises(DataError, match=r"there is no shard .*s011\.tar"):
        find_shards(tmp_path, "s{008..011}.tar")
    with pytest.raises(DataError, match="there is no shard"):
        find_shards(tmp_path, "t*.tar")
