"""What is secret is used and never shown: twenty are planted, and everything that a run wrote is searched for them."""

import json
from urllib.parse import quote

import pytest
import yaml

from framework_core import secrets

TOKENS = [f"planted-{number:02d}-{'xK7/+ä' if number % 2 else 'q9'}-secret" for number in range(20)]

MINE = '''
import logging
import warnings

from components import Iris, Net
from pydantic import SecretStr


class Gate(Net):
    """A model that has secrets, and is careless with them."""

    def __init__(
        self, token: SecretStr | None = None, key: str = "", keys: tuple[str, ...] = (), fail: bool = False, **kwargs
    ):
        super().__init__(**kwargs)
        self.save_hyperparameters("key", "keys")
        self.token, self.key, self.fail = token.get_secret_value() if token else "", key, fail
        print("printed", self.token, self.key)
        logging.getLogger("mine").warning("logged %s %s", self.token, self.key)
        warnings.warn(f"warned {self.token} {self.key}", stacklevel=1)

    def training_step(self, batch, batch_idx):
        if self.fail:
            raise ValueError(f"refused: {self.token} {self.key}")
        return super().training_step(batch, batch_idx)


class Vault(Iris):
    """Data behind a password."""

    def __init__(self, password: str = "", **kwargs):
        super().__init__(**kwargs)
        self.password = password

    def data_spec(self):
        return super().data_spec().model_copy(update={"source": f"https://user:{self.password}@host/iris"})
'''


@pytest.fixture
def vault(project, components, monkeypatch):
    """A careless model, and secrets in the environment."""
    (project / "components.py").write_text((project / components).read_text())
    (project / "vault.py").write_text(MINE)
    for number, token in enumerate(TOKENS):
        monkeypatch.setenv(f"S{number}", token)
    return project


def words(**more):
    settings = {
        "model": "vault.py:Gate",
        "dataset": "vault.py:Vault",
        "trainer.max_epochs": "1",
        "trainer.accelerator": "cpu",
        "model.token": "${oc.env:S0}",
        "model.key": "${oc.env:S1}",
        "model.keys": "[${oc.env:S2},'${secret:S3}']",
        "dataset.password": "${secret:S4}",
        "experiment.description": "'a ${oc.env:S5} and ${oc.env:S6}'",
        "experiment.tags.one": "${oc.env:S7}",
        "experiment.tags.two": "${experiment.tags.one}",
        "experiment.tags.three": "'${oc.env:S8}/${secret:S9}'",
        **{f"experiment.tags.t{number}": f"${{oc.env:S{number}}}" for number in range(10, 20)},
        **more,
    }
    return [f"{key}={value}" for key, value in settings.items()]


def written(folder):
    """Every file under a folder, with its content."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def found_in(content):
    """The planted secrets that stand in some text, however they are written there."""
    forms = {
        token: {token.encode(), json.dumps(token)[1:-1].encode(), quote(token, safe="").encode()} for token in TOKENS
    }
    return [token for token, spelt in forms.items() if any(form in content for form in spelt)]


@pytest.mark.drawn
@pytest.mark.long
def test_nothing_that_a_run_wrote_or_said_has_a_secret(vault, fresh):
    done = fresh("train", *words(), "model.fail=false", "--json")
    assert done.code == 0, done.err
    assert "printed ${oc.env:S0} ${oc.env:S1}" in done.out
    for said in ("logged", "warned"):
        assert f"{said} ${{oc.env:S0}} ${{oc.env:S1}}" in done.err
    assert found_in((done.out + done.err).encode()) == []
    files = {path: content for path, content in written(vault).items() if path.suffix != ".pyc"}
    assert {path: leaks for path, content in files.items() if (leaks := found_in(content))} == {}
    assert any(path.name == "mlflow.db" for path in files)
    assert any(path.name == "state.pt" for path in files)
    (config,) = (yaml.safe_load(path.read_text()) for path in vault.glob("runs/*/config.yaml"))
    assert config["model"]["token"] == "${oc.env:S0}"
    assert config["model"]["keys"] == ["${oc.env:S2}", "${secret:S3}"]
    assert config["experiment"]["tags"]["two"] == "${experiment.tags.one}"


@pytest.mark.drawn
@pytest.mark.long
def test_what_was_written_repeats_the_run(vault, fresh):
    assert fresh("train", *words()).code == 0
    (config,) = vault.glob("runs/*/config.yaml")
    again = fresh("train", "--config", config, "--json")
    assert again.code == 0, again.err
    assert "printed ${oc.env:S0}" in again.out


@pytest.mark.drawn
@pytest.mark.long
def test_an_error_nobody_expected_has_no_secret(vault, fresh):
    done = fresh("train", *words(), "model.fail=true")
    assert done.code == 1
    assert "ValueError: refused: ${oc.env:S0} ${oc.env:S1}" in done.err
    assert found_in((done.out + done.err).encode()) == []


def test_a_setting_that_is_not_allowed_is_shown_as_it_was_written(vault, fw):
    done = fw("--debug", "config", "validate", *words(**{"trainer.max_epochs": "${oc.env:S19}"}))
    assert done.code == 2
    assert "trainer.max_epochs: must be a whole number (given: '${oc.env:S19}')." in done.err
    assert found_in((done.out + done.err).encode()) == []


def test_settings_are_shown_as_they_were_written(vault, fw):
    done = fw("config", "show", *words())
    assert yaml.safe_load(done.out)["model"]["token"] == "${oc.env:S0}"
    assert found_in(done.out.encode()) == []
    assert found_in(fw("config", "show", *words(), "--json").out.encode()) == []


@pytest.mark.drawn
def test_a_secret_given_as_text_is_saved_as_one_to_be_given_again(vault, fw, monkeypatch):
    shown = fw("config", "show", *words(**{"model.token": "typed-by-hand"}))
    assert yaml.safe_load(shown.out)["model"]["token"] == "${secret:model.token}"
    (vault / "saved.yaml").write_text(shown.out)
    refused = fw("config", "validate", "--config", "saved.yaml")
    assert refused.code == 2
    assert "model.token: the secret is not saved; give it again, or set the variable MODEL_TOKEN." in refused.err
    assert fw("config", "validate", "--config", "saved.yaml", "model.token=typed-by-hand").code == 0
    monkeypatch.setenv("MODEL_TOKEN", "typed-by-hand")
    assert fw("config", "validate", "--config", "saved.yaml").code == 0


def test_a_variable_that_is_not_set_is_named(vault, fw):
    done = fw("config", "validate", *words(**{"model.key": "${oc.env:S77}"}))
    assert done.code == 2
    assert "model.key: the environment variable S77 is not set." in done.err


def test_the_password_in_an_address_is_a_secret(vault, fw):
    done = fw("--debug", "train", *words(**{"mlops.tracking.uri": f"http://me:{TOKENS[0]}@127.0.0.1:9"}))
    assert done.code == 2
    assert found_in((done.out + done.err).encode()) == []


def test_a_file_of_the_container_is_a_secret_too(tmp_path, monkeypatch):
    (tmp_path / "HUB_TOKEN").write_text("from-a-file\n")
    monkeypatch.setattr(secrets, "FILES", str(tmp_path))
    assert secrets.secret("HUB_TOKEN") == "from-a-file"
    with pytest.raises(KeyError, match="HUB_TOKENS"):
        secrets.secret("hub.tokens")


def test_words_that_stand_everywhere_are_not_hidden():
    secrets.remember("15", "${oc.env:EPOCHS}")
    secrets.remember("a longer one", "${oc.env:LONG}")
    assert secrets.conceal("15 epochs, a longer one") == "15 epochs, ${oc.env:LONG}"
    secrets.forget()
