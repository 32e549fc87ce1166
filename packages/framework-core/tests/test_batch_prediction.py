"""``fw predict -o``: many files, some at a time; what is done is not lost."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

FLOWERS = [f"{5 + number / 10:.1f} 3.4 1.5 0.2" for number in range(30)]

DYING = """
import os, signal
from pathlib import Path
from framework_core import DataError
from mine import Iris, Net

class Dying(Iris):
    def predict_dataset(self, paths, data):
        if Path("die").exists() and any(path.name == "17.txt" for path in paths):
            os.kill(os.getpid(), signal.SIGKILL)
        for path in paths:
            if "flower" in path.read_text():
                raise DataError(f"There are no numbers in {path}.")
        return super().predict_dataset(paths, data)
"""


@pytest.fixture
def flowers(project, train):
    (project / "flowers").mkdir()
    for number, text in enumerate(FLOWERS):
        (project / "flowers" / f"{number:02}.txt").write_text(text)
    (project / "dying.py").write_text(DYING)
    assert train("--dataset", "dying.py:Dying", "experiment.run_name=known").code == 0
    return project / "flowers"


def predict(fw, *words):
    return fw("predict", "known", "flowers", "--chunk", "5", *words)


@pytest.mark.long
def test_after_a_kill_the_same_command_goes_on(flowers, fw, fresh, project):
    whole = predict(fw, "-o", "whole.jsonl")
    assert whole.err == "30 predictions in whole.jsonl\n"
    (project / "die").touch()
    killed = fresh("predict", "known", "flowers", "--chunk", "5", "-o", "out.jsonl")
    assert killed.code == -signal.SIGKILL
    assert not Path("out.jsonl").exists()
    part = Path(".out.jsonl.part")
    assert sum(len(json.loads(line).get("rows", ())) for line in part.read_text().splitlines()) == 15
    with part.open("a") as file:
        file.write('{"rows": [{"path"')  # a kill in the middle of a line
    (project / "die").unlink()
    for done in flowers.glob("0*.txt"):
        done.write_text("not read again")
    assert predict(fw, "-o", "out.jsonl", "--resume").err == "30 predictions in out.jsonl\n"
    assert Path("out.jsonl").read_text() == Path("whole.jsonl").read_text()
    assert not part.exists()


def test_a_broken_file_is_told_and_what_was_done_is_kept(flowers, fw):
    before = (flowers / "17.txt").read_text()
    (flowers / "17.txt").write_text("no flower")
    failed = predict(fw, "-o", "out.csv")
    assert failed.code == 2
    assert "15 files are done and kept: the same command with --resume goes on" in failed.err
    assert not Path("out.csv").exists()
    other = fw("predict", "known", "flowers/00.txt", "-o", "out.csv", "--resume")
    assert (other.code, "is of another command" in other.err) == (2, True)
    (flowers / "17.txt").write_text(before)
    assert predict(fw, "-o", "out.csv", "--resume").code == 0
    assert len(Path("out.csv").read_text().splitlines()) == 31
    assert predict(fw, "--resume").code == 2


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_names_the_files(ending, project):
    import pandas

    from framework_core import DataError
    from framework_core.prediction import files_in

    (project / "photos").mkdir()
    for name in ("a.png", "b.png"):
        (project / "photos" / name).touch()
    table = pandas.DataFrame({"label": ["x", "y"], "file": ["b.png", "a.png"]})
    path = project / "photos" / f"list.{ending}"
    table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path)
    assert [found.name for found in files_in([path], (".png",))] == ["b.png", "a.png"]
    assert files_in([path], ()) == [path]
    assert files_in([path], (f".{ending}",)) == [path]
    (project / "photos" / "a.png").unlink()
    with pytest.raises(DataError, match=r"No column of .* names files that are there"):
        files_in([path], (".png",))
