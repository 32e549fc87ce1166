"""Published sets, each in its own layout with its own split, from a folder, an archive or a server."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import os
import shutil
import tarfile
import threading
from functools import partial
from pathlib import Path

import made_sounds
import numpy as np
import pytest
from made_sounds import tone, write

from framework_core import registry
from framework_core.errors import DataError
from framework_plugins_audio import published
from framework_plugins_audio.datasets.speech_commands import which_set

pytestmark = pytest.mark.drawn

DATA = "AUDIO_DATA"
"""Environment variable: a folder with fsdd/."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FRAMEWORK_CACHE", str(tmp_path / "cache"))


def module(name, **settings):
    found = registry.create_dataset(name, **settings)
    found.prepare_data()
    found.setup()
    return found


def speakers(found):
    return {split: set(groups["speaker"]) for split, groups in found.groups.items()}


def test_fsdd_is_tested_on_the_first_five_recordings_of_each(project):
    found = module("fsdd", path=str(made_sounds.fsdd(project / "fsdd")), val_fraction=0.25)
    assert found.data_spec().split_sizes == {"train": 30, "val": 10, "test": 100}
    assert {Path(clip).stem.rpartition("_")[2] for clip in found.groups["test"]["clip"]} == set("01234")
    assert speakers(found)["test"] == {"ann", "theo"}


def test_one_speaker_is_left_out_of_fsdd(project):
    root = made_sounds.fsdd(project / "fsdd")
    found = module("fsdd", path=str(root), test_speaker="theo")
    assert speakers(found) == {"train": {"ann"}, "val": {"ann"}, "test": {"theo"}}
    assert len(found.test_dataset) == 70
    with pytest.raises(DataError, match="There is no speaker 'theodor'") as refused:
        module("fsdd", path=str(root), test_speaker="theodor")
    assert refused.value.possible == "Near it: theo."


@pytest.mark.parametrize("where", ["fsdd.zip", "."])
def test_fsdd_is_read_from_its_archive_without_unpacking(where, project):
    root = made_sounds.fsdd(project / "made" / "fsdd")
    shutil.make_archive("fsdd", "zip", root)
    unpacked = module("fsdd", path=str(root))
    names = [each.exact for each in unpacked.sample_hashes("test", range(5))]
    sizes = unpacked.data_spec().split_sizes
    shutil.rmtree(project / "made")
    packed = module("fsdd", path=where, num_workers=2, cache="none")
    assert packed.data_spec().split_sizes == sizes
    assert [each.exact for each in packed.sample_hashes("test", range(5))] == names
    loader = packed.test_dataloader()
    assert sum(len(sound) for sound, _ in loader) == 100
    loader._iterator._shutdown_workers()


def test_words_are_split_by_a_hash_of_their_speaker():
    # The example of the script that made the set, and the share that it takes.
    assert which_set("0a7c2a8d_nohash_0.wav") == which_set("0a7c2a8d_nohash_3.wav")
    sets = [which_set(f"{number:08x}_nohash_0.wav") for number in range(4_000)]
    assert {name: round(sets.count(name) / 4_000, 1) for name in ("val", "test", "train")} == {
        "val": 0.1,
        "test": 0.1,
        "train": 0.8,
    }


def test_the_lists_of_the_authors_go_before_the_hash(project):
    root = made_sounds.speech_commands(project / "words")
    names = sorted(path.relative_to(root).as_posix() for path in (root / "yes").iterdir())
    (root / "validation_list.txt").write_text("\n".join(names[:2]) + "\n")
    (root / "testing_list.txt").write_text("\n".join(names[2:5]) + "\n")
    found = module("speech_commands", path=str(root))
    assert found.data_spec().split_sizes == {"train": 12 * 12 - 5, "val": 2, "test": 3}
    assert len(found.class_names) == 12


def test_ten_words_stand_beside_others_and_silence(project):
    found = module("speech_commands", path=str(made_sounds.speech_commands(project / "words")), classes=12, seconds=1.0)
    spec = found.data_spec()
    assert spec.class_names[-2:] == ("_unknown_", "_silence_")
    assert len(spec.class_names) == 12
    wanted = 10 * 6
    assert spec.class_counts["_unknown_"] == spec.class_counts["_silence_"] == wanted * 0.1
    assert set(found.groups["train"]["word"]) > {"yes", "_silence_"}
    words = {split: set(groups["speaker"]) - {"_background_noise_"} for split, groups in found.groups.items()}
    assert not words["train"] & words["test"]
    silence = {
        split: [clip.recording for clip in getattr(found, f"{split}_dataset").clips if "_noise_" in clip.recording.name]
        for split in ("train", "val", "test")
    }
    assert max(each.end for each in silence["train"]) <= min(each.begin for each in silence["val"])
    assert max(each.end for each in silence["val"]) <= min(each.begin for each in silence["test"])


def test_folds_of_esc50_are_those_of_its_authors(project):
    root = made_sounds.esc50(project / "ESC-50-master")
    found = module("esc50", path=str(root), fold=5)
    folds = {split: set(groups["fold"]) for split, groups in found.groups.items()}
    assert folds == {"train": {"2", "3", "4"}, "val": {"1"}, "test": {"5"}}
    assert found.class_names == ("dog", "rooster", "pig", "cow")
    whole = module("esc50", path=str(project), fold=2, val_fold=0, classes=10)
    assert whole.data_spec().split_sizes == {"train": 8, "test": 2}
    assert whole.class_names == ("dog", "rooster")
    with pytest.raises(DataError, match="There is no fold 6") as refused:
        module("esc50", path=str(root), fold=6)
    assert refused.value.possible == "Its folds are 1, 2, 3, 4, 5."


def test_esc50_is_read_from_its_archive(project):
    made_sounds.esc50(project / "made" / "ESC-50-master")
    shutil.make_archive("master", "zip", project / "made")
    shutil.rmtree(project / "made")
    assert module("esc50", path="master.zip").data_spec().split_sizes == {"train": 12, "val": 4, "test": 4}


def test_urbansound8k_has_files_of_several_rates_and_channels(project):
    found = module("urbansound8k", path=str(made_sounds.urbansound8k(project / "UrbanSound8K")), fold=1)
    spec = found.data_spec()
    assert spec.split_sizes == {"train": 2, "val": 2, "test": 2}
    assert spec.facts["sample_rate"] == 11_025
    assert spec.input_shape == (1, 3_308)
    assert found.groups["test"]["source"] == ["100", "100"]


@pytest.mark.parametrize("name", ["fsdd", "speech_commands", "esc50", "urbansound8k"])
def test_a_set_that_is_not_there_says_what_to_do(name, monkeypatch):
    with pytest.raises(DataError, match="There is no nowhere") as refused:
        module(name, path="nowhere")
    assert published.FILES[name][0].url in refused.value.possible
    Path("empty").mkdir()
    with pytest.raises(DataError, match="in empty") as refused:
        module(name, path="empty")
    assert "dataset.path=" in refused.value.next_step
    monkeypatch.setenv("FRAMEWORK_OFFLINE", "1")
    with pytest.raises(DataError, match="nothing is fetched from the network"):
        module(name)


class QuietServer(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A client that hangs up because of what it was told is no error here."""


@pytest.fixture
def site(tmp_path):
    """A server, the folder that it shows, and its address."""
    folder = tmp_path / "site"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words):
            pass

    with QuietServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def archive(name, place, path):
    """The archive of a set, as its authors pack it."""
    made = getattr(made_sounds, name)(place / ("" if name == "speech_commands" else "inside"))
    if path.suffix == ".zip":
        shutil.make_archive(str(path.with_suffix("")), "zip", made.parent)
    else:
        with tarfile.open(path, "w:gz") as tar:
            for each in sorted(made.iterdir()) if name == "speech_commands" else [made]:
                tar.add(each, each.name)


@pytest.mark.parametrize("name", ["fsdd", "speech_commands", "esc50", "urbansound8k"])
def test_a_set_is_fetched_from_a_mirror_once(name, site, tmp_path, monkeypatch):
    folder, address = site
    file = published.FILES[name][0]
    archive(name, tmp_path / "made", folder / file.name)
    content = (folder / file.name).read_bytes()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    ours = dataclasses.replace(
        file, digest=digest, size=len(content), url=f"http://127.0.0.1:9/{file.name}", mirrors=()
    )
    monkeypatch.setitem(published.FILES, name, (ours,))
    found = module(name, mirror=address)
    assert found.data_spec().split_sizes["test"] > 0
    (folder / file.name).unlink()
    assert module(name).fingerprint() == found.fingerprint()


def test_what_is_not_the_authors_is_refused(site, fw, monkeypatch):
    # Nothing listens there: on this machine the authors' server shall not be asked.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    folder, address = site
    (folder / "v1.0.9.tar.gz").write_bytes(b"another file")
    done = fw("train", "--model", "m5", "--dataset", "fsdd", f"dataset.mirror={address}")
    assert done.code == 2
    assert "it gives another file" in done.err


def test_twelve_classes_need_noise(project):
    root = made_sounds.speech_commands(project / "words")
    shutil.rmtree(root / "_background_noise_")
    with pytest.raises(DataError, match="There is no noise"):
        module("speech_commands", path=str(root), classes=12)
    write(root / "_background_noise_" / "quiet.wav", np.zeros((100, 1)), 16_000)
    write(root / "_background_noise_" / "hiss.wav", tone(90, 16_000, 12), 16_000)
    assert module("speech_commands", path=str(root), classes=12).data_spec().class_counts["_silence_"] == 6


@pytest.mark.thorough
def test_the_whole_of_fsdd_is_read():
    if not (folder := os.environ.get(DATA)):
        pytest.skip(f"{DATA} names no folder")
    found = module("fsdd", path=str(Path(folder) / "fsdd"))
    assert found.data_spec().split_sizes == {"train": 2430, "val": 270, "test": 300}
    left_out = module("fsdd", path=found.path, test_speaker="theo")
    assert len(set(left_out.groups["test"]["clip"])) == 500
