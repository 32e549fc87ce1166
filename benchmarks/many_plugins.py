"""What many installed packages cost: listing 5,000 components of 60 plugins among 500 distributions, and building one.

    python benchmarks/many_plugins.py

Every measurement is a process of its own; the rounds are interleaved, and a ratio is taken inside its round. "kept" is
a command that finds the answer of the one before, "anew" one after something was installed. The packages lie in a
folder that PYTHONPATH names: what is measured is their number, not their installer.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from startup import seconds

DISTRIBUTIONS, PLUGINS, COMPONENTS = 500, 60, 5000
PLUGIN = """
from framework_core import hookimpl
from framework_core.contracts import ModelSpec

@hookimpl
def register_components():
    for number in range({first}, {last}):
        yield ModelSpec(name=f"many_{{number}}", domain="vision", builder="{module}.models:Model", summary="Many")
"""
IMPORTED = """
import json, sys
from framework_core.plugins.catalogue import import_builder
from framework_core.plugins.registry import registry
import_builder(registry.resolve("model", "many_77"))
print(json.dumps(sorted(name for name in sys.modules if name.startswith("many_plugin") and name.endswith("models"))))
"""


def install_many(site: Path) -> None:
    """Write the packages as an installer would."""
    each = -(-COMPONENTS // PLUGINS)
    for number in range(DISTRIBUTIONS):
        name = f"many_plugin_{number}" if number < PLUGINS else f"some_library_{number}"
        info = site / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n")
        (site / name).mkdir()
        (site / name / "__init__.py").write_text("")
        if number < PLUGINS:
            (info / "entry_points.txt").write_text(f"[framework.plugins]\n{name} = {name}.plugin\n")
            first, last = number * each, min((number + 1) * each, COMPONENTS)
            (site / name / "plugin.py").write_text(PLUGIN.format(first=first, last=last, module=name))
            (site / name / "models.py").write_text("class Model:\n    pass\n")


def measure(folder: str, site: Path, rounds: int) -> None:
    """Print the medians of listing with and without the packages."""
    fw = str(Path(sys.executable).parent / "fw")
    places = {"none": "", "many": str(site)}
    found: dict[str, list[float]] = {}
    for round_ in range(rounds + 1):
        for label, path in places.items():
            os.environ["PYTHONPATH"] = path
            cache = Path(folder) / f"cache-{round_}-{label}"
            os.environ["FRAMEWORK_CACHE"] = str(cache)
            for state in ("anew", "kept"):
                took, _ = seconds([fw, "list", "models", "--json"], folder)
                if round_:
                    found.setdefault(f"{label} {state}", []).append(took)
    print(f"{DISTRIBUTIONS} distributions, {PLUGINS} plugins, {COMPONENTS:,} components: medians of {rounds} rounds")
    print("| `fw list models --json` | with none, ms | with many, ms | none = 1 |\n|---|---|---|---|")
    for state in ("kept", "anew"):
        none, many = found[f"none {state}"], found[f"many {state}"]
        ratio = statistics.median(b / a for a, b in zip(none, many, strict=True))
        print(f"| {state} | {statistics.median(none) * 1e3:.0f} | {statistics.median(many) * 1e3:.0f} | {ratio:.2f} |")


def imported(site: Path) -> list[str]:
    """The modules with models that are imported where one model is built."""
    environment: Mapping[str, str] = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-c", IMPORTED]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stdout)
    return found


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site"
        install_many(site)
        measure(folder, site, chosen.rounds)
        print(f"Building one of them imports the models of {', '.join(imported(site))}")


if __name__ == "__main__":
    main()
