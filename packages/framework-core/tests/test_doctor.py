"""The command ``fw doctor`` in environments that are really broken."""

import contextlib
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from framework_core.doctor.environment import OWN
from framework_core.doctor.examination import CHECKS

pytestmark = pytest.mark.drawn

SOURCE = Path(__file__).parents[1] / "src"


@pytest.fixture
def found(fresh, monkeypatch):
    """What ``fw doctor`` finds, in a process of its own; and its exit code."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)

    def run(*words, **options):
        done = fresh("doctor", "--json", *words, **options)
        assert done.code in (0, 1), done.err
        assert "Traceback" not in done.err
        findings = done.json
        assert done.code == int(any(each["state"] == "problem" for each in findings))
        assert all(bool(each["mend"]) == (each["state"] != "ok") for each in findings), findings
        return findings

    return run


def wrong(findings):
    return [(each["state"], each["detail"], each["mend"]) for each in findings if each["state"] != "ok"]


def only(findings):
    (one,) = wrong(findings)
    return one


@pytest.fixture
def pretend(tmp_path):
    """Distributions on a path of their own, which goes before what is installed."""
    site = tmp_path / "pretend"

    def make(name, version, *, requires=(), code=None):
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
        if code is not None:
            (site / f"{name}.py").write_text(code)
        return site

    return make


@pytest.mark.long
def test_a_sound_environment_is_fine_and_every_check_has_something_to_say(found):
    findings = found()
    assert {each["check"] for each in findings} == set(CHECKS)
    assert [each for each in findings if each["state"] == "problem"] == []


def test_what_is_wrong_comes_first_with_what_mends_it_below(fresh, project):
    (project / "mlflow.db").write_text("no database")
    done = fresh("doctor", "tracking", "environment")
    lines = done.out.splitlines()
    assert done.code == 1
    assert lines[0].split()[:2] == ["problem", "tracking"]
    assert lines[1].split()[:2] == ["mend:", "mv"]
    assert lines[-1].split()[:2] == ["ok", "environment"]
    assert done.err.strip() == "1 problem, no warnings, 1 fine"


def test_a_warning_alone_is_no_failure(fresh, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    done = fresh("doctor", "environment")
    assert done.code == 0
    assert done.out.splitlines() == [
        "warning  environment  OMP_NUM_THREADS='many' is no number of threads",
        "                      mend: unset OMP_NUM_THREADS",
    ]


def test_a_check_that_is_none_is_refused_with_the_nearest(fw):
    done = fw("doctor", "trackin")
    assert (done.code, done.out) == (2, "")
    assert "There is no check named 'trackin'." in done.err
    assert "tracking" in done.err.partition("\n")[2]


def test_the_help_names_every_check(fw, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert all(name in fw("doctor", "--help").out for name in CHECKS)


# Packages


@pytest.mark.parametrize(
    ("version", "said"),
    [("2.6.2", "GHSA-w37p-236h-pfx3"), ("2.6.3", "GHSA-w37p-236h-pfx3"), ("2.6.5", "CVE-2026-58659")],
)
def test_a_version_known_to_be_bad_is_a_problem(version, said, found, pretend):
    site = pretend("lightning", version)
    state, detail, mend = only(found("packages", path=[site]))
    assert state == "problem"
    assert detail.startswith(f"lightning {version} ")
    assert said in detail
    assert mend.endswith("pip install 'lightning>=2.6.6,<2.7'")


def test_a_version_out_of_the_range_that_core_asks_for_is_a_problem(found, pretend):
    findings = wrong(found("packages", path=[pretend("mlflow", "2.9.1")]))
    assert {state for state, _, _ in findings} == {"problem"}
    ((_, detail, mend),) = [each for each in findings if "framework-core" in each[1]]
    assert re.fullmatch(r"mlflow 2.9.1 is installed, and framework-core \S+ needs mlflow<4,>=3.10", detail)
    assert mend.endswith("pip install 'mlflow<4,>=3.10'")


def test_a_version_that_only_a_dependency_does_not_like_is_a_warning(found, pretend):
    findings = wrong(found("packages", path=[pretend("alembic", "9.0")]))
    assert {state for state, _, _ in findings} == {"warning"}
    assert all(detail.startswith("alembic 9.0 is installed, and mlflow") for _, detail, _ in findings)


def test_what_a_plugin_needs_and_is_not_installed_is_a_problem(found, install, pretend):
    site = install("zoo-dist", {"zoo_plugin": ""}, {"framework.plugins": {"zoo": "zoo_plugin"}})
    metadata = site / "zoo_dist-1.2.3.dist-info" / "METADATA"
    metadata.write_text(
        metadata.read_text() + "Requires-Dist: not-there-at-all>=2\nRequires-Dist: tame; extra == 'x'\n"
    )
    state, detail, mend = only(found("packages", path=[site]))
    assert (state, detail) == (
        "problem",
        "not-there-at-all is not installed, and zoo-dist 1.2.3 needs not-there-at-all>=2",
    )
    assert mend.endswith("pip install 'not-there-at-all>=2'")


def test_a_package_that_is_there_twice_is_told(found, pretend):
    site = pretend("gnu", "1.0")
    pretend("gnu", "2.0")
    state, detail, mend = only(found("packages", path=[site]))
    assert (state, detail) == ("warning", f"gnu is in {site} in 2 versions: 1.0 and 2.0")
    assert mend.endswith("pip install --force-reinstall gnu")


def test_another_lightning_beside_lightning_is_told(found, pretend):
    state, detail, mend = only(found("packages", path=[pretend("pytorch-lightning", "1.9.5")]))
    assert state == "warning"
    assert detail.startswith("pytorch-lightning 1.9.5 stands beside lightning ")
    assert "pip install pytorch-lightning==" in mend


# torch and what is built for it

TORCH = """
class version:
    cuda, hip = {cuda!r}, None

class cuda:
    is_available = staticmethod(lambda: False)

class backends:
    class mps:
        is_available = staticmethod(lambda: False)
"""


@pytest.fixture
def with_torch(pretend, tmp_path):
    """Light stand-ins for torch and torchvision, because only one real pair is installed here."""

    def make(torch="9.1.0", torchvision="9.2.0", *, cuda=None, requires=(), code="", torch_code=""):
        site = pretend("torch", torch, code=torch_code or TORCH.format(cuda=cuda))
        pretend("torchvision", torchvision, requires=requires, code=code)
        return site

    return make


def about_torch(findings):
    """What is wrong, but for training itself, which needs the real torch."""
    return [each for each in wrong(findings) if "what trains cannot be imported" not in each[1]]


@pytest.mark.long
def test_a_torchvision_that_raises_at_import_is_a_problem_and_no_end(found, tmp_path):
    site = tmp_path / "broken"
    site.mkdir()
    (site / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    (first, *_) = wrong(found("torch", path=[site]))
    assert first[0] == "problem"
    assert re.match(
        r"importing torchvision \S+ beside torch \S+ failed: RuntimeError: operator torchvision::nms", first[1]
    )
    assert first[2].endswith("pip install -U torch torchvision")


@pytest.mark.long
def test_a_torchvision_that_crashes_the_process_is_a_problem_and_the_rest_goes_on(found, tmp_path):
    site = tmp_path / "broken"
    site.mkdir()
    (site / "torchvision.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    findings = found("torch", path=[site])
    assert "the process was ended by SIGSEGV" in wrong(findings)[0][1]
    assert any("GPU" in each["detail"] for each in findings)


def test_a_torch_that_fails_to_import_is_one_problem(found, with_torch):
    site = with_torch(torch_code="raise ImportError('libcudart.so.13: cannot open shared object file')")
    state, detail, mend = only(found("torch", path=[site]))
    assert state == "problem"
    assert detail == ("importing torch 9.1.0 failed: ImportError: libcudart.so.13: cannot open shared object file")
    assert mend.endswith("pip install --force-reinstall torch torchvision")


def test_a_torchvision_made_for_another_torch_is_a_problem(found, with_torch):
    ((state, detail, mend),) = about_torch(found("torch", path=[with_torch(requires=["torch==9.3.0"])]))
    assert (state, detail) == ("problem", "torchvision 9.2.0 is made for torch==9.3.0, and torch 9.1.0 is installed")
    assert mend.endswith("pip install -U torch torchvision")


def test_builds_for_different_devices_are_a_problem(found, with_torch):
    site = with_torch("9.1.0+cpu", "9.2.0+cu130", requires=["torch==9.1.0"])
    ((state, detail, mend),) = about_torch(found("torch", path=[site]))
    assert (state, detail) == ("problem", "torch 9.1.0+cpu is built for cpu, torchvision 9.2.0+cu130 for cu130")
    assert mend.endswith("pip install --force-reinstall torch torchvision")


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A driver's program that names a GPU, or fails."""

    def make(script):
        program = tmp_path / "bin" / "nvidia-smi"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    return make


@pytest.mark.parametrize(
    ("script", "cuda", "hidden", "said", "mend"),
    [
        (
            "echo NVIDIA H100",
            None,
            None,
            "NVIDIA H100 is there, and torch 9.1.0 is a build without CUDA",
            "force-reinst",
        ),
        ("echo NVIDIA H100", "13.0", "", "NVIDIA H100 is there, and hidden by CUDA_VISIBLE_DEVICES=''", "unset CUDA"),
        ("echo NVIDIA H100", "13.0", None, "NVIDIA H100 is there, and torch 9.1.0 cannot use it", "force-reinst"),
        (
            "echo Driver/library version mismatch; exit 18",
            "13.0",
            None,
            "nvidia-smi fails: Driver/library",
            "sudo reboot",
        ),
    ],
)
def test_a_gpu_that_torch_does_not_use_is_told(
    script, cuda, hidden, said, mend, found, with_torch, driver, monkeypatch
):
    driver(script)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if hidden is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    ((_, detail, shown),) = about_torch(found("torch", path=[with_torch(cuda=cuda)]))
    assert said in detail
    assert mend in shown


@pytest.mark.gpu
def test_a_gpu_that_computes_is_named(found):
    import torch

    findings = [each["detail"] for each in found("torch") if each["state"] == "ok"]
    assert any(detail.startswith(torch.cuda.get_device_name(0)) for detail in findings)


# Plugins


def test_a_broken_plugin_is_a_problem_with_its_cause(found, install):
    site = install("bad-dist", {"bad_plugin": "import not_there"}, {"framework.plugins": {"bad": "bad_plugin"}})
    state, detail, mend = only(found("plugins", path=[site]))
    assert state == "problem"
    assert detail == "bad of bad-dist 1.2.3 is broken, and left out: ModuleNotFoundError: No module named 'not_there'"
    assert mend.endswith("pip install -U bad-dist")
    assert wrong(found("plugins", "--without", "bad", path=[site])) == []


def test_a_plugin_that_ends_the_process_is_a_problem_and_no_end(found, install):
    code = "import os, signal; os.kill(os.getpid(), signal.SIGABRT)"
    site = install("bad-dist", {"bad_plugin": code}, {"framework.plugins": {"bad": "bad_plugin"}})
    state, detail, _ = only(found("plugins", "environment", path=[site]))
    assert state == "problem"
    assert "the process was ended by SIGABRT" in detail


OFFER = """
from framework_core import hookimpl
from framework_core.contracts import ModelSpec

@hookimpl
def register_components():
    yield ModelSpec(name="gnu", builder="{module}:Gnu", contract_version={contract})
"""


def test_a_name_offered_twice_is_told_with_the_way_to_choose(found, install):
    sites = [
        install(f"{name}-dist", {name: OFFER.format(module=name, contract=1)}, {"framework.plugins": {name: name}})
        for name in ("one", "two")
    ]
    state, detail, mend = only(found("plugins", path=sites))
    assert state == "warning"
    assert detail == "model gnu: offered by one-dist and two-dist, so the plain name is refused"
    assert mend == "fw train --model one-dist:gnu ..."


def test_a_plugin_for_a_newer_contract_is_told(found, install):
    site = install("new-dist", {"new": OFFER.format(module="new", contract=99)}, {"framework.plugins": {"new": "new"}})
    state, detail, mend = only(found("plugins", path=[site]))
    assert state == "warning"
    assert detail == "new-dist was written for contract 99; this framework-core knows contract 1"
    assert mend.endswith("pip install -U framework-core")


def test_leaving_out_a_plugin_that_is_none_is_told(found, monkeypatch):
    monkeypatch.setenv("FRAMEWORK_WITHOUT_PLUGINS", "cor")
    _, detail, mend = only(found("plugins"))
    assert detail == "'cor' is left out, and no plugin is called so; did you mean core?"
    assert mend == "export FRAMEWORK_WITHOUT_PLUGINS=core"


# Folders and the machine


def without_power_over_files():
    """Let a process of root be stopped by permissions as anybody's is."""
    import ctypes

    drop_from_bounding_set, power_over_files = 24, 1
    if ctypes.CDLL(None).prctl(drop_from_bounding_set, power_over_files, 0, 0, 0):
        raise OSError("prctl")


@pytest.fixture
def locked(project):
    """A folder that can be read and not written, and how to start a process that is stopped by that."""
    folder = project / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    yield folder, {"preexec_fn": without_power_over_files} if os.getuid() == 0 else {}
    folder.chmod(0o755)


def test_a_working_directory_that_is_read_only_is_a_problem(locked, found):
    folder, limited = locked
    findings = wrong(found("folders", "tracking", cwd=folder, **limited))
    said = {detail: (state, mend) for state, detail, mend in findings}
    assert said[f"working directory {folder}: cannot be written: Permission denied"] == (
        "problem",
        f"chmod u+w {folder}",
    )
    assert said[f"folder of runs {folder}: cannot be written: Permission denied"][0] == "problem"
    assert any("mlflow.db" in detail and state == "problem" for state, detail, _ in findings)
    assert list(folder.iterdir()) == []


def test_a_folder_of_runs_elsewhere_is_looked_at(found, project):
    (project / "runs").write_text("a file")
    assert only(found("folders"))[1] == f"folder of runs {project}/runs: is a file, not a folder"
    assert wrong(found("folders", "--output-dir", "others")) == []
    assert {path.name for path in project.iterdir()} == {"runs"}


def test_a_cache_that_cannot_be_written_is_a_warning(locked, found, monkeypatch):
    folder, limited = locked
    monkeypatch.setenv("FRAMEWORK_CACHE", str(folder / "cache"))
    state, detail, _ = only(found("folders", **limited))
    assert (state, detail) == ("warning", f"cache {folder}: cannot be written: Permission denied")


def test_a_folder_that_is_no_place_for_files_is_a_problem(found):
    assert only(found("folders", "--output-dir", "/proc/runs"))[:2] == (
        "problem",
        "folder of runs /proc: cannot be written: No such file or directory",
    )


SMALL = """
mount -t tmpfs -o size=1m tmpfs small && mount -t tmpfs -o size=64m tmpfs /dev/shm || exit 99
exec "$@"
"""


def test_a_small_disk_and_a_small_shared_memory_are_told(project):
    (project / "small").mkdir()
    doctor = [sys.executable, "-m", "framework_core", "doctor", "folders", "machine", "--output-dir", "small/runs"]
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", SMALL, "sh", *doctor], capture_output=True, text=True
    )
    if done.returncode not in (0, 1) or "unshare" in done.stderr:
        pytest.skip("no file system may be mounted here")
    assert re.search(r"problem +folders +0.0 of 0.0 GiB are free where the folder of runs is: \S+/small\n", done.stdout)
    assert re.search(r"warning +machine +/dev/shm has 64 MiB; loading workers ", done.stdout)
    assert "mend: fw train dataset.num_workers=0 ..." in done.stdout
    assert done.returncode == 1


def test_few_open_files_are_told(found):
    import resource

    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

    state, detail, mend = only(found("machine", preexec_fn=few))
    assert (state, mend) == ("warning", "ulimit -n 4096")
    assert detail.startswith("256 files may be open at once")


# The environment


@pytest.mark.parametrize(
    ("name", "value", "said", "mend"),
    [
        ("OMP_NUM_THREADS", "0", "OMP_NUM_THREADS='0' is no number of threads", "unset OMP_NUM_THREADS"),
        ("OMP_NUM_THREADS", "4000", "OMP_NUM_THREADS=4000, and there ", "unset OMP_NUM_THREADS"),
        ("PYTHONDONTWRITEBYTECODE", "1", "compile every module anew", "unset PYTHONDONTWRITEBYTECODE"),
        (
            "FRAMEWORK_CAHCE",
            "/a b",
            "FRAMEWORK_CAHCE is set, and nothing reads it; did you mean FRAMEWORK_CACHE?",
            "export FRAMEWORK_CACHE='/a b'; unset FRAMEWORK_CAHCE",
        ),
        ("FRAMEWORK_RUN_DIRECTORY", "/x", "it is for processes that a run starts", "unset FRAMEWORK_RUN_DIRECTORY"),
    ],
)
def test_a_variable_in_the_way_is_told(name, value, said, mend, found, monkeypatch):
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv(name, value)
    state, detail, shown = only(found("environment"))
    assert (state, shown) == ("warning", mend)
    assert said in detail


def test_every_variable_of_the_framework_is_known():
    text = "".join(path.read_text("utf-8") for path in SOURCE.rglob("*.py"))
    assert set(re.findall(r'"(FRAMEWORK_[A-Z_]*[A-Z])"', text)) == set(OWN)


# The tracking store


def test_a_store_that_is_there_is_fine_and_left_as_it_is(found, project, empty_store):
    shutil.copy(empty_store, project)
    (one,) = found("tracking")
    assert (one["state"], one["detail"]) == ("ok", "sqlite:///mlflow.db can be written; it holds 0 runs")
    assert (project / "mlflow.db").read_bytes() == empty_store.read_bytes()
    assert [path.name for path in project.iterdir()] == ["mlflow.db"]


def test_a_store_that_is_not_there_is_not_made(found, project):
    (one,) = found("tracking")
    assert (one["state"], one["detail"]) == ("ok", "sqlite:///mlflow.db is made by the first run")
    assert list(project.iterdir()) == []


def test_a_file_that_is_no_database_is_a_problem(found, project):
    (project / "mlflow.db").write_text("no database")
    state, detail, mend = only(found("tracking"))
    assert state == "problem"
    assert detail.endswith("the file is no SQLite database.")
    subprocess.run(["sh", "-c", mend], check=True)
    assert wrong(found("tracking")) == []


def test_a_damaged_database_is_a_problem(found, project, empty_store):
    content = bytearray(empty_store.read_bytes())
    content[100:] = b"\xff" * (len(content) - 100)
    (project / "mlflow.db").write_bytes(content)
    state, detail, _ = only(found("tracking"))
    assert state == "problem"
    assert "is damaged" in detail


def test_a_locked_store_is_a_problem(found, project, empty_store):
    shutil.copy(empty_store, project)
    with contextlib.closing(sqlite3.connect("mlflow.db", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        state, detail, mend = only(found("tracking"))
    assert (state, detail) == ("problem", "sqlite:///mlflow.db has been locked by another process for 3 s")
    assert mend.startswith("fuser -v ")


def schema_of(path, revision=""):
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        if revision:
            connection.execute("UPDATE alembic_version SET version_num = ?", [revision])
        return connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]


def test_a_store_of_another_mlflow_is_a_problem(found, project, empty_store):
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config

    shutil.copy(empty_store, project)
    scripts = ScriptDirectory.from_config(_get_alembic_config("sqlite:///"))
    assert scripts.get_current_head() == schema_of("mlflow.db")
    schema_of("mlflow.db", scripts.get_revision("head").down_revision)
    state, detail, mend = only(found("tracking"))
    assert state == "problem"
    assert "was made by an older MLflow" in detail
    assert mend == f"mlflow db upgrade sqlite:///{project}/mlflow.db"
    schema_of("mlflow.db", "0123456789ab")
    state, detail, mend = only(found("tracking"))
    assert state == "problem"
    assert "was made by a newer MLflow" in detail
    assert mend.endswith("pip install -U mlflow")


class Answers(BaseHTTPRequestHandler):
    """A server that answers as it was told, and notes what it was sent."""

    def do_GET(self):
        self._answer("3.17.0")

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer("{}")

    def _answer(self, text):
        self.server.sent.append(self.headers.get("Authorization"))
        code = self.server.codes.get(self.path, 200)
        self.send_response(code)
        self.end_headers()
        self.wfile.write(self.server.said.get(self.path, text).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    """A server on a port of its own."""
    servers = []

    def start(codes=(), said=()):
        server = HTTPServer(("127.0.0.1", 0), Answers)
        server.codes, server.said, server.sent = dict(codes), dict(said), []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


SEARCH = "/api/2.0/mlflow/experiments/search"


def test_a_server_that_answers_is_fine_and_is_sent_the_credentials_that_are_never_shown(serve, fresh, monkeypatch):
    server = serve()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:s3cret@127.0.0.1:{server.server_port}")
    done = fresh("doctor", "tracking")
    assert done.code == 0, done.out
    assert f"http://127.0.0.1:{server.server_port} answers: MLflow 3.17.0" in done.out
    assert server.sent == ["Basic bWU6czNjcmV0"] * 2
    assert "s3cret" not in done.out + done.err


@pytest.mark.parametrize(
    ("codes", "said", "state", "told", "mend"),
    [
        ({SEARCH: 401}, {}, "problem", "refuses this user and password (401)", "export MLFLOW_TRACKING_USERNAME="),
        ({"/version": 404}, {}, "problem", "is no MLflow server: it answers with 404", "mlops.tracking.uri=URI"),
        ({SEARCH: 500}, {}, "problem", "it answers with 500", "mlops.tracking.uri=URI"),
        ({}, {"/version": "2.22.1"}, "warning", "runs MLflow 2.22.1, and 3.", "pip install mlflow==2.22.1"),
    ],
)
def test_a_server_that_is_of_no_use_is_told(codes, said, state, told, mend, serve, found):
    server = serve(codes, said)
    found_state, detail, shown = only(found("tracking", "--uri", f"http://127.0.0.1:{server.server_port}"))
    assert found_state == state
    assert told in detail
    assert mend in shown


def test_a_server_that_accepts_and_never_answers_is_told_in_seconds(found):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        start = time.monotonic()
        uri = f"http://me:s3cret@127.0.0.1:{silent.getsockname()[1]}"
        state, detail, _ = only(found("tracking", "--uri", uri))
    assert (state, detail) == ("problem", f"{uri.replace('me:s3cret@', '')} does not answer: no answer within 5 s")
    assert time.monotonic() - start < 20


def test_a_server_that_is_away_behind_a_proxy_is_told_with_the_proxy(found, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://me:s3cret@127.0.0.1:9")
    state, detail, mend = only(found("tracking", "--uri", "http://tracking.example:5000"))
    assert state == "problem"
    assert "http://tracking.example:5000 does not answer through the proxy http://127.0.0.1:9: " in detail
    assert mend == "export no_proxy=tracking.example"


@pytest.mark.long
def test_a_store_that_no_package_knows_is_told_without_its_password(found):
    state, detail, _ = only(found("tracking", "--uri", "gnus://me:s3cret@localhost"))
    assert state == "problem"
    assert "no installed package offers MLflow a store for gnus://" in detail
    assert "s3cret" not in detail


def test_a_folder_of_files_is_told(found, project):
    state, detail, mend = only(found("tracking", "--uri", str(project / "mlruns")))
    assert state == "warning"
    assert "is a folder of files" in detail
    assert mend.startswith("unset MLFLOW_TRACKING_URI")


@pytest.mark.cold
@pytest.mark.long
def test_the_command_imports_nothing_heavy_itself(install, fresh):
    shown = (
        "import atexit, os, sys\n"
        "if '-c' not in sys.argv[:1]:\n"
        "    atexit.register(lambda: print('imported:', *sys.modules, file=sys.stderr))\n"
    )
    site = install("shown-dist", {"sitecustomize": shown}, {})
    done = fresh("doctor", path=[site])
    imported = set(done.err.rpartition("imported:")[2].split())
    assert "framework_core.doctor.examination" in imported
    assert not imported & {"torch", "lightning", "mlflow", "numpy", "torchvision"}
