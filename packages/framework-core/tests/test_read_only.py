"""Places that cannot be written: one message, and nothing is left behind."""

import ctypes
import os
import shutil
from pathlib import Path

import pytest

QUICK = ("trainer.max_epochs=1", "trainer.accelerator=cpu")


def test_a_folder_of_runs_that_cannot_be_made_is_one_message(train, project, empty_store):
    done = train("output_dir=/proc/runs")
    assert (done.code, done.out) == (2, "")
    (line,) = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: Cannot write to /proc/")
    assert "output_dir=FOLDER" in done.err
    assert "Traceback" not in done.err
    assert {path.name for path in project.iterdir()} - {"__pycache__"} == {"mine.py", "mlflow.db"}
    assert (project / "mlflow.db").read_bytes() == empty_store.read_bytes()


@pytest.mark.parametrize("words", [("train",), ("ui",)])
def test_a_store_that_is_no_database_is_one_message(words, train, fw, project):
    (project / "mlflow.db").write_text("no database at all")
    done = train() if words == ("train",) else fw(*words)
    assert (done.code, done.out) == (2, "")
    assert "error: The tracking store sqlite:///mlflow.db cannot be used: the file is no SQLite database." in done.err
    assert "Traceback" not in done.err
    assert (project / "mlflow.db").read_text() == "no database at all"
    assert not (project / "runs").exists()


def without_power_over_files():
    """Let a process of root be stopped by permissions as anybody's is."""
    drop_from_bounding_set, power_over_files = 24, 1
    if ctypes.CDLL(None).prctl(drop_from_bounding_set, power_over_files, 0, 0, 0):
        raise OSError("prctl")


@pytest.fixture
def locked(project):
    """A folder that can be read and not written, and how to start a process that is stopped by that."""
    folder = project / "locked"
    folder.mkdir()
    shutil.copy(Path(__file__).with_name("components.py"), folder / "mine.py")
    folder.chmod(0o555)
    yield folder, {"cwd": folder, **({"preexec_fn": without_power_over_files} if os.getuid() == 0 else {})}
    folder.chmod(0o755)


@pytest.mark.drawn
@pytest.mark.cold
@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "it is read-only"),
        (("output_dir=../runs",), "mlflow.db"),
        (("--dry-run",), "it is read-only"),
    ],
)
def test_a_read_only_folder_is_one_message_and_nothing_is_written(words, said, locked, fresh):
    folder, limited = locked
    names = ("--model", "mine.py:Net", "--dataset", "mine.py:Iris")
    done = fresh("train", *names, *QUICK, *words, **limited)
    assert (done.code, done.out) == (2, ""), done.err
    assert done.err.count("error: ") == 1
    assert said in done.err
    assert "Traceback" not in done.err
    assert [path.name for path in folder.iterdir()] == ["mine.py"]


def test_looking_around_in_a_read_only_folder_with_a_read_only_cache_works(locked, fresh, monkeypatch):
    folder, limited = locked
    monkeypatch.setenv("FRAMEWORK_CACHE", str(folder / "cache"))
    done = fresh("list", "strategies", **limited)
    assert (done.code, "ddp" in done.out) == (0, True)
    assert [path.name for path in folder.iterdir()] == ["mine.py"]
