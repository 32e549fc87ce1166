"""Forks a process for each command ``fw`` that is typed, with what takes long to import imported already.

Started by ``warm.py``: ``python warm_server.py SOCKET``. It imports libraries only, nothing of this project and no
plugin, so that what a command finds and reads is what it finds and reads in a process that Python started.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import selectors
import signal
import socket
import struct
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

LIBRARIES = (
    "torch",
    "torchvision.transforms.v2",
    "lightning.pytorch",
    "torchmetrics",
    "timm",
    "transformers.models.auto.modeling_auto",
    "sklearn.datasets",
    "matplotlib.backends.backend_agg",
    "mlflow.pyfunc",
    "mlflow.store.tracking.sqlalchemy_store",
    "hydra",
    "rich.progress",
)
LENGTH = struct.Struct("!i")


class Request(NamedTuple):
    """A command as it was typed."""

    words: list[str]
    folder: str
    environment: dict[str, str]
    files: list[int]


class Server:
    """Waits for commands, starts them, and tells how they ended."""

    def __init__(self, path: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        self._ended, self._wake = os.pipe()
        os.set_blocking(self._ended, False)
        os.set_blocking(self._wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._ended, selectors.EVENT_READ)
        self._clients: dict[int, socket.socket] = {}

    def next_command(self) -> Request:
        """Serve for ever; return in the child that is to run a command."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    request = self._started()
                    if request is not None:
                        return request
                elif key.fileobj == self._ended:
                    os.read(self._ended, 4096)
                    self._tell()
                else:
                    self._drop(key.data)

    def _started(self) -> Request | None:
        client, _ = self._listener.accept()
        header, files, _, _ = socket.recv_fds(client, LENGTH.size, 3)
        body = b""
        while len(body) < LENGTH.unpack(header)[0]:
            body += client.recv(1 << 16)
        pid = os.fork()
        if pid == 0:
            for each in (client, self._listener, *self._clients.values()):
                each.close()
            return Request(**json.loads(body), files=files)
        for file in files:
            os.close(file)
        client.sendall(LENGTH.pack(pid))
        self._clients[pid] = client
        self._selector.register(client, selectors.EVENT_READ, pid)
        return None

    def _tell(self) -> None:
        while self._clients:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            client = self._clients.pop(pid, None)
            if client is None:
                continue
            self._selector.unregister(client)
            client.sendall(LENGTH.pack(os.waitstatus_to_exitcode(status)))
            client.close()

    def _drop(self, pid: int) -> None:
        """Whoever typed the command is gone."""
        client = self._clients.pop(pid, None)
        if client is not None:
            self._selector.unregister(client)
            client.close()
            os.killpg(pid, signal.SIGKILL)


def become(request: Request) -> None:
    """Take on all that a process gets from whoever starts it."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    for number, (file, name) in enumerate(zip(request.files, ("stdin", "stdout", "stderr"), strict=True)):
        os.dup2(file, number)
        os.close(file)
        lines = name == "stderr" or os.isatty(number) or "PYTHONUNBUFFERED" in os.environ
        errors = "backslashreplace" if name == "stderr" else "strict"
        mode = "r" if name == "stdin" else "w"
        stream = open(number, mode, 1 if lines else -1, "utf-8", errors, closefd=False)  # noqa: SIM115  # the process's own
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.argv = [str(Path(sys.executable).with_name("fw")), *request.words]
    sys.path[:0] = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    importlib.invalidate_caches()
    random.seed()


def run() -> None:
    """Run the command, in a process that is its own from here on."""
    from framework_core.cli.program import program

    program()


if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this file
    # torchmetrics imports it where it is there. It starts a thread, and a forked process has none: its end is an abort.
    sys.modules["onnxruntime"] = empty = ModuleType("onnxruntime")
    empty.__spec__, empty.InferenceSession = ModuleSpec("onnxruntime", None), object
    for library in LIBRARIES:
        importlib.import_module(library)
    del sys.modules["onnxruntime"]
    gc.collect()
    gc.freeze()
    server = Server(sys.argv[1])
    print("ready", flush=True)
    become(server.next_command())
    run()
