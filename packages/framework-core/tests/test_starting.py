"""Processes of a run that are started while the first one opens the store."""

import json
import signal
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.ddp, pytest.mark.drawn]

BEGAN = """
import os
from pathlib import Path

if rank := os.environ.get("LOCAL_RANK"):
    Path("began.new").write_text(str(os.getpid()))
    Path("began.new").rename(f"began-{rank}")
"""
DIES = "if rank: os._exit(3)\n"
TWO = ("distributed.enabled=true", "distributed.devices=2", "trainer.accelerator=cpu", "trainer.max_epochs=1")
WAIT_SECONDS = 120


@pytest.fixture
def started(program, components, project):
    """A run of two processes; the model's file says in the second one that it was imported there."""

    def start(*words, more=""):
        (project / "mine.py").write_text(BEGAN + more + (project / "mine.py").read_text())
        return program("train", "-m", "mine.py:Net", "-d", "mine.py:Iris", "mlops.report=false", *TWO, *words)

    return start


@pytest.fixture
def store():
    """The address of a store that is well, and opens for nobody before ``open`` is set; and what sets it."""
    may_open = threading.Event()

    class Store(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path != "/health":
                may_open.wait()
            self.send_response(200 if self.path == "/health" else 400)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET  # noqa: N815

        def log_message(self, *given):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    threading.Thread(target=server.serve_forever).start()
    yield f"mlops.tracking.uri=http://127.0.0.1:{server.server_port}", may_open.set
    may_open.set()
    server.shutdown()
    server.server_close()


def other(first):
    """The second process, which says that it is there."""
    began, until = Path("began-1"), time.monotonic() + WAIT_SECONDS
    while not began.exists():
        assert first.poll() is None, first.communicate()
        assert time.monotonic() < until
        time.sleep(0.1)
    return psutil.Process(int(began.read_text()))


def is_over(process):
    """Whether a process ends."""
    until = time.monotonic() + WAIT_SECONDS
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def test_the_second_process_begins_before_the_store_is_open_and_ends_where_it_takes_no_run(started, store):
    address, may_open = store
    first = started(address)
    second = other(first)
    assert second.ppid() == first.pid
    may_open()
    out, err = first.communicate(timeout=WAIT_SECONDS)
    assert (first.returncode, out) == (2, ""), err
    assert err.count("error: ") == 1
    assert is_over(second)
    assert not list(Path("runs").glob("*/run.json"))


def test_the_second_process_ends_where_the_first_is_killed_before_they_meet(started, store):
    address, _ = store
    first = started(address)
    second = other(first)
    first.kill()
    first.communicate(timeout=WAIT_SECONDS)
    assert is_over(second)


def test_a_process_that_dies_before_it_meets_the_first_is_named(started):
    first = started("mlops.tracking.backend=none", more=DIES)
    _, err = first.communicate(timeout=WAIT_SECONDS)
    assert first.returncode == 1, err
    assert "error: Process 1 ended with exit code 3" in err


def is_listened_to(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.some_of(1)
@pytest.mark.parametrize(("number", "cause"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_a_signal_ends_a_process_that_waits_for_another_that_never_comes(
    number, cause, program, components, monkeypatch
):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MASTER_PORT", str(port))
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("NODE_RANK", "0")
    nodes = ("distributed.enabled=true", "distributed.devices=1", "distributed.num_nodes=2", "trainer.accelerator=cpu")
    words = ("mlops.tracking.backend=none", "mlops.report=false", "experiment.run_name=alone", *nodes)
    first = program("train", "-m", "mine.py:Net", "-d", "mine.py:Iris", *words)
    until = time.monotonic() + WAIT_SECONDS
    while not is_listened_to(port):
        assert time.monotonic() < until
        assert first.poll() is None
        time.sleep(0.2)
    time.sleep(1)
    sent = time.monotonic()
    first.send_signal(number)
    out, err = first.communicate(timeout=WAIT_SECONDS)
    assert (first.returncode, out) == (130, ""), err
    assert err.endswith(f"error: Stopped by {cause}.\n")
    assert time.monotonic() - sent < 60
    assert json.loads(Path("runs/alone/run.json").read_text())["status"] == "interrupted"
