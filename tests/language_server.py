"""An editor's end of the language server protocol, as much of it as a test of settings files needs."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

SECONDS = 60


class Editor:
    """An editor that has started a YAML language server.

    Args:
        command: How the server is started.
        schema: The JSON schema of every YAML file.
    """

    def __init__(self, command: Sequence[str], schema: Path) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.settings = {
            "validate": True,
            "hover": True,
            "completion": True,
            "schemaStore": {"enable": False},
            "schemas": {schema.as_uri(): "*.yaml"},
        }
        self.answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self.diagnostics: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.number = 0
        self.ask(
            "initialize", {"processId": None, "rootUri": None, "capabilities": {"workspace": {"configuration": True}}}
        )
        self._tell("initialized", {})
        self._tell("workspace/didChangeConfiguration", {"settings": {"yaml": self.settings}})

    def open(self, path: Path) -> list[dict[str, Any]]:
        """Open a file; what the server finds wrong with it."""
        document = {"uri": path.as_uri(), "languageId": "yaml", "version": 1, "text": path.read_text()}
        self._tell("textDocument/didOpen", {"textDocument": document})
        while (found := self.diagnostics.get(timeout=SECONDS))["uri"] != path.as_uri():
            pass
        return list(found["diagnostics"])

    def at(self, method: str, path: Path, line: int, column: int) -> Any:
        """Ask about a place in a file."""
        place = {"textDocument": {"uri": path.as_uri()}, "position": {"line": line, "character": column}}
        return self.ask(f"textDocument/{method}", place)

    def ask(self, method: str, parameters: Any) -> Any:
        """Send a request; its result."""
        self.number += 1
        self._send({"id": self.number, "method": method, "params": parameters})
        while (answer := self.answers.get(timeout=SECONDS)).get("id") != self.number:
            pass
        return answer["result"]

    def close(self) -> None:
        """End the server."""
        self.ask("shutdown", None)
        self._tell("exit", None)
        self.process.communicate(timeout=SECONDS)

    def _tell(self, method: str, parameters: Any) -> None:
        self._send({"method": method, "params": parameters})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def _listen(self) -> None:
        for message in self._messages():
            if message.get("method") == "textDocument/publishDiagnostics":
                self.diagnostics.put(message["params"])
            elif "method" in message and "id" in message:
                asked = message["params"].get("items", []) if isinstance(message.get("params"), dict) else []
                known = [self.settings if each.get("section") == "yaml" else None for each in asked]
                with contextlib.suppress(BrokenPipeError):
                    self._send({"id": message["id"], "result": known})
            elif "id" in message:
                self.answers.put(message)

    def _messages(self) -> Iterator[dict[str, Any]]:
        assert self.process.stdout is not None
        while head := self.process.stdout.readline():
            length = int(head.partition(b":")[2])
            while self.process.stdout.readline().strip():
                pass
            yield json.loads(self.process.stdout.read(length))
