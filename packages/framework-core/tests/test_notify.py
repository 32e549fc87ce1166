"""Messages about runs and registered models, to a real server that takes them, refuses them or never answers."""

import importlib
import json
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from framework_core.notify.deliveries import Deliveries
from framework_core.notify.webhook import DeliveryError, send
from framework_core.plugins.registry import registry

SECRET = "T0planted/B0secret/xoxq"

FAILS = """
from mine import Net

class Fails(Net):
    def validation_step(self, batch, batch_idx):
        raise ValueError("the <sensor> is broken\\nand more")
"""


class Hook:
    """A webhook, and what it was told."""

    def __init__(self):
        self.texts, self.status, self.stalled, self.elsewhere = [], 200, threading.Event(), []
        self.stalled.set()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.stalled.wait(20)
                (hook.texts if SECRET in self.path else hook.elsewhere).append(body["text"])
                self.send_response(hook.status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            do_GET = do_POST  # noqa: N815

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/services/{SECRET}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


@pytest.fixture
def hook():
    made = Hook()
    yield made
    made.stalled.set()
    made.server.shutdown()
    made.server.server_close()


def left_by(project):
    """Everything that a run wrote."""
    return b"".join(file.read_bytes() for file in project.rglob("*") if file.is_file())


def test_a_run_tells_how_it_began_went_and_ended_and_its_address_stands_nowhere(hook, train, project):
    done = train(
        f"notify.webhook={hook.url}",
        "notify.events=[started,epoch,reached,finished,failed]",
        "notify.reached=['val/accuracy>=0','val/loss<0']",
        "experiment.run_name='<!channel> & co'",
        "--json",
    )
    assert done.code == 0, done.err
    begun, first, reached, second, ended = hook.texts
    assert begun.startswith("*&lt;!channel&gt; &amp; co* has started: mine.py:Net on mine.py:Iris")
    assert "*, epoch 1: val/loss " in first
    assert "*, epoch 2: val/loss " in second
    assert "has reached val/accuracy&gt;=0 in epoch 1" in reached
    assert "has finished after 0:0" in ended
    assert f"test/accuracy {done.json['metrics']['test/accuracy']:.4f}" in ended
    assert SECRET not in done.out + done.err
    assert SECRET.encode() not in left_by(project)
    (settings,) = project.glob("runs/*/config.yaml")
    assert yaml.safe_load(settings.read_text())["notify"]["webhook"] is None


def test_a_run_that_fails_says_why(hook, fw, components, project):
    (project / "fails.py").write_text(FAILS)
    words = (f"notify.webhook={hook.url}", "preflight=false", "mlops.tracking.backend=none", "trainer.accelerator=cpu")
    done = fw("train", "--model", "fails.py:Fails", "--dataset", f"{components}:Iris", *words)
    assert done.code == 1
    (text,) = hook.texts
    assert "has failed after" in text
    assert text.endswith("\nValueError: the &lt;sensor&gt; is broken")


@pytest.mark.ddp
@pytest.mark.drawn
def test_of_several_processes_the_first_tells(hook, fresh, components):
    words = ("distributed.enabled=true", "distributed.devices=2", "strategy=ddp", "trainer.accelerator=cpu")
    quick = ("trainer.max_epochs=1", "mlops.tracking.backend=none", "mlops.report=false", "preflight=false")
    chosen = ("--model", f"{components}:Net", "--dataset", f"{components}:Iris", f"notify.webhook={hook.url}")
    done = fresh("train", *chosen, "notify.events=[started,epoch,finished]", *words, *quick)
    assert done.code == 0, done.err
    assert ["started" in text or "epoch 1" in text or "finished" in text for text in hook.texts] == [True] * 3


def test_a_webhook_that_refuses_everything_costs_a_run_one_warning(hook, train):
    hook.status = 500
    words = (f"notify.webhook={hook.url}", "notify.events=[started,epoch,finished]", "mlops.tracking.backend=none")
    done = train(*words)
    assert done.code == 0
    assert done.err.count("not taken") == 1
    assert "A message was not taken by the webhook of notify.webhook: it answered 500" in done.err


def test_nobody_waits_for_a_server_that_does_not_answer(hook, caplog):
    hook.stalled.clear()
    deliveries = Deliveries(hook.url, seconds=0.3)
    began = time.monotonic()
    for number in range(100):
        deliveries.tell(f"{number}")
    assert time.monotonic() - began < 0.2
    deliveries.wait()
    assert time.monotonic() - began < 2
    assert [each.levelno for each in caplog.records] == [logging.WARNING]
    assert "within 0.3 seconds" in caplog.text
    assert SECRET not in caplog.text


def test_the_address_is_not_followed_elsewhere(hook):
    hook.status = 302
    with pytest.raises(DeliveryError, match="it answered 302"):
        send(hook.url, "a secret matter", seconds=5)
    assert hook.elsewhere == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/planted", "http://no-such-host.invalid/planted"])
def test_a_server_that_is_not_there_is_said_without_its_address(url):
    with pytest.raises(DeliveryError) as error:
        send(url, "hello", seconds=2)
    assert "planted" not in str(error.value)
    assert "invalid" not in str(error.value)
    assert error.value.__cause__ is None


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("notify.webhook=ftp://planted/secret", "notify.webhook"),
        ("notify.events=[finised]", "finised"),
        ("notify.reached=['accuracy good']", "is no condition: METRIC>=NUMBER"),
    ],
)
def test_what_cannot_be_told_is_refused(train, word, told):
    done = train(word, "mlops.tracking.backend=none")
    assert done.code == 2
    assert told in done.err
    assert "planted" not in done.err


def test_the_registry_tells_the_webhook_of_the_project_and_plugins(hook, install, fw, trained_in, monkeypatch):
    code = (
        "from framework_core import hookimpl\nmoves = []\n@hookimpl\ndef version_moved(move):\n    moves.append(move)\n"
    )
    install("moves-dist", {"moves_plugin": code}, {"framework.plugins": {"moves": "moves_plugin"}})
    folder = trained_in("notified", {"lily": ["trainer.max_epochs=1", "mlops.report=false"]})
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOOK", hook.url)
    (folder / "config.yaml").write_text("notify:\n  webhook: ${oc.env:HOOK}\n  events: [registered, promoted]\n")
    assert fw("registry", "register", "lily", "flowers").code == 0
    done = fw("registry", "promote", "flowers", "1", "staging", "--why", "a <good> one")
    assert done.code == 0
    assert fw("registry", "demote", "flowers", "1").code == 0
    assert [text.partition(", by")[0] for text in hook.texts] == [
        "*flowers/1* was registered to dev",
        "*flowers/1* was promoted from dev to staging",
    ]
    assert hook.texts[1].endswith("\na &lt;good&gt; one")
    heard = importlib.import_module("moves_plugin").moves
    assert [(move.action, move.to_stage) for move in heard] == [
        ("register", "dev"),
        ("promote", "staging"),
        ("demote", "dev"),
    ]
    monkeypatch.delenv("HOOK")
    assert fw("registry", "promote", "flowers", "1", "staging").code == 0


def test_a_hook_that_fails_at_every_epoch_costs_one_warning(install, caplog):
    code = "from framework_core import hookimpl\n@hookimpl\ndef epoch_ended(epoch):\n    1 / 0\n"
    install("bad-dist", {"bad_plugin": code}, {"framework.plugins": {"bad": "bad_plugin"}})
    for epoch in range(3):
        registry.plugins.announce("epoch_ended", run=_Nothing(), epoch=epoch, metrics={})
    assert caplog.text.count("Plugin 'bad' failed in epoch_ended: ZeroDivisionError") == 1


class _Nothing:
    directory = None
