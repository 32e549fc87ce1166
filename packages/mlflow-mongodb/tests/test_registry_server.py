"""The registry and the artifacts behind a real `mlflow server`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import pymongo
import pytest
from cryptography.fernet import Fernet
from mlflow import MlflowClient
from mlflow.entities.webhook import WebhookEvent
from mlflow.exceptions import MlflowException

from framework_mlflow_mongodb.mongod import free_port

pytestmark = [pytest.mark.long, pytest.mark.drawn]


@pytest.fixture(scope="module")
def database_uri(mongod):
    uri = mongod.uri("registry_server")
    yield uri
    with pymongo.MongoClient(uri) as client:
        client.drop_database("registry_server")


@pytest.fixture(scope="module")
def server(database_uri, tmp_path_factory):
    """Start a server of two processes that keeps everything in MongoDB, and return its address."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database_uri, "--port", str(port)]
    command += ["--artifacts-destination", "mongodb-gridfs:/artifacts", "--workers", "2"]
    environment = {
        **os.environ,
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": Fernet.generate_key().decode(),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "MLFLOW_WEBHOOK_CACHE_TTL": "0",
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    folder = tmp_path_factory.mktemp("server")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(f"{address}/health", timeout=5).close()
            break
        except OSError:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.2)
    yield address
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(30)


@pytest.fixture
def client(server):
    return MlflowClient(server, server)


def test_a_model_goes_through_the_server_and_back(client, tmp_path):
    experiment = client.create_experiment("models")
    run = client.create_run(experiment)
    weights = os.urandom(3_000_001)
    (tmp_path / "weights.bin").write_bytes(weights)
    client.log_artifact(run.info.run_id, str(tmp_path / "weights.bin"), "model")
    client.log_text(run.info.run_id, "flavors: {}", "model/MLmodel")
    assert [(found.path, found.file_size) for found in client.list_artifacts(run.info.run_id, "model")] == [
        ("model/MLmodel", 11),
        ("model/weights.bin", 3_000_001),
    ]
    client.create_registered_model("net", {"a.b": "c"}, "text")
    version = client.create_model_version("net", f"{run.info.artifact_uri}/model", run.info.run_id)
    client.set_registered_model_alias("net", "champion", version.version)
    assert client.get_model_version_by_alias("net", "champion").run_id == run.info.run_id
    (tmp_path / "back").mkdir()
    client.download_artifacts(run.info.run_id, "model", str(tmp_path / "back"))
    assert (tmp_path / "back" / "model" / "weights.bin").read_bytes() == weights


def test_errors_of_the_registry_reach_the_client(client):
    client.create_registered_model("twice")
    with pytest.raises(MlflowException, match="already exists") as error:
        client.create_registered_model("twice")
    assert error.value.error_code == "RESOURCE_ALREADY_EXISTS"
    with pytest.raises(MlflowException, match="Invalid") as error:
        client.search_registered_models("colour = 'red'")
    assert error.value.error_code == "INVALID_PARAMETER_VALUE"


def test_pages_go_through_the_server(client):
    for number in range(5):
        client.create_registered_model(f"page{number}")
    found, token = [], None
    while True:
        page = client.search_registered_models("name LIKE 'page%'", 2, ["name DESC"], token)
        found += [model.name for model in page]
        if not (token := page.token):
            break
    assert found == ["page4", "page3", "page2", "page1", "page0"]


def test_prompts_go_through_the_server(client):
    client.register_prompt("greeting", "Hello {{name}}", tags={"lang": "en"})
    client.register_prompt("greeting", "Hi {{name}}")
    client.set_prompt_alias("greeting", "live", 1)
    assert client.get_prompt_version_by_alias("greeting", "live").template == "Hello {{name}}"
    assert [prompt.name for prompt in client.search_prompts()] == ["greeting"]


def test_a_webhook_is_called_with_a_signature(client):
    calls = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            calls.append((json.loads(body), self.headers.get("X-MLflow-Signature")))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        event = WebhookEvent.from_str("registered_model.created")
        hook = client.create_webhook("hook", f"http://127.0.0.1:{receiver.server_port}/", [event], secret="s3cret")
        assert hook.secret is None  # a server tells no secret
        client.create_registered_model("hooked")
        deadline = time.monotonic() + 30
        while not calls and time.monotonic() < deadline:
            time.sleep(0.05)
        receiver.shutdown()
    ((content, signature),) = calls
    assert content["data"]["name"] == "hooked"
    assert signature.startswith("v1,")
