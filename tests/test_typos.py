"""No typo is taken in silence: each is refused before anything heavy is imported, with what was meant."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from typos import LINES, Typo, plain, typos

COUNT = 1000
SEED = 20260
FRESH = 12
PROGRAM = Path(__file__).with_name("slip_program.py")
FILE = "model: resnet20\ndataset:\n  name: digits\ntrainer:\n  max_epochs: 3\n"
SUGGESTED = re.compile(r"(?:Did you mean|Near it:) (?:fw (?:list |info |config )?)?(?P<first>[\w.-]+)")


def schema_keys(node, definitions, prefix="") -> Iterator[str]:
    """Every key of a schema, dotted, through references and alternatives."""
    if "$ref" in node:
        node = definitions[node["$ref"].rpartition("/")[2]]
    for name, below in node.get("properties", {}).items():
        yield f"{prefix}{name}"
        yield from schema_keys(below, definitions, f"{prefix}{name}.")
    for each in (*node.get("anyOf", ()), *node.get("allOf", ())):
        yield from schema_keys(each, definitions, prefix)


@pytest.fixture(scope="session")
def known_words() -> dict[str, set[str]]:
    return vocabulary_of_this_installation()


def vocabulary_of_this_installation() -> dict[str, set[str]]:
    """The words there are, by the letter of ``typos``: read from the catalogue, the schema and typer."""
    import typer

    from framework_core.cli.app import app
    from framework_core.config.schema import json_schema
    from framework_core.plugins.registry import registry

    schema = json_schema()
    enumerations = re.findall(r'"enum": (\[.*?\])', json.dumps(schema))
    words = {str(word) for each in enumerations for word in json.loads(each)}
    commands, options = set(), set()

    def walk(command):
        options.update(word for parameter in command.params for word in parameter.opts)
        for name, below in getattr(command, "commands", {}).items():
            commands.add(name)
            walk(below)

    walk(typer.main.get_command(app))
    kinds = ("model", "dataset", "optimizer", "scheduler", "strategy")
    truths = {"0", "1", "on", "off", "t", "f", "y", "n", "yes", "no", "true", "false", "null"}
    keys = set(schema_keys(schema, schema["$defs"]))
    return {
        "k": keys,
        "g": keys,
        "c": {name for kind in kinds for name in registry.catalogue.names(kind)},
        "v": words | truths,
        "o": options,
        "w": commands,
    }


@pytest.fixture(scope="session")
def place(tmp_path_factory) -> Path:
    return write_place(tmp_path_factory.mktemp("place"))


def write_place(folder: Path) -> Path:
    """A folder with a settings file and a run, and a cache in which this installation is known."""
    (folder / "my.yaml").write_text(FILE)
    (folder / "photos").mkdir()
    run = folder / "runs" / "resnet20-digits-20260101-101010"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text(FILE)
    record = {"run_id": "0" * 32, "name": run.name, "started": "2026-01-01T10:10:10"}
    (run / "run.json").write_text(json.dumps(record))
    for warm in (run_fw, lambda *line: run_all(line[0], [tuple(line[1])])):
        warm(folder, ["config", "validate", "--config", "my.yaml"])
    return folder


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "FRAMEWORK_CACHE": str(folder.with_name(f"{folder.name}-cache")), "COLUMNS": "200"}


def run_fw(folder: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "importtime", "-m", "framework_core", *words]
    return subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=300)


def run_all(folder: Path, lines: list[tuple[str, ...]]) -> list[dict]:
    """What becomes of many lines, in one process."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM)],
        input="\n".join(map(json.dumps, lines)),
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def drawn(known_words: dict[str, set[str]], count: int = COUNT, seed: int = SEED) -> list[Typo]:
    return list(typos(count, seed=seed, is_word=lambda kind, word, _: word.lower() in known_words[kind]))


def suggestion(err: str) -> str:
    """The first word that a message suggests."""
    found = SUGGESTED.search(err)
    return found["first"].rstrip(".") if found else ""


@pytest.fixture(scope="session", params=[200, pytest.param(COUNT, marks=pytest.mark.thorough)])
def outcomes(known_words, place, request) -> list[tuple[Typo, dict]]:
    mistyped = random.Random(SEED).sample(drawn(known_words), request.param)
    return list(zip(mistyped, run_all(place, [typo.words for typo in mistyped]), strict=True))


def test_there_are_thirty_lines_and_a_thousand_typos_of_every_kind(known_words):
    mistyped = drawn(known_words)
    assert (len(LINES), len(mistyped)) == (30, COUNT)
    assert min(Counter(typo.kind for typo in mistyped).values()) >= 50
    assert set(Counter(typo.edit for typo in mistyped)) == {"insert", "delete", "swap", "replace"}
    assert mistyped == drawn(known_words)


@pytest.mark.drawn
def test_every_typo_is_refused(outcomes):
    taken = [(" ".join(typo.words), done) for typo, done in outcomes if (done["code"], done["out"]) != (2, "")]
    assert not taken


def test_nearly_every_typo_is_told_with_what_was_meant(outcomes):
    missed = [
        (typo.typed, typo.meant, suggestion(done["err"]), " ".join(typo.words))
        for typo, done in outcomes
        if suggestion(done["err"]) != typo.meant
    ]
    assert len(missed) <= 0.05 * len(outcomes), "\n".join(map(str, missed))


def test_no_typo_costs_a_heavy_import(outcomes):
    heavy = [(" ".join(typo.words), done["heavy"]) for typo, done in outcomes if done["heavy"]]
    assert not heavy


@pytest.mark.drawn
def test_typos_in_processes_of_their_own(known_words, place):
    for typo in drawn(known_words, FRESH, seed=SEED + 1):
        done = run_fw(place, list(typo.words))
        modules = {
            line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")
        }
        assert (done.returncode, done.stdout) == (2, ""), typo
        assert "framework_core" in modules
        assert not modules & {"torch", "lightning", "hydra", "omegaconf"}, typo


def test_what_was_meant_is_not_refused(place):
    """The lines themselves: the first look passes them, so nothing of theirs is a typo."""
    from framework_core.cli.slips import refuse_slips

    for line in LINES:
        refuse_slips(plain(line))
