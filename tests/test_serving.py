"""``fw serve``: a real server, asked over a real socket."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import requests
import yaml
from PIL import Image
from served import serving

pytestmark = pytest.mark.long
PACKAGES = Path(__file__).parents[1] / "packages"
BARE = ("trainer=debug", "mlops.tracking.backend=none", "mlops.report=false")


def change(folder, how):
    """Write what an export says of itself anew."""
    about = json.loads((folder / "export.json").read_text())
    how(about)
    (folder / "export.json").write_text(json.dumps(about))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, warm):
    """A folder with a run and its export, and another version of it."""
    place = tmp_path_factory.mktemp("serving")

    def fw(*words):
        done = subprocess.run([warm.command, *words], cwd=place, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    fw("train", "--model", "resnet20", "experiment.run_name=first", *BARE)
    fw("export", "first", "--to", "onnx", "-o", "first-onnx")
    shutil.copytree(place / "first-onnx", place / "second-onnx")
    change(place / "second-onnx", lambda about: about.update(run_id="second"))
    golden = sorted(str(path.relative_to(place)) for path in (place / "first-onnx" / "golden").iterdir())
    (place / "expected.json").write_text(fw("predict", "first", "--json", *golden))
    return place


@pytest.fixture(scope="module")
def golden(folder):
    """Files, and what ``fw predict`` says of them."""
    rows = json.loads((folder / "expected.json").read_text())
    return {folder / row.pop("path"): row for row in rows}


@pytest.fixture(scope="module")
def server(folder, warm):
    """A server of the first export with small limits."""
    with serving(
        warm.command, "first-onnx", "--max-body", "1", "--max-values", "1000000", "--timeout", "4", folder=folder
    ) as found:
        yield found


def png(side):
    buffer = io.BytesIO()
    Image.new("L", (side, side)).save(buffer, "PNG")
    return buffer.getvalue()


def same(row, expected):
    assert row["label"] == expected["label"]
    assert row["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-5)


def test_files_are_answered_as_fw_predict_answers_them(server, golden):
    rows = server.predict(*golden)
    assert [row["file"] for row in rows] == [path.name for path in golden]
    for row, expected in zip(rows, golden.values(), strict=True):
        same(row, expected)


def test_a_run_is_served_by_the_code_that_trained_it(folder, golden, warm):
    with serving(warm.command, "first", folder=folder) as trained:
        assert trained.said["model"].endswith("torch")
        for row, expected in zip(trained.predict(*golden), golden.values(), strict=True):
            same(row, expected)
        broken = trained.post("/predict", data=b"\x89PNG", headers={"content-type": "image/png"})
        assert (broken.status_code, broken.json()["error"]) == (422, "The image cannot be read: it is no image")
        files = [("file", ("broken.png", b"\x89PNG")), *(("file", (path.name, path.read_bytes())) for path in golden)]
        assert trained.post("/predict", files=files).json()["error"].startswith("Input 0: The image cannot be read")


def test_a_file_may_be_the_body_or_text_in_json(server, golden):
    path, expected = next(iter(golden.items()))
    content, encoded = path.read_bytes(), base64.b64encode(path.read_bytes()).decode()
    alone = server.post("/predict", data=content, headers={"content-type": "image/png"}).json()
    same(alone["predictions"][0], expected)
    assert alone["model"] == "resnet20"
    for inputs in ([encoded], [{"b64": encoded}], [{"b64": encoded, "name": "a.png"}]):
        same(server.post("/predict", json={"inputs": inputs}).json()["predictions"][0], expected)


@pytest.fixture(scope="module")
def arrays(folder):
    with np.load(folder / "first-onnx" / "golden.npz") as found:
        return dict(found)


def test_mlflows_protocol_takes_tensors_and_tables(server, golden, arrays):
    path, expected = next(iter(golden.items()))
    for name in ("inputs", "instances"):
        answer = server.post("/invocations", json={name: arrays["input"][:2].tolist()}).json()
        assert np.allclose(answer["predictions"], arrays["output"][:2], atol=1e-4)
    encoded = base64.b64encode(path.read_bytes()).decode()
    for table in (
        {"dataframe_split": {"columns": ["image"], "data": [[encoded]]}},
        {"dataframe_records": [{"image": encoded}]},
    ):
        same(server.post("/invocations", json=table).json()["predictions"][0], expected)


def test_the_open_inference_protocol_takes_tensors_and_files(server, golden, arrays):
    path, expected = next(iter(golden.items()))
    about = requests.get(f"{server.url}/v2/models/resnet20", timeout=10).json()
    assert about["inputs"][0] == {"name": "input", "datatype": "FP32", "shape": [-1, 1, 32, 32]}
    assert about["parameters"]["class_names"] == [str(digit) for digit in range(10)]
    infer = "/v2/models/resnet20/infer"
    two = arrays["input"][:2]
    tensor = {"name": "input", "datatype": "FP32", "shape": list(two.shape), "data": two.ravel().tolist()}
    answer = server.post(infer, json={"id": "mine", "inputs": [tensor]}).json()
    assert answer["id"] == "mine"
    found = {each["name"]: np.reshape(each["data"], each["shape"]) for each in answer["outputs"]}
    assert np.allclose(found["output"], arrays["output"][:2], atol=1e-4)
    assert np.allclose(found["probabilities"].sum(axis=1), 1, atol=1e-5)
    file = {"name": "file", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(path.read_bytes()).decode()]}
    (rows,) = server.post(infer, json={"inputs": [file]}).json()["outputs"][0]["data"]
    same(json.loads(rows)[0], expected)


PNG = {"content-type": "image/png"}
JSON = {"content-type": "application/json"}
BAD = {
    "no image": ("/predict", b"hello", PNG, 422, "it is no image"),
    "cut short": ("/predict", png(64)[:50], PNG, 422, "cut short"),
    "empty": ("/predict", b"", PNG, 400, "empty"),
    "another kind": ("/predict", b"%PDF", {"content-type": "application/pdf"}, 415, "it reads .png"),
    "too many pixels": ("/predict", png(1001), PNG, 413, "1,002,001 values"),
    "too large": ("/predict", bytes(1_000_001), PNG, 413, "1 MB"),
    "no JSON": ("/predict", b"{", JSON, 400, "no JSON"),
    "NaN": ("/predict", b'{"inputs": [[NaN]]}', JSON, 400, "NaN is no number"),
    "endless": ("/predict", b"[" * 100_000, JSON, 400, "nested"),
    "not finite": (
        "/predict",
        json.dumps({"inputs": [[[[1] * 32] * 32]]}).replace("1", "1e999").encode(),
        JSON,
        422,
        "finite",
    ),
    "wrong shape": ("/predict", b'{"inputs": [[1, 2]]}', JSON, 422, "(any, 1, 32, 32), and these have (1, 2)"),
    "ragged": ("/predict", b'{"inputs": [[1, 2], [3]]}', JSON, 422, "different lengths"),
    "words for numbers": ("/predict", b'{"inputs": [["a"]]}', JSON, 422, "neither numbers nor files"),
    "no inputs": ("/predict", b'{"inputs": []}', JSON, 422, "at least one"),
    "another key": ("/predict", b'{"input": [1]}', JSON, 422, '{"inputs": [...]}'),
    "no base64": ("/predict", b'{"inputs": ["?"]}', JSON, 422, "base64"),
    "several forms": ("/invocations", b'{"inputs": [1], "instances": [1]}', JSON, 400, "one of inputs"),
    "another datatype": ("/v2/models/resnet20/infer", b'{"inputs": [{"datatype": "X"}]}', JSON, 400, "one of BOOL"),
    "another model": ("/v2/models/other/infer", b"{}", JSON, 404, "there is 'resnet20'"),
    "nowhere": ("/predcit", b"{}", JSON, 404, "/docs"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_status_and_a_sentence(case, server):
    path, body, headers, status, said = BAD[case]
    answer = server.post(path, data=body, headers=headers)
    assert answer.status_code == status, answer.text
    found = answer.json()
    assert said in found.get("error", found.get("message"))
    assert found["request_id"] == answer.headers["x-request-id"]


def test_a_name_that_climbs_out_of_its_folder_is_a_name(server, golden):
    path, expected = next(iter(golden.items()))
    answer = server.post("/predict", files={"file": ("../../../tmp/x.png", path.read_bytes())})
    same(answer.json()["predictions"][0], expected)


def test_one_bad_file_of_several_is_named(server, golden):
    content = next(iter(golden)).read_bytes()
    answer = server.post("/predict", files=[("file", ("a.png", content)), ("file", ("b.png", b"no"))])
    assert answer.json()["error"] == "Input 1: The image cannot be read: it is no image."


def test_who_sends_slowly_is_told_and_who_says_nothing_is_left(server, golden):
    with server.connect() as slow, server.connect() as silent:
        slow.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ncontent-length: 100\r\n\r\nabc")
        assert b" 408 " in slow.recv(1000).partition(b"\r\n")[0]
        assert silent.recv(10) == b""
    same(server.predict(next(iter(golden)))[0], next(iter(golden.values())))


def test_what_is_counted_is_there_for_prometheus(server, golden):
    def answered():
        text = requests.get(f"{server.url}/metrics", timeout=10).text
        (line,) = (
            line for line in text.splitlines() if line.startswith('fw_requests_total{path="/predict",status="200"}')
        )
        return float(line.split()[-1])

    server.predict(*golden)
    before = answered()
    server.predict(*golden)
    assert answered() == before + 1


def test_requests_that_come_together_are_computed_together(server, golden):
    path, expected = next(iter(golden.items()))
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(requests.Session()) for _ in range(16)]
        found = []

        def ask(session):
            found.append(session.post(f"{server.url}/predict", data=path.read_bytes(), headers=PNG, timeout=60).json())

        threads = [threading.Thread(target=ask, args=(each,)) for each in sessions]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert len(found) == 16
    for each in found:
        same(each["predictions"][0], expected)
    text = requests.get(f"{server.url}/metrics", timeout=10).text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("fw_batch_inputs_"))
    assert float(values["fw_batch_inputs_sum"]) > float(values["fw_batch_inputs_count"])


def test_a_key_is_asked_for(folder, warm, tmp_path):
    (tmp_path / "keys").write_text("one\ntwo\n")
    with serving(warm.command, "first-onnx", "--key-file", tmp_path / "keys", folder=folder) as server:
        body = {"data": b"hello", "headers": PNG}
        refused = server.post("/predict", **body)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        for headers in ({"authorization": "Bearer two"}, {"x-api-key": "one"}):
            assert server.post("/predict", data=b"hello", headers={**PNG, **headers}).status_code == 422
        assert server.post("/predict", data=b"", headers={**PNG, "x-api-key": "three"}).status_code == 401
        assert requests.get(f"{server.url}/v2/health/ready", timeout=10).json() == {"ready": True}


def test_another_model_takes_the_place_without_a_lost_request(folder, golden, warm, tmp_path):
    place = tmp_path / "live"
    place.symlink_to(folder / "first-onnx")
    path = next(iter(golden))
    statuses, versions = [], []
    with serving(warm.command, place, "--reload-every", "0.1", folder=folder) as server:
        end = threading.Event()

        def ask():
            with requests.Session() as session:
                while not end.is_set():
                    answer = session.post(f"{server.url}/predict", data=path.read_bytes(), headers=PNG, timeout=60)
                    statuses.append(answer.status_code)
                    versions.append(answer.json()["version"])

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.5)
        other = tmp_path / "other"
        other.symlink_to(folder / "second-onnx")
        other.replace(place)
        until(lambda: len(set(versions)) == 2)
        # What cannot be used does not take the place of what can.
        broken = tmp_path / "broken"
        shutil.copytree(folder / "first-onnx", broken)
        (broken / "model.onnx").write_bytes(b"no model")
        third = tmp_path / "third"
        third.symlink_to(broken)
        third.replace(place)
        until(lambda: 'outcome="failed"} 1.0' in requests.get(f"{server.url}/metrics", timeout=10).text)
        end.set()
        asking.join()
    assert set(statuses) == {200}
    assert versions == sorted(versions, key=versions.index)
    assert len(set(versions)) == 2


def until(true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_at_the_end_what_was_asked_is_answered(folder, golden, warm):
    content = next(iter(golden)).read_bytes()
    with serving(warm.command, "first-onnx", folder=folder) as server, server.connect() as connection:
        head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ncontent-length: {len(content)}\r\n\r\n"
        connection.sendall(head.encode() + content[:50])
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        connection.sendall(content[50:])
        assert b" 200 " in connection.recv(5000).partition(b"\r\n")[0]
        assert server.process.wait(30) == 0
        assert server.process.stderr.read() == ""


def another_size(about):
    about["preprocessing"]["settings"]["image_size"] = 30


def another_normalisation(about):
    about["preprocessing"]["settings"]["mean"] = 0.0


def another_order_of_labels(about):
    about["postprocessing"]["settings"]["class_names"].reverse()


def another_format(about):
    about["format"] = "safetensors"


@pytest.mark.parametrize("plant", [another_size, another_normalisation, another_order_of_labels, another_format])
def test_an_export_that_answers_otherwise_is_refused(plant, folder, warm, tmp_path):
    """What was changed in an export after it was compared is found where it is loaded."""
    shutil.copytree(folder / "first-onnx", tmp_path / "planted")
    change(tmp_path / "planted", plant)
    done = subprocess.run([warm.command, "serve", "planted"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("error: planted cannot be served: ")


LIGHT = """
import sys
from pathlib import Path
from framework_core.cli.program import main
from framework_core.serving import app, server
from framework_core.serving.folder import FolderSource
from framework_core.serving.model import RawFile

model = FolderSource(Path(sys.argv[1])).load()
path = next((Path(sys.argv[1]) / "golden").iterdir())
(rows,) = model.answer([model.prepare(RawFile(path.read_bytes(), ".png"))])
heavy = ("torch", "lightning", "mlflow", "timm", "torchvision")
print(rows[0]["label"], [name for name in heavy if name in sys.modules])
"""


def test_a_server_of_an_export_imports_nothing_of_training(folder):
    done = subprocess.run([sys.executable, "-c", LIGHT, str(folder / "first-onnx")], capture_output=True, text=True)
    assert done.stdout.strip().endswith("[]"), done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing-there"], "There is no run 'nothing-there'"),
        (["."], "it has no export.json"),
        (["first-onnx", "--key-file", "no.txt"], "the keys in no.txt cannot be read"),
        (["first-onnx", "--host", "203.0.113.1"], "cannot be served"),
    ],
)
def test_what_cannot_be_served_is_told(words, said, folder, warm):
    done = subprocess.run([warm.command, "serve", *words], cwd=folder, capture_output=True, text=True, timeout=60)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_told(folder, warm):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        words = ["serve", "first-onnx", "--port", port]
        done = subprocess.run([warm.command, *words], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: Port {port} is taken.")


def test_what_the_openapi_document_promises_is_kept(server, tmp_path):
    """Whatever is sent, every answer is one that the document names.

    That a body which fits the schema is accepted is not asked: no schema says which bytes are a picture.
    """
    command = [Path(sys.executable).with_name("schemathesis"), "run", f"{server.url}/openapi.json", "--checks", "all"]
    options = ["--exclude-checks", "positive_data_acceptance", "--max-examples", "15", "--no-color"]
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    """An environment with what a server of images needs, and nothing more."""
    place = tmp_path_factory.mktemp("light") / "venv"
    pip = ["uv", "pip", "install", "--quiet", "--python", str(place / "bin" / "python")]
    for command in (
        ["uv", "venv", "--quiet", "--python", sys.executable, str(place)],
        [*pip, f"{PACKAGES / 'framework-core'}[serve]", "pillow>=10.3", "simplejpeg>=1.8"],
        [*pip, "--no-deps", str(PACKAGES / "plugins-vision")],
    ):
        subprocess.run(command, check=True, timeout=300)
    return place / "bin"


def test_an_environment_without_training_serves_and_says_what_it_lacks(light, folder, golden):
    installed = subprocess.run(
        [
            light / "python",
            "-c",
            "import importlib.util as u; print([n for n in ('torch', 'mlflow') if u.find_spec(n)])",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert installed.stdout == "[]\n"
    with serving(light / "fw", "first-onnx", folder=folder) as server:
        for row, expected in zip(server.predict(*golden), golden.values(), strict=True):
            same(row, expected)
    uninstall = ["uv", "pip", "uninstall", "--quiet", "--python", str(light / "python"), "framework-plugins-vision"]
    subprocess.run(uninstall, check=True, timeout=60)
    for what, said in (("first-onnx", "pip install framework-plugins-vision"), ("first", "framework-core[train]")):
        done = subprocess.run([light / "fw", "serve", what], cwd=folder, capture_output=True, text=True, timeout=60)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_what_a_dockerfile_says_makes_a_server(folder, warm, golden, tmp_path):
    """Its lines are done in an environment here; what only a container can do is left out."""
    words = ["export", "first", "--to", "kserve", "--image", "here/digits:1", "-o", tmp_path / "image"]
    done = subprocess.run([warm.command, *words], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = [line.partition(" ") for line in (tmp_path / "image" / "Dockerfile").read_text().splitlines() if line]
    said = {}
    for instruction, _, rest in lines:
        said.setdefault(instruction, []).append(rest)
    (copied, _), (installed, _), (start,) = said["COPY"], said["RUN"], said["ENTRYPOINT"]
    python = tmp_path / "venv" / "bin" / "python"
    wheels = tmp_path / "wheels"
    for package in ("framework-core", "plugins-vision"):
        build = ["uv", "build", "--quiet", "--wheel", str(PACKAGES / package), "-o", str(wheels)]
        subprocess.run(build, check=True, timeout=120)
    subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv")], check=True)
    container = tmp_path / "srv"
    container.mkdir()
    for name in copied.split()[:-1]:
        shutil.copy(tmp_path / "image" / name, container)
    shutil.copytree(tmp_path / "image" / "model", container / "model")
    uv = f"uv pip install --quiet --python {python} --find-links {wheels}"
    command = installed.replace("pip install --no-cache-dir", uv)
    subprocess.run(["bash", "-c", command], cwd=container, check=True, timeout=300)
    fw, serve, model, *options = json.loads(start)
    assert (fw, serve, options) == ("fw", "serve", ["--host", "0.0.0.0", "--port", "8080"])
    with serving(python.with_name("fw"), model, folder=container) as server:
        same(server.predict(next(iter(golden)))[0], next(iter(golden.values())))
    service = yaml.safe_load((tmp_path / "image" / "inference-service.yaml").read_text())
    (container,) = service["spec"]["predictor"]["containers"]
    assert (service["apiVersion"], service["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    assert container["name"] == "kserve-container"
    assert container["image"] == "here/digits:1"
    assert container["readinessProbe"]["httpGet"] == {"path": "/v2/health/ready", "port": 8080}


KSERVE = """
import json, sys
import kserve.models, yaml
from kserve import ApiClient
from kubernetes.client import models

for name in dir(models):
    if not hasattr(kserve.models, name):
        setattr(kserve.models, name, getattr(models, name))
service = yaml.safe_load(open(sys.argv[1]))
answer = type("Answer", (), {"data": json.dumps(service)})
client = ApiClient()
assert client.sanitize_for_serialization(client.deserialize(answer, "V1beta1InferenceService")) == service
"""
"""Whether every field is one that KServe's own model of the kind has, of its type: others are lost on the way."""


@pytest.mark.thorough
def test_an_inference_service_is_one_by_the_schemas_of_kserve_and_kubernetes(folder, warm, tmp_path):
    words = ["export", "first", "--to", "kserve", "-o", tmp_path / "image"]
    done = subprocess.run([warm.command, *words], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    service = yaml.safe_load((tmp_path / "image" / "inference-service.yaml").read_text())
    spec = service["spec"]["predictor"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": service["metadata"], "spec": spec}
    ways = (
        (service, ["uv", "run", "--no-project", "--with", "kserve", "--with", "kubernetes<33", "python", "-c", KSERVE]),
        (pod, ["uvx", "kubernetes-validate", "--strict"]),
    )
    for whole, command in ways:
        assert is_accepted(whole, command, tmp_path)
    spec["containers"][0]["readinessProbe"]["httpGet"]["prot"] = 1
    for whole, command in ways:
        assert not is_accepted(whole, command, tmp_path)


def is_accepted(whole, command, folder):
    (folder / "checked.yaml").write_text(yaml.safe_dump(whole))
    done = subprocess.run([*command, str(folder / "checked.yaml")], capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode == 0
