"""The time from Enter to the last word of `fw --help`, `fw list models` and a Tab, against a bare typer `--help`.

    python benchmarks/startup.py                                     this environment
    python benchmarks/startup.py --also light=other-env/bin/python   and another, say one without torch

Every measurement is a process of its own; the rounds are interleaved, and a ratio is taken inside its round: of the
time on the clock, and of the processor's. The bare program is one typer command without parameters in the same
environment. The first round, which fills caches, is left out.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = "import typer\n\napp = typer.Typer()\n\n\n@app.command()\ndef main() -> None:\n    pass\n\n\napp()\n"
COMMANDS = {
    "fw --help": ["--help"],
    "fw list models": ["list", "models"],
    "fw list models --json": ["list", "models", "--json"],
    "fw train --model resnet5<TAB>": ["train", "--model", "resnet5"],
    "fw train optimizer=s<TAB>": ["train", "optimizer=s"],
}


def seconds(command: list[str], folder: str, *, completes: bool = False) -> tuple[float, float]:
    """How long a command takes, on the clock and of the processor's time."""
    environment = {**os.environ, **({"FRAMEWORK_COMPLETE": "bash"} if completes else {})}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    took = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compare(name: str, python: str, rounds: int) -> None:
    """Print each command's median and its ratio to the bare program."""
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE)
        fw = str(Path(python).parent / "fw")
        commands = {"bare typer --help": [python, str(bare), "--help"]}
        commands |= {label: [fw, *words] for label, words in COMMANDS.items()}
        found: dict[str, list[tuple[float, float]]] = {label: [] for label in commands}
        for round_ in range(rounds + 1):
            for label, command in commands.items():
                took = seconds(command, folder, completes=label.endswith("<TAB>"))
                if round_:
                    found[label].append(took)
    print(f"\n{name}: medians of {rounds} interleaved rounds")
    print("| command | ms | bare typer = 1 | ms of the processor | bare typer = 1 |\n|---|---|---|---|---|")
    for label in found:
        row = []
        for which in (0, 1):
            own, others = ([each[which] for each in found[name]] for name in (label, "bare typer --help"))
            ratio = statistics.median(a / b for a, b in zip(own, others, strict=True))
            row += [f"{statistics.median(own) * 1e3:.0f}", f"{ratio:.2f}"]
        print(f"| `{label}` | {' | '.join(row)} |", flush=True)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--also", action="append", default=[], metavar="NAME=PYTHON", help="another environment")
    parser.add_argument("--rounds", type=int, default=15)
    chosen = parser.parse_args()
    compare("with torch", sys.executable, chosen.rounds)
    for other in chosen.also:
        name, _, python = other.partition("=")
        compare(name, str(Path(python).absolute()), chosen.rounds)


if __name__ == "__main__":
    main()
