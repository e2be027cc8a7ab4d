"""Names on the Hub: what is fetched, what is refused, and what is said when it goes wrong."""

import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants
from tests.checkpoint.hub_server import COMMIT, Hub, Repository, serving
from tests.checkpoint.published import small

from triptych.checkpoint import hub as hub_names
from triptych.checkpoint.hub import (
    HubName,
    cached_folder,
    cached_models,
    fetch,
    model_folder,
    name_of,
    read_name,
)
from triptych.checkpoint.layouts import export_model, open_model
from triptych.errors import CheckpointError, UsageError

NAME = HubName("owner/small")
OTHER = "f" * 40


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a small model in three shards."""
    folder = tmp_path_factory.mktemp("published") / "small"
    export_model(folder, small(), shard_bytes=400_000)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def hub(
    published: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Hub]:
    """A Hub with that model and much that nobody needs, and an empty cache."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no token"))
    monkeypatch.chdir(tmp_path)
    with serving() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        besides = {
            "pytorch_model.bin": b"pickle",
            "modeling_small.py": b"raise SystemExit",
            "consolidated.safetensors": b"the same weights again",
            "onnx/model.onnx": b"onnx",
            "training_args.bin": b"pickle",
        }
        served.repositories["owner/small"] = Repository({**published, **besides})
        yield served


def shards(published: dict[str, bytes]) -> list[str]:
    return sorted(name for name in published if name.endswith(".safetensors"))


# -- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("owner/name", HubName("owner/name")),
        ("owner/Name-2.5_b@v1.0", HubName("owner/Name-2.5_b", "v1.0")),
        ("owner/name@refs/pr/3", HubName("owner/name", "refs/pr/3")),
        (f"owner/name@{COMMIT}", HubName("owner/name", COMMIT)),
        *((name, None) for name in ("mini", "./name", "../name", "/a/b", "a/b/c", "~/b", "a/", "")),
        *((name, None) for name in ("owner/name@", "owner/na me", "../x@y", "owner/..")),
    ],
)
def test_a_name_is_an_owner_and_a_name_and_perhaps_a_revision(name, expected):
    assert read_name(name) == expected


def test_what_begins_with_a_folder_here_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_name("runs/first") == HubName("runs/first")
    (tmp_path / "runs").mkdir()
    assert read_name("runs/first") is None


def test_a_folder_on_disk_wins(hub, tmp_path):
    folder = tmp_path / "owner" / "small"
    folder.mkdir(parents=True)
    assert model_folder("owner/small").resolve() == folder
    assert not hub.asked


# -- fetching -------------------------------------------------------------------------------------


def test_only_what_is_read_is_fetched_once_and_in_silence(hub, published, capfd):
    folder = model_folder("owner/small")
    assert sorted(hub.sent) == sorted(published)
    assert all((folder / name).read_bytes() == data for name, data in published.items())
    assert folder == cached_folder(NAME) and name_of(folder) == "small"
    assert capfd.readouterr() == ("", "")  # the bar is for terminals
    hub.sent.clear()
    assert model_folder("owner/small") == folder
    assert hub.sent == []
    assert open_model(folder).architecture.name == "small"


def test_settings_alone_leave_the_weights_where_they_are(hub, published):
    folder = model_folder("owner/small", weights=False)
    assert (folder / "config.json").is_file()
    assert not set(hub.sent) & set(shards(published))
    with pytest.raises(CheckpointError, match=r"lacks model-00001-of-00003.safetensors"):
        model_folder("owner/small", offline=True)


def test_a_revision_is_pinned(hub, published):
    repository = hub.repositories["owner/small"]
    repository.revisions = {"main": COMMIT, "v1": OTHER}
    assert model_folder("owner/small@v1").name == OTHER
    assert model_folder("owner/small").name == COMMIT
    hub.asked.clear()
    assert model_folder(f"owner/small@{OTHER}").name == OTHER
    assert hub.asked == []  # a whole commit cannot have changed
    assert set(cached_models()) == {NAME, HubName("owner/small", "v1")}
    (folder_of_references() / "v1").unlink()
    assert set(cached_models()) == {NAME, HubName("owner/small", OTHER)}


def folder_of_references() -> Path:
    folder = cached_folder(NAME)
    assert folder is not None
    return folder.parent.parent / "refs"


def test_an_unsharded_model_needs_one_file_of_weights(hub, published, tmp_path):
    export_model(tmp_path / "one", small())
    files = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    hub.repositories["owner/one"] = Repository(files)
    model_folder("owner/one")
    assert [name for name in hub.sent if name.endswith(".safetensors")] == ["model.safetensors"]


# -- offline --------------------------------------------------------------------------------------


def test_offline_reads_the_cache_and_asks_nobody(hub, monkeypatch):
    folder = model_folder("owner/small")
    hub.asked.clear()
    assert model_folder("owner/small", offline=True) == folder
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert model_folder("owner/small") == folder
    assert hub.asked == []


def test_offline_an_unknown_model_is_refused(hub):
    with pytest.raises(CheckpointError, match=r"offline, and the local cache .* does not have"):
        model_folder("owner/small", offline=True)


def test_a_cache_that_another_program_filled_is_read(hub, published, tmp_path):
    storage = tmp_path / "cache" / "models--some--model"
    for name, data in published.items():
        (storage / "blobs").mkdir(parents=True, exist_ok=True)
        (storage / "snapshots" / COMMIT).mkdir(parents=True, exist_ok=True)
        (storage / "blobs" / f"blob-{name}").write_bytes(data)
        (storage / "snapshots" / COMMIT / name).symlink_to(f"../../blobs/blob-{name}")
    (storage / "refs").mkdir()
    (storage / "refs" / "main").write_text(COMMIT)
    assert model_folder("some/model", offline=True) == storage / "snapshots" / COMMIT
    assert list(cached_models()) == [HubName("some/model")]
    with pytest.raises(CheckpointError, match="does not have some/model@v2"):
        model_folder("some/model@v2", offline=True)


def test_without_a_network_a_whole_copy_is_taken_with_a_warning(hub, monkeypatch, caplog):
    folder = model_folder("owner/small")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with caplog.at_level(logging.WARNING, logger="triptych.checkpoint.hub"):
        assert model_folder("owner/small") == folder
    assert "taking the copy in the local cache" in caplog.text


# -- what can go wrong ----------------------------------------------------------------------------


def one_sentence(error: pytest.ExceptionInfo[BaseException]) -> str:
    text = str(error.value)
    without_paths = re.sub(r"/\S+", "PATH", text)  # how long those are is the test folder's doing
    assert "\n" not in text and len(without_paths) < 250
    return text


def test_no_network(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(CheckpointError, match=r"no answer from http://127.0.0.1:9 .* check") as e:
        fetch(NAME)
    one_sentence(e)


def test_not_found(hub):
    with pytest.raises(UsageError, match=r"no folder and no model on the Hub named 'o/x'") as e:
        fetch(HubName("o/x"))
    assert "hf auth login" in one_sentence(e)


def test_a_revision_that_does_not_exist(hub):
    with pytest.raises(UsageError, match="owner/small has no revision 'v9'") as e:
        fetch(HubName("owner/small", "v9"))
    one_sentence(e)


def test_gated(hub):
    hub.repositories["owner/small"].gated = True
    with pytest.raises(CheckpointError, match=r"owner/small is gated: ask for access at") as e:
        fetch(NAME)
    assert f"{hub.url}/owner/small, then log in with `hf auth login`" in one_sentence(e)


@pytest.mark.parametrize(
    ("status", "message"),
    [(403, "refuses owner/small .status 403.; log in"), (500, "status 500 .* try again later")],
)
def test_other_refusals(hub, status, message):
    hub.repositories["owner/small"].status = status
    with pytest.raises(CheckpointError, match=message) as e:
        fetch(NAME)
    one_sentence(e)


def test_pickles_alone_are_refused_before_anything_is_fetched(hub, published):
    files = {name: data for name, data in published.items() if "safetensors" not in name}
    hub.repositories["owner/old"] = Repository({**files, "pytorch_model.bin": b"pickle"})
    with pytest.raises(
        CheckpointError, match=r"pickles only \(pytorch_model.bin\), which can"
    ) as e:
        fetch(HubName("owner/old"))
    one_sentence(e)
    assert hub.sent == []
    assert fetch(HubName("owner/old"), weights=False).is_dir()


def test_no_weights_and_no_settings(hub, published):
    files = {"config.json": published["config.json"]}
    hub.repositories["owner/bare"] = Repository(files)
    with pytest.raises(CheckpointError, match="owner/bare has no weights"):
        fetch(HubName("owner/bare"))
    hub.repositories["owner/bare"] = Repository({"README.md": b"soon"})
    with pytest.raises(CheckpointError, match=r"owner/bare has no config.json"):
        fetch(HubName("owner/bare"))


def test_a_shard_that_is_not_there_is_named_before_the_others_are_fetched(hub, published):
    gone = shards(published)[1]
    del hub.repositories["owner/small"].files[gone]
    with pytest.raises(CheckpointError, match=f"owner/small lacks {gone}, which its") as e:
        fetch(NAME)
    one_sentence(e)
    assert not set(hub.sent) & set(shards(published))


def test_a_shard_that_vanished_from_the_cache_is_named_offline_and_fetched_online(hub, published):
    folder = fetch(NAME)
    gone = folder / shards(published)[2]
    gone.resolve().unlink()
    gone.unlink()
    with pytest.raises(CheckpointError, match=f"lacks {gone.name}; fetch it once with a network"):
        fetch(NAME, offline=True)
    assert fetch(NAME) == folder and gone.is_file()


def test_a_connection_that_breaks_off_is_told_and_taken_up_again(hub, published, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    cut = hub.repositories["owner/small"].cut = shards(published)[0]
    with pytest.raises(CheckpointError, match=r"owner/small was not downloaded whole: .* again"):
        fetch(NAME)
    assert not (cache_folder(hub) / cut).exists()
    hub.repositories["owner/small"].cut = ""
    assert (fetch(NAME) / cut).read_bytes() == published[cut]


def cache_folder(hub: Hub) -> Path:
    folder = cached_folder(NAME)
    assert folder is not None
    return folder


@pytest.mark.parametrize("offline", [False, True])
def test_a_torn_file_in_the_cache_is_named_with_the_cure(hub, published, offline):
    path = fetch(NAME) / shards(published)[0]
    whole = path.read_bytes()
    path.resolve().write_bytes(whole[:-1000])
    with pytest.raises(CheckpointError, match=r"is torn: it has .* delete .*blobs.* fetch it") as e:
        fetch(NAME, offline=offline)
    one_sentence(e)
    path.resolve().write_bytes(whole[:5])
    with pytest.raises(CheckpointError, match="is torn"):
        fetch(NAME, offline=offline)


def test_a_disk_that_is_too_small_is_told_before_the_weights_are_fetched(
    hub, published, monkeypatch
):
    usage = shutil.disk_usage("/")._replace(free=100_000)
    monkeypatch.setattr(hub_names.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(CheckpointError, match=r"needs 0.0 GB of disk and .* has 0.0 GB left") as e:
        fetch(NAME)
    assert "HF_HUB_CACHE" in one_sentence(e)
    assert not set(hub.sent) & set(shards(published))


def test_a_disk_that_fills_up_meanwhile_is_told(hub, monkeypatch):
    def full(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device", "/cache/blobs/x.incomplete")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", full)
    with pytest.raises(CheckpointError, match=r"/cache/blobs/x.incomplete: No space left") as e:
        fetch(NAME)
    one_sentence(e)
