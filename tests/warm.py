"""The command ``fw`` without the seconds in which Python imports torch, Lightning and MLflow once more.

Each command still has a process of its own, with the folder, environment, files and signals of whoever typed it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SERVER = Path(__file__).with_name("warm_server.py")

COMMAND = """#!{python} -IS
import json, os, signal, socket, struct, sys
number = struct.Struct("!i")
connection = socket.socket(socket.AF_UNIX)
connection.connect({path!r})
request = json.dumps({{"words": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}).encode()
socket.send_fds(connection, [number.pack(len(request))], [0, 1, 2])
connection.sendall(request)
(pid,) = number.unpack(connection.recv(4))
for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(each, lambda sent, frame: os.killpg(pid, sent))
(code,) = number.unpack(connection.recv(4))
if code < 0:
    if -code != signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""


class Warm:
    """A folder with a command ``fw``, and the process behind it.

    Args:
        folder: Where the command is written; its path must be short enough for a socket.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.command = folder / "fw"
        path = folder / "s"
        self.command.write_text(COMMAND.format(python=sys.executable, path=str(path)))
        self.command.chmod(0o755)
        self._server = subprocess.Popen(
            [sys.executable, str(SERVER), str(path)], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._server.stdout is not None
        assert self._server.stdout.readline() == "ready\n"

    def close(self) -> None:
        """End the process behind it."""
        self._server.kill()
        self._server.wait()
        assert self._server.stdout is not None
        self._server.stdout.close()


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """The command, and the process behind it, for all tests of a process."""
    folder = Path(tempfile.mkdtemp(prefix="fw"))
    started = Warm(folder)
    yield started
    started.close()
    shutil.rmtree(folder)
