"""Answers a second, and how long one takes: ``fw serve`` against ``mlflow models serve`` and a plain FastAPI program.

One network, trained here for a moment, is served in each way, by all cores of the machine. Clients ask as fast as they
are answered, over connections that stay open; the ways take turns in each round, and medians over rounds are told.
``mlflow models serve`` takes numbers in JSON alone, so ``fw serve`` is asked with the same body too.

    python benchmarks/serving.py [--rounds 3] [--seconds 5] [--size 224]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

CLIENTS = (1, 8, 32)
PLAIN = """
import asyncio, io, json, sys
import torch, uvicorn
from fastapi import FastAPI, Request

model = torch.export.load("torch-export/model.pt2").module()
app = FastAPI()
PREPARE


@app.get("/ping")
def ping():
    return {}


def answer(body):
    with torch.inference_mode():
        return model(prepare(body)[None])[1][0].tolist()


@app.post("/predict")
async def predict(request: Request):
    return await asyncio.get_running_loop().run_in_executor(None, answer, await request.body())


uvicorn.run(app, port=int(sys.argv[1]), log_level="error")
"""
"""What somebody writes who writes it alone: a request, a pass through the network."""

PICTURES = """
from PIL import Image
from torchvision.transforms import v2

transform = v2.Compose([
    v2.PILToTensor(),
    v2.Resize(round(SIZE / 0.875), antialias=True),
    v2.CenterCrop(SIZE),
    v2.ToDtype(torch.float32, scale=True),
    v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
])


def prepare(body):
    return transform(Image.open(io.BytesIO(body)).convert("RGB"))
"""
TEXTS = """
from tokenizers import Tokenizer

settings = json.load(open("onnx/export.json"))["preprocessing"]["settings"]
tokenizer = Tokenizer.from_str(settings["tokenizer"])


def prepare(body):
    return torch.tensor(tokenizer.encode(body.decode()).ids)
"""


@dataclass(frozen=True)
class Case:
    """What is served, and how it is asked."""

    train: tuple[str, ...]
    kind: str
    prepare: str


@dataclass(frozen=True)
class Way:
    """A server, and how it is asked."""

    name: str
    port: int
    path: str
    kind: str
    body: bytes


@dataclass(frozen=True)
class Measured:
    """What clients saw."""

    rate: float
    p50: float
    p99: float


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--case", choices=("pictures", "texts"), nargs="+", default=["pictures", "texts"])
    parser.add_argument("--size", type=int, default=224)
    asked = parser.parse_args()
    for name in asked.case:
        _measure(name, asked.rounds, asked.seconds, asked.size)


def _measure(name: str, rounds: int, seconds: float, size: int) -> None:
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        os.chdir(place)
        case = _case(name, size)
        _prepare(case)
        print(f"\n{name}: {case.train[1]}")
        ways = _start(stack, case)
        found: dict[tuple[str, int], list[Measured]] = {}
        for _ in range(rounds):
            for clients in CLIENTS:
                for way in ways:
                    measured = asyncio.run(_load(way, clients, seconds))
                    found.setdefault((way.name, clients), []).append(measured)
        _print(ways, found)


def _case(name: str, size: int) -> Case:
    if name == "texts":
        words = ("--model", "small_bert", "--dataset", "topics", "dataset.tokenizer=wordpiece")
        return Case(words, "text/plain", TEXTS)
    data = ("dataset.path=pictures", f"dataset.image_size={size}", "dataset.batch_size=4", "duplicates.action=ignore")
    words = ("--model", "resnet18", "--dataset", "image_folder", *data)
    return Case(words, "image/jpeg", PICTURES.replace("SIZE", str(size)))


def _prepare(case: Case) -> None:
    """A model that was trained for a moment, exported in three ways."""
    generator = np.random.default_rng(0)
    for name in ("left", "right"):
        Path(f"pictures/{name}").mkdir(parents=True)
        for number in range(12):
            coarse = Image.fromarray(generator.integers(0, 255, (16, 16, 3), dtype=np.uint8))
            coarse.resize((500, 375)).save(f"pictures/{name}/{number}.jpg", quality=90)
    quiet = ("trainer=debug", "mlops.tracking.backend=none", "mlops.report=false", "experiment.run_name=served")
    _fw("train", *case.train, *quiet)
    for to in ("onnx", "torch-export", "mlflow"):
        _fw("export", "served", "--to", to, "-o", to)


def _start(stack: ExitStack, case: Case) -> list[Way]:
    """All servers, and how each is asked."""
    ports = [_free_port() for _ in range(3)]
    Path("plain.py").write_text(PLAIN.replace("PREPARE", case.prepare))
    python = sys.executable
    mlflow = [str(Path(python).with_name("mlflow")), "models", "serve", "-m", "mlflow", "--env-manager", "local"]
    commands = [
        [python, "-m", "framework_core", "serve", "onnx", "--port", str(ports[0])],
        [*mlflow, "--port", str(ports[1])],
        [python, "plain.py", str(ports[2])],
    ]
    for command, port in zip(commands, ports, strict=True):
        began = time.perf_counter()
        process = stack.enter_context(_running(command))
        _wait(port, process)
        print(f"{' '.join(command[1:5]):60} up after {time.perf_counter() - began:5.1f} s, {_memory(process):6.0f} MB")
    file = min(Path("onnx/golden").iterdir()).read_bytes().splitlines(keepends=True)
    body = file[0] if case.kind == "text/plain" else b"".join(file)
    with np.load("onnx/golden.npz") as golden:
        numbers = json.dumps({"inputs": golden["input"][:1].tolist()}).encode()
    return [
        Way("fw serve, a file", ports[0], "/predict", case.kind, body),
        Way("FastAPI and torch, a file", ports[2], "/predict", case.kind, body),
        Way("fw serve, numbers", ports[0], "/invocations", "application/json", numbers),
        Way("mlflow models serve, numbers", ports[1], "/invocations", "application/json", numbers),
    ]


async def _load(way: Way, clients: int, seconds: float) -> Measured:
    """Clients that ask as fast as they are answered.

    The rate is that until the last answer: what was asked before the end keeps a slow server busy for long after it.
    """
    took: list[float] = []
    began = time.perf_counter()
    await asyncio.gather(*(_client(way, began + seconds, took) for _ in range(clients)))
    elapsed = time.perf_counter() - began
    took.sort()
    return Measured(
        len(took) / elapsed, took[len(took) // 2] * 1e3, took[min(len(took) - 1, len(took) * 99 // 100)] * 1e3
    )


async def _client(way: Way, end: float, took: list[float]) -> None:
    lines = (f"POST {way.path} HTTP/1.1", "host: localhost", f"content-type: {way.kind}")
    request = "\r\n".join([*lines, f"content-length: {len(way.body)}", "", ""]).encode() + way.body
    reader, writer = await asyncio.open_connection("127.0.0.1", way.port)
    while (began := time.perf_counter()) < end:
        writer.write(request)
        await writer.drain()
        status = await reader.readline()
        length = 0
        while (line := await reader.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        body = await reader.readexactly(length)
        assert b" 200 " in status, (way.name, status, body[:200])
        took.append(time.perf_counter() - began)
    writer.close()


def _print(ways: list[Way], found: dict[tuple[str, int], list[Measured]]) -> None:
    print(f"\n{'clients':>7}  {'way':30} {'answers/s':>9} {'p50 ms':>8} {'p99 ms':>8}")
    for clients in CLIENTS:
        for way in ways:
            rounds = found[way.name, clients]
            rate, p50, p99 = (
                statistics.median(getattr(each, name) for each in rounds) for name in ("rate", "p50", "p99")
            )
            print(f"{clients:7}  {way.name:30} {rate:9.1f} {p50:8.1f} {p99:8.1f}")
    for one, other in (
        ("fw serve, a file", "mlflow models serve, numbers"),
        ("fw serve, numbers", "mlflow models serve, numbers"),
        ("fw serve, a file", "FastAPI and torch, a file"),
    ):
        ratios = [
            statistics.median(a.rate / b.rate for a, b in zip(found[one, clients], found[other, clients], strict=True))
            for clients in CLIENTS
        ]
        print(
            f"{one} : {other} = "
            + ", ".join(f"{ratio:.1f} ({clients})" for ratio, clients in zip(ratios, CLIENTS, strict=True))
        )


def _fw(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "framework_core", *words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)


@contextmanager
def _running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, start_new_session=True, **quiet) as process:
        try:
            yield process
        finally:
            os.killpg(process.pid, 15)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as connection:
                connection.sendall(b"GET /ping HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
                if b" 200 " in connection.recv(100):
                    return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"{process.args} ended with {process.returncode}")


def _memory(process: subprocess.Popen[bytes]) -> float:
    """Megabytes of a process and of those that it started."""
    import psutil

    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    return sum(each.memory_info().rss for each in family) / 1e6


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
