"""The data of datasets in the cache: fetched, listed with its size, checked, removed; by the command ``fw data``."""

import hashlib
import http.server
import io
import os
import re
import tarfile
import threading
from functools import partial

import pytest

from framework_core import data_cache
from framework_core.download import RemoteFile, go_offline
from framework_core.errors import DataError

PLUGIN = """
from framework_core import hookimpl
from framework_core.contracts import DatasetSpec
from framework_core.download import RemoteFile

@hookimpl
def register_components():
    yield DatasetSpec(name="meadow", builder="x:Y", files=({files},))
    yield DatasetSpec(name="home_made", builder="x:Z")
"""


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("FRAMEWORK_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def site(tmp_path):
    """A server with a file and an archive."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "grass.bin").write_bytes(bytes(range(256)) * 40)
    with tarfile.open(folder / "herbs.tar.gz", "w:gz") as tar:
        for name in ("herbs/sage", "herbs/mint"):
            member = tarfile.TarInfo(name)
            member.size = 5
            tar.addfile(member, io.BytesIO(name[-4:].encode() + b"!"))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def files(site):
    folder, address = site
    found = []
    for name, unpacked in (("grass.bin", ""), ("herbs.tar.gz", "herbs")):
        content = (folder / name).read_bytes()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        found.append(RemoteFile(f"{address}/{name}", digest, size=len(content), folder=unpacked))
    return found


@pytest.fixture
def offered(files, install):
    """A dataset of an installed plugin that has these files."""
    text = PLUGIN.format(files=", ".join(map(repr, files)))
    install("meadow-dist", {"meadow_plugin": text}, {"framework.plugins": {"meadow": "meadow_plugin"}})


@pytest.fixture
def place(tmp_path):
    return tmp_path / "cache" / "data" / "meadow"


@pytest.fixture
def row(fw):
    """What ``fw data list`` says of the dataset here."""
    return lambda: next(each for each in fw("data", "list", "--json").json if each["name"] == "meadow")


def test_files_are_fetched_and_archives_unpacked_once(files, place):
    assert data_cache.fetch("meadow", files) == place
    assert (place / "herbs" / "mint").read_text() == "mint!"
    before = (place / "herbs" / "mint").stat().st_mtime_ns
    data_cache.fetch("meadow", files)
    assert (place / "herbs" / "mint").stat().st_mtime_ns == before
    assert data_cache.wrong_in(place, files) == []


def test_the_command_fetches_lists_verifies_and_removes(offered, place, row, fw):
    assert row()["state"] == "not here"
    assert fw("data", "fetch", "meadow").code == 0
    found = row()
    assert (found["state"], found["folder"]) == ("here", str(place))
    assert found["bytes"] == data_cache.size_of(place) > found["download"] > 10_240
    shown = fw("data", "list")
    assert re.search(r"^meadow +here +10\.\d kB +10\.\d kB +20", shown.out, re.M)
    assert f" kB in {place.parent}" in shown.err
    assert fw("data", "verify").out == "meadow  as it was published\n"
    assert re.fullmatch(r"meadow  10\.\d kB\n", fw("data", "gc", "meadow", "--dry-run").out)
    assert place.is_dir()
    assert fw("data", "gc", "meadow").code == 0
    assert not place.exists()


def test_a_file_that_changed_is_found_and_named(offered, place, fw):
    fw("data", "fetch", "meadow")
    with (place / "grass.bin").open("r+b") as file:
        file.write(b"weed")
    (place / "herbs" / "sage").write_text("salt!")
    done = fw("data", "verify", "meadow")
    assert done.code == 2
    assert f"{place / 'grass.bin'} is another file: sha256:" in done.err
    assert f"{place / 'herbs' / 'sage'} is not what herbs.tar.gz holds" in done.err
    assert "fw data gc meadow && fw data fetch meadow" in done.err


def test_what_an_interrupted_download_left_is_removed(offered, place, row, fw):
    place.mkdir(parents=True)
    (place / "grass.bin.part").write_bytes(b"half")
    assert row()["state"] == "partly"
    assert fw("data", "gc").out == f"{place / 'grass.bin.part'}  left over\n"
    assert fw("data", "gc").err == "There is nothing to remove.\n"
    assert list(place.iterdir()) == []


def test_what_a_process_is_at_work_on_is_left_alone(place):
    from filelock import FileLock

    place.mkdir(parents=True)
    (place / "grass.bin.part").write_bytes(b"half")
    with FileLock(place / "grass.bin.lock"):
        assert list(data_cache.left_over()) == []


def held(name, size, used):
    folder = data_cache.data_folder() / name
    folder.mkdir(parents=True)
    (folder / "file").write_bytes(bytes(size))
    (folder / ".used").touch()
    os.utime(folder / ".used", (used, used))


def test_beyond_a_size_what_was_not_used_for_longest_goes(fw):
    for name, size, used in (("old", 4000, 1e9), ("new", 3000, 1.5e9), ("middle", 2000, 1.2e9)):
        held(name, size, used)
    assert fw("data", "gc", "--size", "6kB").out == "old  4.0 kB\n"
    assert [each.name for each in data_cache.held()] == ["middle", "new"]


def test_a_limit_is_kept_by_each_download(files, monkeypatch):
    held("old", 40_000, 1e9)
    held("new", 3000, 1.5e9)
    monkeypatch.setenv(data_cache.LIMIT, "20kB")
    data_cache.fetch("meadow", files)
    assert [each.name for each in data_cache.held()] == ["meadow", "new"]


@pytest.mark.parametrize(
    ("text", "size"), [("1000", 1000), ("500MB", 500_000_000), ("1.5 GB", 1_500_000_000), ("2k", 2000)]
)
def test_sizes_are_read(text, size):
    assert data_cache.bytes_of(text) == size


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("fetch", "meadw"), "There is no dataset named 'meadw'"),
        (("fetch", "home_made"), "The dataset 'home_made' fetches nothing."),
        (("verify", "meadow"), "Nothing of 'meadow' is in the cache."),
        (("gc", "meadow"), "Nothing of 'meadow' is in the cache."),
        (("gc", "--size", "big"), "'big' is no size."),
    ],
)
def test_what_cannot_be_done_is_one_message(words, said, offered, fw):
    done = fw("data", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("error:") == 1


def test_offline_is_an_option_of_every_command(offered, place, fw, monkeypatch):
    for name in ("FRAMEWORK_OFFLINE", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "0")
    done = fw("data", "fetch", "meadow", "--offline")
    assert done.code == 2
    assert "grass.bin is not here, and nothing is fetched from the network (--offline)." in done.err
    assert os.environ["HF_HUB_OFFLINE"] == "1"


def test_offline_holds_for_the_files_of_a_dataset(files, monkeypatch):
    for name in ("FRAMEWORK_OFFLINE", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "0")
    go_offline()
    with pytest.raises(DataError, match="nothing is fetched"):
        data_cache.fetch("meadow", files)
