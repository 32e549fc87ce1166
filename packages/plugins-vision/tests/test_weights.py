"""Starting from trained weights: from a file, and by name from a hub."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from framework_core import registry
from framework_core.errors import ConfigError, DataError, RequestError

NAME = "test_resnet"


def trained(name=NAME, **settings):
    """A network whose weights no other network has."""
    torch.manual_seed(20)
    return timm.create_model(name, **settings).state_dict()


def same(model, state, *, but=("fc",)):
    """Whether a network has these weights, but for the layers named."""
    mine = model.model.state_dict()
    return all(torch.equal(mine[key], state[key]) for key in state if key.partition(".")[0] not in but)


@pytest.fixture
def file(tmp_path):
    def saved(state, name="weights.safetensors"):
        path = tmp_path / name
        if path.suffix == ".safetensors":
            save_file(state, path)
        else:
            torch.save(state, path)
        return str(path)

    return saved


FORMS = {
    "weights.safetensors": lambda state: state,
    "weights.pth": lambda state: state,
    "weights.pt": lambda state: {"state_dict": state, "epoch": 3},
    "wrapped.pth": lambda state: {f"module.{key}": value for key, value in state.items()},
    "of_a_run.ckpt": lambda state: {"state_dict": {f"model.{key}": value for key, value in state.items()}},
}


@pytest.mark.parametrize("form", FORMS)
def test_weights_of_a_file_are_taken_and_the_classifier_is_new(form, file, data):
    state = trained()
    model = registry.create_model(NAME, weights=file(FORMS[form](state), form), data=data())
    assert same(model, state)
    assert model.model.fc.weight.shape[0] == 7


def test_the_classifier_is_kept_where_the_number_of_classes_is_the_same(file, data):
    state = trained(num_classes=7)
    assert same(registry.create_model(NAME, weights=file(state), data=data()), state, but=())


def test_weights_without_a_classifier_will_do(file, data):
    state = {key: value for key, value in trained().items() if not key.startswith("fc.")}
    model = registry.create_model(NAME, weights=file(state), data=data())
    assert same(model, state)
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 7)


def test_weights_for_colours_fit_grey_images(file, data):
    state = trained()
    model = registry.create_model(NAME, weights=file(state), data=data(1))
    (first,) = {key for key in state if state[key].shape[1:2] == (3,)}
    torch.testing.assert_close(model.model.state_dict()[first], state[first].sum(dim=1, keepdim=True))


def test_a_transformer_takes_weights_made_for_another_size(file, data):
    state = trained("test_vit")
    model = registry.create_model("test_vit", weights=file(state), data=data(3, 64))
    assert same(model, state, but=("head", "pos_embed"))
    assert model(torch.randn(1, 3, 64, 64)).shape == (1, 7)


def test_the_weights_are_not_held_twice(file, data):
    model = registry.create_model(NAME, weights=file(trained()), data=data())
    assert "state_dict" not in model.model.pretrained_cfg


def other_architecture():
    return trained("test_vit")


def another_width():
    return {key: value[:-1] if value.ndim and key.startswith("layer1") else value for key, value in trained().items()}


def one_is_missing():
    state = trained()
    del state["layer2.0.conv1.weight"]
    return state


@pytest.mark.parametrize("make", [other_architecture, another_width, one_is_missing])
def test_weights_of_another_network_are_refused(make, file, data):
    path = file(make())
    with pytest.raises(DataError) as refused:
        registry.create_model(NAME, weights=path, data=data())
    assert f"The weights in {path} are not those of {NAME}" in str(refused.value)
    assert len(str(refused.value)) < 600


class Malicious:
    def __reduce__(self):
        return print, ("this must not run",)


def no_tensors(path):
    torch.save({"epoch": 3}, path)


def text(path):
    path.write_text("no weights")


def code(path):
    torch.save({"state_dict": Malicious()}, path)


@pytest.mark.some_of(2)
@pytest.mark.parametrize("make", [no_tensors, text, code])
@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_a_file_that_holds_no_weights_is_told(make, name, tmp_path, train, project, capfd):
    make(tmp_path / name)
    done = train("--model", NAME, "--dataset", "digits", f"model.weights={tmp_path / name}")
    assert (done.code, done.out) == (2, "")
    assert f"{name} holds no weights that can be read" in done.err
    assert "Traceback" not in done.err
    assert "this must not run" not in capfd.readouterr().out
    assert not (project / "runs").exists()


def test_a_file_that_is_not_there_is_told(train):
    done = train("--model", NAME, "--dataset", "digits", "model.weights=none.pth")
    assert done.code == 2
    assert "There is no file of weights none.pth" in done.err


def test_there_is_one_place_to_start_from(file):
    with pytest.raises(ConfigError, match="set one of them"):
        registry.create_model(NAME, weights="a.pth", pretrained=True)


def test_an_architecture_without_weights_says_so(data):
    name = next(row for row in timm.list_models() if not timm.get_pretrained_cfg(row).has_weights)
    with pytest.raises(RequestError, match="timm has no pretrained weights of"):
        registry.create_model(name, pretrained=True, data=data())


def test_weights_that_are_not_there_are_refused_with_those_that_are(fw):
    done = fw("train", "--model", "resnet18", "model.pretrained=a1_in2k", "--dry-run")
    assert done.code == 2
    assert "There is no set of weights of resnet18 named 'a1_in2k'" in done.err
    assert "a1_in1k" in done.err
    assert "fw info model resnet18" in done.err


class Hub(ThreadingHTTPServer):
    """What a hub answers for the weights of one architecture."""

    def __init__(self, path, content):
        super().__init__(("127.0.0.1", 0), Answers)
        self.path = path
        self.content = content
        self.asked = []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.server.asked.append(self.path)
        found = self.path == self.server.path
        self.send_response(200 if found else 404)
        if found:
            self.send_header("ETag", f'"{hashlib.sha256(self.server.content).hexdigest()}"')
            self.send_header("X-Repo-Commit", "0" * 40)
        else:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("Content-Length", str(len(self.server.content) if found else 0))
        self.end_headers()

    def do_GET(self):
        self.do_HEAD()
        if self.path == self.server.path:
            self.wfile.write(self.server.content)

    def log_message(self, format, *arguments):
        pass


@pytest.fixture
def hub(file):
    content = Path(file(trained())).read_bytes()
    server = Hub(f"/timm/{NAME}.r160_in1k/resolve/main/model.safetensors", content)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.drawn
def test_weights_are_downloaded_by_name_and_then_kept(hub, fw_process, tmp_path):
    place = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_DISABLE_XET": "1"}
    words = ("train", "--model", NAME, "--dataset", "digits", "--dry-run")
    done = fw_process(*words, "model.pretrained=true", **place)
    assert done.code == 0, done.err
    assert f"weights   of {NAME}, from the cache or downloaded" in done.err
    assert hub.path in hub.asked
    again = fw_process(*words, "model.pretrained=r160_in1k", **place, HF_HUB_OFFLINE="1")
    assert again.code == 0, again.err


AWAY = [{"HF_HUB_OFFLINE": "1"}, pytest.param({"HF_ENDPOINT": "http://127.0.0.1:9"}, marks=pytest.mark.thorough)]
"""The hub's library tries again for most of a minute, unless it is told that there is no network."""


@pytest.mark.drawn
@pytest.mark.parametrize("away", AWAY, ids=["switched off", "nobody answers"])
def test_a_network_that_is_away_is_told(away, fw_process, tmp_path, project):
    place = {**away, "HF_HOME": str(tmp_path / "hub")}
    done = fw_process("train", "--model", NAME, "--dataset", "digits", "model.pretrained=true", **place)
    assert (done.code, done.out) == (2, "")
    assert f"The pretrained weights of {NAME} could not be downloaded" in done.err
    assert "model.weights=FILE" in done.err
    assert "Traceback" not in done.err
    assert not (project / "runs").exists()
