"""Files from the network, from a real server on this machine."""

import contextlib
import hashlib
import http.server
import io
import logging
import multiprocessing
import os
import tarfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from framework_core import download as module
from framework_core import download_progress
from framework_core.download import RemoteFile, UnreachableError, download, mirrored, unpack
from framework_core.errors import DataError

CONTENT = bytes(range(256)) * 8000
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT at /whole; at /broken it hangs up half-way, the first times; knows Range."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []
        self.hang_ups = 1
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def address(self, path):
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        wanted = self.headers.get("Range", "")
        self.server.asked.append((self.path, wanted))
        if self.path.startswith("/missing"):
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and "deaf" not in self.path else 0
        content = b"something else" if self.path.startswith("/other") else CONTENT[start:]
        self.send_response(206 if start else 200)
        if self.path.startswith("/endless"):
            self.end_headers()
            self.give_without_end()
            return
        told = len(content) // 2 if self.path.startswith("/short") else len(content)
        self.send_header("Content-Length", str(told))
        self.end_headers()
        if "slow" in self.path:
            self.give_slowly(content)
            return
        if "broken" in self.path and self.server.hang_ups > 0:
            self.server.hang_ups -= 1
            content = content[: len(content) // 2]
        self.wfile.write(content)

    def give_slowly(self, content):
        for byte in content[:20]:
            self.wfile.write(bytes([byte]))
            time.sleep(0.05)

    def give_without_end(self):
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(CONTENT)

    def log_message(self, *words):
        pass


@pytest.fixture
def server():
    with Server() as running:
        yield running
        running.shutdown()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.02)


@pytest.fixture
def terminal(monkeypatch):
    """A real terminal on stderr; what was drawn on it."""
    own, theirs = os.openpty()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    drawn = []

    def read():
        with contextlib.suppress(OSError):  # the end of a terminal that is closed
            while chunk := os.read(own, 1 << 16):
                drawn.append(chunk)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    with os.fdopen(theirs, "w") as stderr:
        yield stderr, drawn
    reader.join(timeout=10)
    os.close(own)


def test_on_a_terminal_a_bar_is_drawn_and_taken_away(server, tmp_path, terminal):
    stderr, drawn = terminal
    with contextlib.redirect_stderr(stderr):
        path = download(RemoteFile(server.address("whole"), DIGEST, size=len(CONTENT)), tmp_path / "whole")
    assert path.read_bytes() == CONTENT
    deadline = time.monotonic() + 10
    while b"\x1b[?25h" not in b"".join(drawn) and time.monotonic() < deadline:
        time.sleep(0.01)
    text = b"".join(drawn).decode()
    assert "whole" in text
    assert "2.0/2.0 MB" in text
    assert "\u2501" in text  # the bar
    assert text.index("\x1b[?25l") < text.index("\x1b[?25h")  # the cursor is hidden, and comes back
    assert text.rstrip().endswith("\x1b[2K")  # the line is wiped


def test_a_file_is_fetched_once(server, tmp_path):
    file = RemoteFile(server.address("whole"), DIGEST)
    for _ in range(2):
        assert download(file, tmp_path / "new" / "file").read_bytes() == CONTENT
    assert server.asked == [("/whole", "")]


def test_a_connection_that_breaks_is_taken_up_where_it_ended(server, tmp_path):
    assert download(RemoteFile(server.address("broken"), DIGEST), tmp_path / "file").read_bytes() == CONTENT
    first, second = [wanted for _, wanted in server.asked]
    assert first == ""
    assert len(CONTENT) * 0.4 < int(second.removeprefix("bytes=").rstrip("-")) <= len(CONTENT) * 0.5


def test_a_server_that_knows_no_ranges_gives_the_whole_again(server, tmp_path):
    assert download(RemoteFile(server.address("broken-deaf"), DIGEST), tmp_path / "file").read_bytes() == CONTENT


def test_what_arrived_is_kept_for_the_next_time(server, tmp_path):
    server.hang_ups = 3
    file = RemoteFile(server.address("broken"), DIGEST)
    with pytest.raises(DataError, match="broken cannot be fetched"):
        download(file, tmp_path / "file")
    kept = (tmp_path / "file.part").stat().st_size
    assert not (tmp_path / "file").exists()
    assert len(CONTENT) * 0.8 < kept < len(CONTENT) * 0.9
    assert download(file, tmp_path / "file").read_bytes() == CONTENT
    assert server.asked[-1] == ("/broken", f"bytes={kept}-")


def test_another_file_is_refused_and_not_kept(server, tmp_path):
    with pytest.raises(DataError, match="it gives another file"):
        download(RemoteFile(server.address("other"), DIGEST), tmp_path / "file")
    assert not list(tmp_path.glob("file")) + list(tmp_path.glob("*.part"))


def test_mirrors_are_tried_first_and_the_next_address_where_one_fails(server, tmp_path):
    file = RemoteFile(server.address("whole"), DIGEST, mirrors=(server.address("missing"), server.address("other")))
    assert download(file, tmp_path / "file").read_bytes() == CONTENT
    assert [path for path, _ in server.asked] == ["/missing", "/other", "/whole"]


def test_a_mirror_is_a_folder_with_the_same_file(server, tmp_path):
    elsewhere = mirrored(RemoteFile("http://127.0.0.1:9/data/whole", DIGEST), server.address(""))
    assert download(elsewhere, tmp_path / "file").read_bytes() == CONTENT
    assert mirrored(elsewhere, None) == elsewhere


def test_every_address_that_failed_is_told_with_its_cause(server, tmp_path):
    file = RemoteFile("http://127.0.0.1:9/whole", DIGEST, mirrors=(server.address("missing"),))
    with pytest.raises(DataError) as caught:
        download(file, tmp_path / "file")
    text = str(caught.value)
    assert "missing: the server answers 404 Not Found" in text
    assert "http://127.0.0.1:9/whole: [Errno 111] Connection refused" in text
    assert f"put it at {tmp_path / 'file'}" in caught.value.next_step
    # An answer says something of the file; no answer does not.
    assert not isinstance(caught.value, UnreachableError)
    with pytest.raises(UnreachableError):
        download(RemoteFile("http://127.0.0.1:9/whole", DIGEST), tmp_path / "file")


def test_of_several_that_ask_one_fetches(server, tmp_path):
    file = RemoteFile(server.address("whole"), DIGEST)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: download(file, tmp_path / "file"), range(4)))
    assert len(server.asked) == 1


def test_a_download_says_what_comes_from_where_and_how_much_before_it_starts(server, tmp_path, caplog):
    with caplog.at_level(logging.INFO, "framework_core"):
        download(RemoteFile(server.address("whole"), DIGEST), tmp_path / "file")
    assert [record.message for record in caplog.records] == [
        f"download  file from 127.0.0.1, 2.0 MB, to {tmp_path}",
    ]


def test_what_is_here_already_is_said_when_it_goes_on(server, tmp_path, caplog):
    (tmp_path / "file.part").write_bytes(CONTENT[:500_000])
    with caplog.at_level(logging.INFO, "framework_core"):
        download(RemoteFile(server.address("whole"), DIGEST), tmp_path / "file")
    assert "2.0 MB, 0.5 MB of it here already" in caplog.text
    assert server.asked == [("/whole", "bytes=500000-")]


def test_a_download_that_takes_long_says_how_far_it_is(server, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(download_progress, "LINE_SECONDS", 0.0)
    with caplog.at_level(logging.INFO, "framework_core"):
        download(RemoteFile(server.address("whole"), DIGEST), tmp_path / "file")
    assert "download  2.0 MB of 2.0 MB" in caplog.messages


@pytest.mark.drawn
def test_a_server_that_is_too_slow_is_given_up_for_the_next(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 8)
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.2)
    with pytest.raises(DataError, match="it gives less than 1,024 bytes a second"):
        download(RemoteFile(server.address("slow"), DIGEST), tmp_path / "file")
    file = RemoteFile(server.address("whole"), DIGEST, mirrors=(server.address("slow"),))
    assert download(file, tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("path", ["other", "short"])
def test_a_length_that_is_not_the_files_is_refused_before_anything_is_fetched(path, server, tmp_path):
    file = RemoteFile(server.address(path), DIGEST, size=len(CONTENT))
    with pytest.raises(DataError, match=r"it gives another file, of [\d,]+ bytes in place of 2,048,000"):
        download(file, tmp_path / "file")
    assert not (tmp_path / "file.part").exists()


def test_a_server_that_gives_without_end_is_stopped_where_the_file_ends(server, tmp_path):
    file = RemoteFile(server.address("endless"), DIGEST, size=len(CONTENT) // 2)
    with pytest.raises(DataError, match="it gives another file, of more than 1,024,000 bytes"):
        download(file, tmp_path / "file")
    assert list(tmp_path.glob("file*")) == [tmp_path / "file.lock"]


def test_a_file_that_is_larger_than_it_says_is_another(server, tmp_path):
    with pytest.raises(DataError, match="it gives another file, sha256:"):
        download(RemoteFile(server.address("short"), DIGEST), tmp_path / "file")


def test_offline_nothing_is_asked_for_and_where_the_file_has_to_be_is_said(server, tmp_path, monkeypatch):
    monkeypatch.setenv(module.OFFLINE, "1")
    file = RemoteFile(server.address("whole"), DIGEST)
    with pytest.raises(DataError) as caught:
        download(file, tmp_path / "file")
    assert caught.value.what == "whole is not here, and nothing is fetched from the network (--offline)."
    assert caught.value.possible == f"It has to be at {tmp_path / 'file'}"
    (tmp_path / "file").write_bytes(CONTENT)
    assert download(file, tmp_path / "file").read_bytes() == CONTENT
    assert server.asked == []


def _download(url, path):
    download(RemoteFile(url, DIGEST), path)


def test_of_several_processes_one_fetches(server, tmp_path):
    context = multiprocessing.get_context("fork")
    url = server.address("whole")
    processes = [context.Process(target=_download, args=(url, tmp_path / "file")) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len(server.asked) == 1
    assert (tmp_path / "file").read_bytes() == CONTENT


def tar_of(path, *names):
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 2
            tar.addfile(member, io.BytesIO(b"hi"))
    return path


def test_an_archive_of_one_folder_is_unpacked(tmp_path):
    folder = unpack(tar_of(tmp_path / "a.tar.gz", "inside/one", "inside/two"), tmp_path / "out")
    assert sorted(path.name for path in folder.iterdir()) == ["one", "two"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["../evil"], "cannot be unpacked"),
        (["one/a", "two/b"], "does not hold a single folder"),
        (["file"], "does not hold a single folder"),
    ],
)
def test_an_archive_of_anything_else_is_refused(names, said, tmp_path):
    with pytest.raises(DataError, match=said):
        unpack(tar_of(tmp_path / "a.tar.gz", *names), tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.gz", "project"]


def test_an_archive_that_is_cut_short_is_refused(tmp_path):
    whole = tar_of(tmp_path / "a.tar.gz", *(f"inside/{number}" for number in range(200))).read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    assert not (tmp_path / "out").exists()
