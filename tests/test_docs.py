"""The documentation does what it says: each page's commands and examples are run, in order, in a folder of its own.

The convention:

- In a ``console`` block a line that begins with ``$`` is a command; the lines under it were printed by it, in this
  order. Lines may be left out; ``...`` stands for anything; decimals, dates and ids may differ. ``^C`` is Ctrl-C, once
  the lines above it were printed. A command fails where an ``error:`` is shown, and only there. One that ends in ``&``
  goes on until the page ends.
- ``mlflow server`` without ``&`` is started, asked whether it is well, and stopped.
- A ``bash`` block is commands to copy, a line each.
- A block with a ``title`` is a file, and is written under that name. Other ``python`` blocks are programs, and are run.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from warm import Warm

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = [pytest.mark.docs, pytest.mark.timeout(1200)]
OF_THE_SITE = pytest.mark.xdist_group("site")
"""The site takes long to build: one process builds it for all."""

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("packages/*/README.md")),
    *sorted(DOCS.rglob("*.md")),
]
NOT_RUN = (
    # They install from a package index; the wheels are installed and run in a nox session of their own.
    (
        "README.md",
        'pip install "./packages/framework-core[train]" ./packages/plugins-vision && fw train --model resnet50',
    ),
    ("README.md", 'pip install "nox[uv]" && nox'),
    (
        "index.md",
        'pip install "./packages/framework-core[train]" ./packages/plugins-vision && fw train --model resnet50',
    ),
    ("CONTRIBUTING.md", "*"),  # nox itself: what runs this test
    ("packages/framework-core/README.md", "pip install *"),
    ("packages/plugins-audio/README.md", "pip install *"),
    ("packages/plugins-nlp/README.md", "pip install *"),
    ("packages/plugins-timeseries/README.md", "pip install *"),
    ("packages/plugins-vision/README.md", "pip install *"),
    ("README.md", "fw ui"),  # it does not end; packages/framework-core/tests has tests of it
    ("tutorial.md", "fw ui"),
    ("how-to/pretrained.md", "*pretrained=*"),  # it downloads; the refusal without a network is tested with the plugin
    ("how-to/audio.md", "fw train --model bc_resnet --dataset esc50 *"),  # it downloads; the plugin tests its folds
    ("how-to/audio.md", "arecord *"),  # a microphone; test_streaming sends sound as this does
    ("how-to/audio-models.md", "*--dataset speech_commands *"),  # published weights; the plugin tests folders of them
    ("how-to/data.md", "fw data fetch *"),  # it downloads; framework-core's tests fetch from a server of their own
    ("how-to/mongodb.md", "pip install *"),  # likewise
    ("how-to/serve.md", "fw export digits --to kserve *"),  # test_serving builds an environment by what it writes
    ("how-to/serve.md", "pip install *"),  # likewise; test_light_install makes such an environment
    ("how-to/mongodb.md", "*--artifacts-destination*"),  # a second server; test_registry_server starts such a one
    ("how-to/mongodb.md", "*db.example.com*"),  # another machine, with users and TLS
    ("how-to/mongodb.md", "mongosh *"),  # MongoDB's own programs: no package index has them
    ("how-to/mongodb.md", "mongodump *"),
    ("how-to/mongodb.md", "mongorestore *"),
    ("how-to/mongodb.md", "mongod *"),  # `local` starts it with these options, and it would not end
    ("packages/mlflow-mongodb/README.md", "*"),  # it installs; the others are commands of how-to/mongodb.md
    ("how-to/several-devices.md", "*devices=4*"),  # four GPUs
    ("how-to/several-devices.md", "*torchrun*"),  # two machines
)
"""Commands that no test can run here, each with the reason and where else it is tested. ``*`` is anything."""

SHORTER = {"README.md": "trainer=debug trainer.max_epochs=1 dataset.batch_size=8"}
"""Added to ``fw train`` on pages whose commands are those of real use; on all others they are short themselves."""

PORT, MONGODB_PORT = 5000, 27017
"""The ports that pages name for a server; here they are free ones."""

FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w+)(?P<rest>[^\n]*)\n(?P<body>.*?)^(?P=indent)```$", re.M | re.S)
TITLE = re.compile(r'title="([^"]+)"')
LOOSE = re.compile(
    r"(?P<anything>\s*\.\.\.\s*)|(?P<date>\d{8}-\d{6})|(?P<id>\b[0-9a-f]{32}\b)|(?P<decimal>\d+\.\d+(?:e-?\d+)?)|(?P<space>\s+)"
)
TAKEN = {
    "anything": ".*",
    "date": r"\d{8}-\d{6}",
    "id": "[0-9a-f]{32}",
    "decimal": r"[\d.]+(?:e-?\d+)?",
    "space": r"\s+",
}


# A shell that starts the tests in the background makes them deaf to Ctrl-C, and the commands they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Block(NamedTuple):
    """A fenced block."""

    language: str
    title: str
    body: str
    line: int


class Step(NamedTuple):
    """A command and what it prints."""

    command: str
    shown: list[str]


def blocks(text: str) -> list[Block]:
    found = []
    for match in FENCE.finditer(text):
        title = TITLE.search(match["rest"])
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(match["language"], title[1] if title else "", textwrap.dedent(match["body"]), line))
    return found


def steps(block: Block) -> list[Step]:
    if block.language == "bash":
        return [Step(line, []) for line in block.body.splitlines() if line and not line.startswith("#")]
    found: list[Step] = []
    for line in block.body.splitlines():
        if line.startswith("$ "):
            found.append(Step(line[2:], []))
        elif found and found[-1].command.endswith("\\"):
            found[-1] = Step(found[-1].command[:-1] + line.strip(), [])
        elif line.strip():
            found[-1].shown.append(line)
    return found


def pattern(line: str) -> re.Pattern[str]:
    """What a shown line stands for."""
    parts, last = [], 0
    for match in LOOSE.finditer(line.strip()):
        parts += [re.escape(line.strip()[last : match.start()]), TAKEN[match.lastgroup]]
        last = match.end()
    return re.compile("".join([*parts, re.escape(line.strip()[last:])]))


def missing(shown: list[str], printed: list[str]) -> str:
    """The first shown line that was not printed after those before it; nothing where all were."""
    rest = iter(printed)
    for line in shown:
        wanted = pattern(line)
        if not any(wanted.fullmatch(each.strip()) for each in rest):
            return line
    return ""


def is_left_out(page: str, command: str) -> bool:
    return any(page == where and re.fullmatch(re.escape(what).replace(r"\*", ".*"), command) for where, what in NOT_RUN)


class Reader:
    """Somebody who types a page's commands in a folder."""

    def __init__(self, page: str, folder: Path, cache: Path, commands: Path | None = None) -> None:
        self.page = page
        self.folder = folder
        self.site = folder.parent / "site"
        self.port, self.mongodb_port = free_port(), free_port()
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("FRAMEWORK_", "MLFLOW_"))}
        self.environment = {
            **kept,
            "PATH": os.pathsep.join(
                map(str, [*filter(None, [commands]), Path(sys.executable).parent, os.environ["PATH"]])
            ),
            "PYTHONPATH": str(self.site),
            "FRAMEWORK_CACHE": str(cache),
            "FRAMEWORK_CONFIG": str(folder.parent / "config"),
            "CUDA_VISIBLE_DEVICES": "",
            "PYTHONUNBUFFERED": "1",
        }
        self.background: list[subprocess.Popen[str]] = []

    def read(self, block: Block) -> None:
        body = self._here(block.body)
        if block.title:
            path = self.folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(body)
        elif block.language == "python":
            self._succeeds(self._start([sys.executable, "-c", body]), "the program", [])
        elif block.language in ("console", "bash"):
            for step in steps(block):
                self.type(step)

    def type(self, step: Step) -> None:
        command = self._here(step.command)
        if is_left_out(self.page, step.command):
            return
        if command.startswith("pip install ./"):
            install(self.folder / command.removeprefix("pip install "), self.site)
        elif command.endswith(" &"):
            self.background.append(self._start(["bash", "-c", f"exec {command[:-2]}"], stdout=subprocess.DEVNULL))
            wait_for(self.port, self.background[-1])
        elif command.startswith("mlflow server "):
            self._serves(command)
        else:
            shorter = SHORTER.get(self.page, "")
            command = f"{command} {shorter}" if shorter and command.startswith("fw train") else command
            self._succeeds(self._start(["bash", "-c", command]), command, [self._here(line) for line in step.shown])

    def _serves(self, command: str) -> None:
        port = free_port()
        server = self._start(["bash", "-c", f"exec {command} --port {port} --workers 1"], stdout=subprocess.DEVNULL)
        try:
            wait_for(port, server)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=60) as answer:
                assert answer.read() == b"OK"
        finally:
            stop(server)

    def close(self) -> None:
        for process in self.background:
            stop(process)

    def _succeeds(self, process: subprocess.Popen[str], what: str, shown: list[str]) -> None:
        before = shown[: shown.index("^C")] if "^C" in shown else None
        shown = [line for line in shown if line not in ("^C", "...")]
        printed: list[str] = []
        limit = threading.Timer(300, process.kill)
        limit.start()
        with process:
            for line in process.stdout or ():
                printed.append(line.rstrip("\n"))
                if before is not None and not missing(before, printed):
                    os.killpg(process.pid, signal.SIGINT)
                    before = None
        code = process.returncode
        limit.cancel()
        told = f"{self.page}: {what}\n" + "\n".join(printed)
        fails = any(line.startswith("error:") for line in shown)
        assert (code != 0) == fails, f"exit code {code} of {told}"
        absent = missing(shown, printed)
        assert not absent, f"not printed: {absent!r}, by {told}"

    def _start(self, command: list[str], stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def _here(self, text: str) -> str:
        local = text.replace(f"127.0.0.1:{PORT}", f"127.0.0.1:{self.port}")
        local = local.replace(f"--port {PORT}", f"--port {self.port}")
        return local.replace(f"localhost:{MONGODB_PORT}", f"127.0.0.1:{self.mongodb_port}").replace(
            f"--mongodb-port {MONGODB_PORT}", f"--mongodb-port {self.mongodb_port}"
        )


def install(project: Path, site: Path) -> None:
    """What pip makes of a project: its modules and a dist-info. The real pip installs the package in examples/."""
    facts = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    shutil.copytree(project / "src", site, dirs_exist_ok=True)
    info = site / f"{facts['name'].replace('-', '_')}-{facts['version']}.dist-info"
    info.mkdir()
    said = {"Metadata-Version": "2.4", "Name": facts["name"], "Version": facts["version"]}
    said |= {"License-Expression": facts["license"]} if "license" in facts else {}
    metadata = [f"{name}: {value}" for name, value in said.items()]
    metadata += [f"Requires-Dist: {each}" for each in facts.get("dependencies", ())]
    (info / "METADATA").write_text("\n".join(metadata) + "\n")
    lines = []
    for group, entries in facts["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def stop(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(port: int, server: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert server.poll() is None, f"{server.args} stopped with {server.returncode}"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.2)
    raise AssertionError(f"nothing answers on port {port}")


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """An empty store as MLflow makes it: seconds the first time, a copy from then on."""
    from mlflow import MlflowClient

    store = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{store}").search_experiments()
    return store


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def reader(tmp_path: Path, request, empty_store: Path, cache: Path, warm: Warm) -> Iterator[Reader]:
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(empty_store, folder)
    found = Reader(name_of(request.param), folder, cache, warm.folder)
    yield found
    found.close()


def name_of(page: Path) -> str:
    return page.relative_to(DOCS if page.is_relative_to(DOCS) else ROOT).as_posix()


def has_examples(page: Path) -> bool:
    return any(block.language in ("console", "bash", "python") for block in blocks(page.read_text()))


@pytest.mark.some_of(8)
@pytest.mark.parametrize("reader", [page for page in PAGES if has_examples(page)], ids=name_of, indirect=True)
def test_what_a_page_says_happens(reader: Reader):
    page = ROOT / reader.page if (ROOT / reader.page).is_file() else DOCS / reader.page
    if reader.page == "README.md":
        make_photos(reader.folder / "photos")
    for block in blocks(page.read_text()):
        reader.read(block)


def make_photos(folder: Path) -> None:
    """The folder of images that the README takes for granted: two digits of scikit-learn's."""
    from PIL import Image
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    for index in range(100):
        if labels[index] < 2:
            path = folder / ("zero", "one")[labels[index]] / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((pixels[index].reshape(8, 8) * 15).astype("uint8")).save(path)


def test_every_example_can_be_run():
    for page in PAGES:
        for block in blocks(page.read_text()):
            where = f"{name_of(page)}:{block.line}"
            allowed = ("console", "bash", "python", "text")
            assert block.title or block.language in allowed, f"{where}: {block.language} without a title is no file"


def test_what_is_not_run_is_still_there():
    commands = {
        name_of(page): [
            step.command
            for block in blocks(page.read_text())
            if block.language in ("console", "bash") and not block.title
            for step in steps(block)
        ]
        for page in PAGES
    }
    for where, what in NOT_RUN:
        wanted = re.compile(re.escape(what).replace(r"\*", ".*"))
        assert any(wanted.fullmatch(command) for command in commands[where]), f"{where} has no command {what!r}"


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """The built site; a warning ends the build."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


def text_of(site: Path, page: str) -> str:
    return (site / page / "index.html").read_text("utf-8")


@OF_THE_SITE
def test_the_site_is_built_without_a_warning_and_every_link_leads_somewhere(site: Path):
    assert (site / "index.html").is_file()
    assert not list(site.rglob("*.py"))


@OF_THE_SITE
def test_the_reference_has_every_command_with_every_option(site: Path, cache: Path, tmp_path: Path):
    page = text_of(site, "reference/commands")
    reader = Reader("", tmp_path, cache)
    wide = {**reader.environment, "COLUMNS": "200", "TERM": "dumb"}

    def help_of(*words: str) -> str:
        command = [sys.executable, "-m", "framework_core", *words, "--help"]
        return subprocess.run(command, env=wide, capture_output=True, text=True, check=True).stdout

    def subcommands(text: str) -> list[str]:
        listed = text.partition("Commands ─")[2]
        return re.findall(r"^│ (\w+) ", listed, re.M)

    for name in subcommands(help_of()):
        text = help_of(name)
        for command in [f"{name} {each}" for each in subcommands(text)] or [name]:
            assert f">fw {command}<" in page, f"no section for fw {command}"
    for option in set(re.findall(r"--[a-z][a-z-]+", help_of("train"))) - {"--help"}:
        assert option in page, f"{option} of fw train is not there"


@OF_THE_SITE
def test_the_reference_has_every_hook_contract_setting_component_and_error(site: Path):
    import framework_core
    from framework_core import contracts, errors
    from framework_core.plugins.hookspecs import HookSpecs
    from framework_core.plugins.registry import registry

    def leaves(section, path=""):
        for name, info in section.model_fields.items():
            nested = info.annotation if isinstance(info.annotation, type) else None
            if nested and any(issubclass(nested, each) for each in (contracts.Section, contracts.TrainerConfig)):
                yield from leaves(nested, f"{path}{name}.")
            else:
                yield f"{path}{name}"

    expected = {
        "reference/hooks": [name for name in vars(HookSpecs) if not name.startswith("_")],
        "reference/contracts": [name for name in contracts.__all__ if name != "CONTRACT_VERSION"],
        "reference/python": framework_core.__all__,
        "reference/errors": [
            name
            for name, each in vars(errors).items()
            if isinstance(each, type) and issubclass(each, errors.FrameworkError)
        ],
        "reference/settings": [
            each
            for each in leaves(contracts.RunConfig)
            if each.partition(".")[0] not in ("model", "dataset", "optimizer", "scheduler")
        ],
        "reference/components": [
            *registry.catalogue.names("optimizer"),
            *registry.catalogue.names("scheduler"),
            *registry.catalogue.names("strategy"),
            *registry.catalogue.names("dataset"),
        ],
    }
    for page, names in expected.items():
        text = text_of(site, page)
        absent = [name for name in names if name not in text]
        assert names, page
        assert not absent, f"{page} lacks {absent}"


@OF_THE_SITE
def test_the_reference_has_every_environment_variable_of_the_source(site: Path):
    page = text_of(site, "reference/environment")
    read = set()
    for path in ROOT.glob("packages/*/src/**/*.py"):
        read |= set(re.findall(r'"(FRAMEWORK_[A-Z_]+)"', path.read_text("utf-8")))
    assert read
    assert not {name for name in read if name not in page}
