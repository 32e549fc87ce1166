"""Making a plugin package: what it offers, which files that needs, and writing them."""

from __future__ import annotations

import datetime
import keyword
import re
from collections.abc import Collection
from importlib.resources import files
from pathlib import Path
from string import Template

from packaging.version import Version

from framework_core import __version__
from framework_core.errors import ConfigError, ConfigProblem
from framework_core.project.writing import write_all

PARTS = ("model", "dataset", "callback", "strategy", "config-group")
"""What a plugin can be made with."""

NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*([-_][A-Za-z0-9]+)*")


def create_plugin(name: str, folder: Path | None = None, *, parts: Collection[str]) -> list[Path]:
    """Write a complete package that passes its own tests. Nothing is overwritten.

    Args:
        name: The distribution's name: ``my-plugin``.
        folder: Where; empty is a folder of that name here.
        parts: What it offers, of ``PARTS``.

    Returns:
        The files, as they were written.

    Raises:
        ConfigError: The name cannot be that of a package, or it would offer nothing.
        FilesInTheWayError: A file of the package is there already.
        OutputError: The folder cannot be written.
    """
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        message = "letters and digits, with single dashes between them: my-plugin"
        raise ConfigError(
            [ConfigProblem("name", message, value=name)], next_step="Try: fw plugin new my-plugin --model"
        )
    if not set(parts) & SPECS.keys():
        message = "a package has to offer something: --model, --dataset, --callback or --strategy"
        raise ConfigError([ConfigProblem("parts", message)], next_step=f"Try: fw plugin new {name} --model --dataset")
    return write_all(folder or Path(name), {path: text for path, text in _texts(name, set(parts)).items() if text})


def _texts(dist: str, parts: set[str]) -> dict[str, str]:
    module = re.sub(r"[-_]+", "_", dist).lower()
    core = Version(__version__)
    facts = {
        "dist": dist,
        "module": module,
        "domain": module,
        "core": f"{core.major}.{core.minor}",
        "next": f"{core.major}.{core.minor + 1}",
        "year": str(datetime.date.today().year),
        "use": _use(module, parts),
    }
    source = f"src/{module}"
    group = "config-group" in parts and {"model", "dataset"} <= parts
    found = {
        "pyproject.toml": _template("pyproject.template"),
        **{name: _template(name) for name in ("README.md", "CHANGELOG.md", "LICENSE")},
        ".gitignore": _template("gitignore"),
        ".github/workflows/tests.yml": _template("ci.yml"),
        ".github/workflows/publish.yml": _template("publish.yml"),
        f"{source}/__init__.py": '"""A plugin for framework-core: $dist."""\n',
        f"{source}/py.typed": "# typed\n",
        f"{source}/plugin.py": _plugin(parts, group),
        f"{source}/settings.py": _settings(parts),
        **{f"{source}/{part}.py": _template(f"{part}.py") for part in SPECS if part in parts},
        f"{source}/conf/__init__.py": '"""Experiments: ``fw train +experiment=$module``."""\n' if group else "",
        f"{source}/conf/experiment/{module}.yaml": EXPERIMENT if group else "",
        "tests/points.py": _template("dataset.py") if parts & {"model", "dataset"} == {"model"} else "",
        "tests/test_promises.py": _tests(parts),
    }
    return {path: Template(text).substitute(facts) for path, text in found.items()}


def _template(name: str) -> str:
    return (files("framework_core.project") / "templates" / "plugin" / name).read_text("utf-8")


def _use(module: str, parts: set[str]) -> str:
    if {"model", "dataset"} <= parts:
        return f"fw train --model {module}_net --dataset {module}_data"
    if "model" in parts:
        return f"fw info model {module}_net"
    if "dataset" in parts:
        return f"fw info dataset {module}_data"
    return "fw list callbacks" if "callback" in parts else "fw list strategies"


def _plugin(parts: set[str], group: bool) -> str:
    wanted = [part for part in SPECS if part in parts]
    imported = ", ".join(sorted(["ComponentSpec", *(f"{part.title()}Spec" for part in wanted)]))
    head = PLUGIN.replace("IMPORTED", imported) + "".join(SPECS[part] for part in wanted)
    data = '        check_settings=("dataset=${module}_data",),\n' if "dataset" in parts else ""
    return head.replace("CHECKED", data) + (CONFIG_PACKAGES if group else "")


def _settings(parts: set[str]) -> str:
    if not parts & CONFIGS.keys():
        return ""
    used = (("Field", parts & CONFIGS.keys()), ("PositiveInt", parts & {"model", "dataset"}))
    pydantic = [name for name, user in used if user]
    head = SETTINGS.replace("IMPORTED", ", ".join(pydantic))
    return head + "".join(CONFIGS[part] for part in CONFIGS if part in parts)


def _tests(parts: set[str]) -> str:
    wanted = [part for part in SUITES if part in parts]
    names = ", ".join(sorted(["PackageSuite", *(SUITES[part][0] for part in wanted)]))
    head = f"from framework_core.testing import {names}\n" + PACKAGE_SUITE
    lent = "" if "dataset" in parts or "model" not in parts else LENT
    return (PATH if lent else "") + head + "".join(SUITES[part][1] for part in wanted) + lent


PLUGIN = '''"""What this package offers. Read whenever something is listed: nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Iterable

from framework_core import hookimpl
from framework_core.contracts import IMPORTED


@hookimpl
def register_components() -> Iterable[ComponentSpec]:
    """Say what can be named."""
'''
SPECS = {
    "model": """    yield ModelSpec(
        name="${module}_net",
        domain="$domain",
        tasks=("tabular-classification",),
        summary="A network of two layers that learns classes",
        builder="$module.model:Net",
        config="$module.settings:NetConfig",
        licence="MIT",
CHECKED    )
""",
    "dataset": """    yield DatasetSpec(
        name="${module}_data",
        domain="$domain",
        tasks=("tabular-classification",),
        summary="Points on three spirals",
        builder="$module.dataset:Data",
        config="$module.settings:DataConfig",
        licence="MIT",
        default=True,
    )
""",
    "callback": """    yield CallbackSpec(
        name="${module}_jitter",
        summary="Adds noise to the inputs of each training batch",
        builder="$module.callback:Jitter",
        config="$module.settings:JitterConfig",
        licence="MIT",
    )
""",
    "strategy": """    yield StrategySpec(
        name="${module}_patient",
        summary="DDP whose processes wait up to two hours for one another",
        builder="$module.strategy:Patient",
        licence="MIT",
    )
""",
}
CONFIG_PACKAGES = '''

@hookimpl
def register_config_packages() -> list[str]:
    """Say where the experiments are."""
    return ["$module.conf"]
'''
EXPERIMENT = """# @package _global_
defaults:
  - override /model: ${module}_net
  - override /dataset: ${module}_data
optimizer:
  lr: 0.01
trainer:
  max_epochs: 30
"""
SETTINGS = '''"""The settings of what this package offers. Read without torch: they are checked before all else."""

from __future__ import annotations

from framework_core.contracts import ComponentConfig
from pydantic import IMPORTED
'''
CONFIGS = {
    "model": '''

class NetConfig(ComponentConfig):
    """A network of two layers."""

    width: PositiveInt = 64
    """How many features lie between the layers."""

    drop_rate: float = Field(default=0.0, ge=0, lt=1)
    """How much of them is dropped in training."""
''',
    "dataset": '''

class DataConfig(ComponentConfig):
    """Points on three spirals."""

    samples: PositiveInt = 1200
    """How many points there are."""

    noise: float = Field(default=0.05, ge=0)
    """How far they stray from their spiral."""

    batch_size: PositiveInt = 64
    """How many samples make a batch."""

    num_workers: int | None = Field(default=None, ge=0)
    """How many processes load data; empty takes none for data in memory."""
''',
    "callback": '''

class JitterConfig(ComponentConfig):
    """Noise on each training batch."""

    std: float = Field(default=0.1, ge=0)
    """Its standard deviation."""
''',
}
PACKAGE_SUITE = """

class TestPackage(PackageSuite):
    package = "$dist"
"""
PATH = "from pathlib import Path\n\n"
LENT = """    settings = (f"dataset={Path(__file__).with_name('points.py')}:Data",)
"""
SUITES = {
    "model": (
        "ModelSuite",
        """

class TestNet(ModelSuite):
    name = "${module}_net"
""",
    ),
    "dataset": (
        "DatasetSuite",
        """

class TestData(DatasetSuite):
    name = "${module}_data"
""",
    ),
}
