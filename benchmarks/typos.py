"""A thousand typos, and what the command makes of them: refused, with what was meant, in how much time.

    python benchmarks/typos.py                  a thousand typos, 60 of them timed
    python benchmarks/typos.py --count 200 --timed 20

Whether a typo is refused and what is suggested is found in one process. The time is the processor's, of a process of
its own for each typo that is timed, over that of ``fw --help`` before and after it.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from test_typos import (  # noqa: E402  # it stands beside the test
    SEED,
    drawn,
    environment,
    run_all,
    suggestion,
    vocabulary_of_this_installation,
    write_place,
)


def cpu_seconds(words: list[str], folder: Path) -> float:
    """The processor time of one command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [str(Path(sys.executable).parent / "fw"), *words]
    subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Draw, run, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--timed", type=int, default=60)
    parser.add_argument("--seed", type=int, default=SEED)
    chosen = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    mistyped = drawn(vocabulary_of_this_installation(), chosen.count, chosen.seed)
    found: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    ratios: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "place"
        folder.mkdir()
        write_place(folder)
        for typo, done in zip(mistyped, run_all(folder, [typo.words for typo in mistyped]), strict=True):
            refused = (done["code"], done["out"]) == (2, "")
            found[typo.kind].append((refused, suggestion(done["err"]) == typo.meant))
        cpu_seconds(["train", "--model", "resnt50"], folder)
        for typo in mistyped[:: max(1, chosen.count // chosen.timed)]:
            before, took, after = (cpu_seconds(words, folder) for words in (["--help"], list(typo.words), ["--help"]))
            ratios[typo.kind].append(took / ((before + after) / 2))
    print(
        "| word | typos | refused | suggested first | time, fw --help = 1: median | worst |\n|---|---|---|---|---|---|"
    )
    for kind in [*found, "all"]:
        rows = found[kind] if kind != "all" else [row for each in list(found.values()) for row in each]
        times = ratios[kind] if kind != "all" else [each for some in list(ratios.values()) for each in some]
        shares = [f"{100 * statistics.mean(row[column] for row in rows):.1f} %" for column in (0, 1)]
        shown = [f"{statistics.median(times):.2f}", f"{max(times):.2f}"] if times else ["", ""]
        print(f"| {kind} | {len(rows)} | {' | '.join([*shares, *shown])} |")


if __name__ == "__main__":
    main()
