"""A server under load for minutes, with promotions, kills and slow clients: how many answers are wrong or lost.

Clients ask without a pause and know what each version of the model says of each file. Every few seconds another
version is put in the place of the first; every minute the server is killed (SIGKILL) and started again on its port;
some clients send half a request and say nothing more. A request whose connection broke is sent again, as any client
does. An answer is wrong where it is not that of the version that it names; a request is lost that had no answer after a
minute of attempts.

    python benchmarks/serving_soak.py [--minutes 10] [--clients 8]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import requests

MODEL, VERSIONS = "resnet20", ("one", "two")
PROMOTED_EVERY, KILLED_EVERY, GIVEN_UP = 5.0, 60.0, 60.0


class Soak:
    """What happens, and what is counted.

    Args:
        port: Where the server is asked.
        expected: What each version says of each file.
    """

    def __init__(self, port: int, expected: dict[str, dict[Path, str]]) -> None:
        self.port = port
        self.expected = expected
        self.counts: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self.end = threading.Event()
        self._lock = threading.Lock()

    def ask(self, seed: int) -> None:
        """One client."""
        draw = random.Random(seed)
        session = requests.Session()
        while not self.end.is_set():
            path = draw.choice(list(self.expected[VERSIONS[0]]))
            self._count("asked")
            answer = self._answer(session, path)
            if answer is None:
                self._count("lost")
                continue
            self._count("answered")
            with self._lock:
                self.seen[answer["version"]] += 1
            if answer["predictions"][0]["label"] != self.expected[answer["version"]][path]:
                self._count("wrong")

    def say_little(self) -> None:
        """A client that sends half of a request, again and again."""
        while not self.end.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
                    connection.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nhalf")
                    self._count("slow")
                    self.end.wait(20)
            except OSError:
                self.end.wait(1)

    def promote(self, live: Path) -> None:
        """Put one version in the place of the other."""
        turn = 0
        while not self.end.wait(PROMOTED_EVERY):
            turn += 1
            new = live.with_name("new")
            new.symlink_to(f"{VERSIONS[turn % 2]}-onnx")
            new.replace(live)
            self._count("promoted")

    def keep_alive(self, live: Path) -> None:
        """Start the server, kill it now and then, and start it again."""
        while not self.end.is_set():
            words = ["serve", str(live), "--port", str(self.port), "--reload-every", "0.5"]
            server = _start(*words)
            self.end.wait(KILLED_EVERY)
            server.send_signal(signal.SIGTERM if self.end.is_set() else signal.SIGKILL)
            self._count("stopped" if self.end.is_set() else "killed")
            server.wait()

    def _answer(self, session: requests.Session, path: Path) -> dict | None:
        body, given_up = path.read_bytes(), time.monotonic() + GIVEN_UP
        while time.monotonic() < given_up:
            try:
                answer = session.post(
                    f"http://127.0.0.1:{self.port}/predict",
                    data=body,
                    headers={"content-type": "image/png"},
                    timeout=30,
                )
            except requests.RequestException:
                self._count("connections broken")
                time.sleep(0.2)
                continue
            if answer.status_code == 200:
                return answer.json()
            self._count(f"status {answer.status_code}")
        return None

    def _count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1


def main() -> None:
    """Run it, and print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=8)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        soak = Soak(_free_port(), _prepare())
        live = Path("live")
        live.symlink_to(f"{VERSIONS[0]}-onnx")
        jobs = [(soak.keep_alive, (live,)), (soak.promote, (live,))]
        jobs += [(soak.ask, (seed,)) for seed in range(asked.clients)] + [(soak.say_little, ())] * 4
        threads = [threading.Thread(target=job, args=arguments) for job, arguments in jobs]
        for thread in threads:
            thread.start()
        time.sleep(asked.minutes * 60)
        soak.end.set()
        for thread in threads:
            thread.join()
        print({**soak.counts, "wrong": soak.counts["wrong"], "lost": soak.counts["lost"]})
        print("by version:", dict(soak.seen))


def _prepare() -> dict[str, dict[Path, str]]:
    """Two versions of a model, exported, and what each says of the files of the first."""
    quiet = ["trainer=debug", "mlops.tracking.backend=none", "mlops.report=false"]
    for seed, version in enumerate(VERSIONS):
        _fw("train", "--model", MODEL, f"experiment.run_name={version}", f"seed={seed}", "optimizer.lr=0.01", *quiet)
        _fw("export", version, "--to", "onnx", "-o", f"{version}-onnx")
    files = [str(path) for path in sorted(Path(f"{VERSIONS[0]}-onnx/golden").iterdir())]
    return {
        version: {Path(row["path"]): row["label"] for row in json.loads(_fw("predict", version, "--json", *files))}
        for version in VERSIONS
    }


def _fw(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "framework_core", *words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def _start(*words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "framework_core", *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
