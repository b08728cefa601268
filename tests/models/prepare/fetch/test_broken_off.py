"""Fetches that break off, stall or bring damaged bytes, and disks without room."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import constants, file_download

from models.prepare.fetch import fetch
from tests.support.hub import LIST, Fault, Hub, Repository
from tests.support.repository import ID, WEIGHTS, blobs, files, refusal, sha256


def test_a_fetch_that_broke_off_goes_on_where_it_ended(hub: Hub, cache: Path) -> None:
    """The second run asks for the rest by Range and gets only that; both together are the file once."""
    broken = Fault(breaks_after=0)
    hub.faults["model.safetensors"] = Fault(breaks_after=300_000, times=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            file_download, "time", SimpleNamespace(sleep=lambda _: hub.faults.update({"model.safetensors": broken}))
        )
        sentence = refusal()
    assert sentence.startswith(f"{ID}: model.safetensors could not be downloaded from {hub.url} (")
    assert sentence.endswith("prepare the model again (the download resumes)")
    assert hub.sent("model.safetensors") == 300_000
    hub.faults.clear()
    asked_before = len(hub.of("model.safetensors"))
    checkpoint = fetch(ID)
    again = hub.of("model.safetensors")[asked_before:]
    assert [asked.headers["range"] for asked in again] == ["bytes=300000-"]
    assert hub.sent("model.safetensors") == len(WEIGHTS)
    assert checkpoint.files["model.safetensors"] == sha256(WEIGHTS)
    assert not list(blobs(cache).glob("*.partial"))


def test_a_connection_that_breaks_is_taken_up_within_a_run(hub: Hub, cache: Path) -> None:
    """The user sees nothing of it."""
    hub.faults["model.safetensors"] = Fault(breaks_after=200_000, times=3)
    assert fetch(ID).files["model.safetensors"] == sha256(WEIGHTS)
    assert len(hub.of("model.safetensors")) == 4
    assert hub.sent("model.safetensors") == len(WEIGHTS)


def test_a_storage_that_stalls_is_given_up(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After HF_HUB_DOWNLOAD_TIMEOUT and the client's few tries."""
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    hub.faults["model.safetensors"] = Fault(stalls_after=0)
    assert f"{ID}: model.safetensors could not be downloaded from {hub.url} (" in refusal()


def test_bytes_that_differ_from_the_hubs_sha256_are_removed(hub: Hub, cache: Path) -> None:
    """So that the next run can succeed."""
    hub.faults["model.safetensors"] = Fault(body=b"\0" * len(WEIGHTS), times=1)
    sentence = refusal()
    assert sentence.startswith(f"{ID}: model.safetensors is damaged (sha256 ")
    assert sentence.endswith("has been removed: prepare the model again to download it again")
    assert sha256(WEIGHTS)[:12] in sentence
    assert not (blobs(cache) / sha256(WEIGHTS)).exists()
    assert fetch(ID).files["model.safetensors"] == sha256(WEIGHTS)


@pytest.mark.parametrize("unreachable", [False, True])
def test_a_cached_file_that_was_damaged_is_found_and_removed(hub: Hub, cache: Path, unreachable: bool) -> None:
    """With and without the hub: the cache names a big file after its sha256."""
    fetch(ID)
    blob = blobs(cache) / sha256(WEIGHTS)
    blob.write_bytes(b"hurt")
    hub.faults[LIST] = Fault(status=503 if unreachable else None)
    assert "model.safetensors is damaged" in refusal()
    assert not blob.exists()
    hub.faults.clear()
    assert fetch(ID).files["model.safetensors"] == sha256(WEIGHTS)


def test_a_partial_file_that_is_too_long_is_begun_anew(hub: Hub, cache: Path) -> None:
    """It cannot be a part of the file."""
    blobs(cache).mkdir(parents=True)
    (blobs(cache) / f"{sha256(WEIGHTS)}.partial").write_bytes(WEIGHTS + b"more")
    assert fetch(ID).files["model.safetensors"] == sha256(WEIGHTS)
    assert "range" not in hub.of("model.safetensors")[0].headers


def test_a_file_that_ends_early_is_never_taken_for_whole(hub: Hub, cache: Path) -> None:
    """A proxy may cut a body and say that it is all."""
    hub.faults["model.safetensors"] = Fault(body=WEIGHTS[:1000])
    assert "model.safetensors could not be downloaded" in refusal()
    assert not (blobs(cache) / sha256(WEIGHTS)).exists()


def test_a_disk_without_room_is_told_before_the_weights_are_fetched(hub: Hub, cache: Path) -> None:
    """With what is needed and what is free."""
    hub.repositories[ID] = Repository(files(), claimed_sizes={"model.safetensors": 10**18})
    sentence = refusal()
    assert sentence.startswith(f"{ID} needs 1000000000.0 GB more, but the disk of {cache} has only ")
    assert sentence.endswith("free some space, or set HF_HOME to a folder on another disk")
    assert hub.sent("model.safetensors") == 0


def test_a_part_that_is_here_needs_no_room(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither does a file that is in the cache."""
    blobs(cache).mkdir(parents=True)
    (blobs(cache) / f"{sha256(WEIGHTS)}.partial").write_bytes(WEIGHTS[:-10])
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=200))
    fetch(ID)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    fetch(ID)


def test_a_disk_that_fills_up_is_told(hub: Hub, cache: Path) -> None:
    """The kernel's own answer: the part is on /dev/full."""
    blobs(cache).mkdir(parents=True)
    (blobs(cache) / f"{sha256(WEIGHTS)}.partial").symlink_to("/dev/full")
    assert refusal() == (
        f"the disk of {cache} filled up while {ID}: model.safetensors was being downloaded: free some space "
        f"and prepare the model again (the download resumes), or set HF_HOME to a folder on another disk"
    )


def test_a_cache_that_cannot_be_written_is_told_as_such(hub: Hub, cache: Path) -> None:
    """The hub has nothing to do with it: the cache is named, with the variable that moves it."""
    cache.parent.joinpath("cache").write_text("a file where the cache should be")
    sentence = refusal()
    assert sentence.startswith(f"{ID}: ")
    assert f"cannot be written into the hub's cache ({cache}" in sentence
    assert sentence.endswith(f"make {cache} writable, or set HF_HOME to a folder that is")


def test_a_damaged_file_of_a_cache_that_cannot_be_written_is_named(hub: Hub, cache: Path) -> None:
    """It cannot be removed for the next run: the user is told which file to delete."""
    folder = fetch(ID).folder
    blob = blobs(cache) / sha256(WEIGHTS)
    blob.unlink()
    blob.symlink_to("/proc/version")  # a file that nobody can remove
    sentence = refusal()
    assert "is damaged (sha256 " in sentence
    assert "cannot be removed (" in sentence
    assert sentence.endswith("delete /proc/version, or set HF_HOME to another folder")
    assert (folder / "model.safetensors").exists()
