import subprocess
import sys

import pytest
from framework_core import DataError, compose, evaluate, predict, registry, train
from typer.testing import CliRunner

from framework_plugins_wine.cli import app
from framework_plugins_wine.serving import WineFiles

QUICK = ["trainer.accelerator=cpu", "mlops.tracking.backend=none"]
A_WINE = "13.2,1.78,2.14,11.2,100,2.65,2.76,0.26,1.28,4.38,1.05,3.4,1050"


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """One training, and its folder to work in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("wine"))
        yield train(compose(["+experiment=wine", *QUICK]).config)


def test_the_experiment_learns_the_wines(result):
    assert result.metrics["test/accuracy"] >= 0.9
    assert result.run.config.callbacks["jitter"].std == 0.1


def test_a_trained_model_is_measured_and_predicts_a_file(result, tmp_path):
    assert evaluate("last") == pytest.approx({name: result.metrics[name] for name in ("test/accuracy", "test/loss")})
    (tmp_path / "mine.csv").write_text(A_WINE)
    (row,) = predict("last", [tmp_path / "mine.csv"])
    assert row["label"] == "grower_0"


def test_an_exported_model_answers_files_as_the_model_does(result, tmp_path):
    words = ["export", result.run.name, "--to", "onnx", "-o", str(tmp_path / "wine")]
    done = subprocess.run([sys.executable, "-m", "framework_core", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "from files  8 files of test answered as the model does" in done.stdout


def test_a_file_that_is_no_wine_is_refused():
    files = WineFiles(mean=[0.0, 1.0], std=[1.0, 2.0])
    (wine,) = files.samples(b"3,5", ".csv")
    assert wine.input.tolist() == [3.0, 2.0]
    for content in (b"3,five", b"3", b"\xff"):
        with pytest.raises(DataError, match="The file"):
            files.samples(content, ".csv")


def test_the_command_shows_the_runs(result):
    shown = CliRunner().invoke(app, ["best"])
    assert shown.exit_code == 0
    assert result.run.name in shown.stdout


def test_the_command_says_what_to_do_where_there_is_no_run(tmp_path):
    shown = CliRunner().invoke(app, ["best", "--output-dir", str(tmp_path)])
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert "fw train +experiment=wine" in shown.stderr


def test_a_model_is_built_by_its_name():
    data = registry.create_dataset("wine").data_spec()
    model = registry.create_model("gated_mlp", data=data, width=8)
    assert model.model[0].in_features == 13


def test_listing_and_serving_import_no_torch():
    code = "import sys\nfrom framework_plugins_wine import cli, plugin, serving\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
