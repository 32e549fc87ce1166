"""A version is promoted by evidence: what a policy asks for is looked at, and a refusal says the numbers."""

import json
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from framework_core import model_registry
from framework_core.errors import PromotionRefusedError
from framework_core.model_registry.paired import paired_difference

pytestmark = pytest.mark.drawn("file")

GOOD = ("optimizer.lr=0.05", "trainer.max_epochs=10")
RUNS = {
    "poor": ("trainer.max_epochs=1",),
    "good": GOOD,
    "lucky": (*GOOD, "seed=7"),
    "others": (*GOOD, "dataset.held_out=4"),
}
"""Runs by their names: one that has hardly learnt, two that differ in their seed, one with other samples held out."""


@pytest.fixture(scope="module")
def trained(trained_in):
    """A folder with those runs, and their models in a store as versions 1 to 4 of ``net``."""
    folder = trained_in("gates", RUNS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in RUNS:
            model_registry.register(name, "net")
    return folder


@pytest.fixture
def client(trained, same_again):
    """A store of a test's own with those versions; the files are shared."""
    return MlflowClient(same_again(trained / "mlflow.db"))


POOR, FIRST, OTHER_SEED, OTHER_SAMPLES = 1, 2, 3, 4


@pytest.fixture
def policy(project):
    def write(**needs):
        (project / "registry.yaml").write_text(yaml.safe_dump({"stages": {"production": needs}}))

    return write


def accuracy(client, version):
    run = client.get_run(client.get_model_version("net", str(version)).run_id)
    return run.data.metrics["test/accuracy"]


def test_a_metric_that_is_too_low_is_refused_with_its_number(fw, client, policy):
    policy(metrics={"test/accuracy": {"min": 0.8}})
    done = fw("registry", "promote", "net", POOR, "production")
    assert (done.code, done.out) == (1, "")
    value = f"{accuracy(client, POOR):.6g}"
    assert "net/1 is not promoted to production; 1 of 1 gates refuses it" in done.err
    assert f"metrics.test/accuracy: it is {value}, at least 0.8" in done.err
    assert model_registry.model("net").stages == {"dev": 4}
    assert fw("registry", "promote", "net", FIRST, "production").code == 0


def test_a_metric_that_the_run_does_not_have_is_refused_with_what_it_may_have_meant(fw, client, policy):
    policy(metrics={"test/acuracy": {"min": 0.1}})
    done = fw("registry", "promote", "net", FIRST, "production")
    assert "the run has no metric 'test/acuracy'; near it: test/accuracy" in done.err


def test_a_real_improvement_passes_and_what_was_compared_is_remembered(fw, client, policy):
    policy(better=[{"metric": "test/accuracy", "best": "max"}, {"metric": "test/loss", "best": "min"}])
    assert fw("registry", "promote", "net", POOR, "production").code == 0
    record = fw("registry", "promote", "net", FIRST, "production", "--json").json
    gates = {each["gate"]: each for each in record["evidence"]["gates"]}
    assert set(gates) == {"better.test/accuracy", "better.test/loss"}
    numbers = gates["better.test/accuracy"]["numbers"]
    assert numbers["candidate"] == accuracy(client, FIRST)
    assert numbers["holder"] == accuracy(client, POOR)
    assert (numbers["holder_version"], numbers["samples"], numbers["draws"]) == (1, 30, 400)
    assert 0 < numbers["least"] < numbers["mean"] < 1
    assert not record["forced"]


def test_the_better_of_two_seeds_is_not_better_than_the_other(fw, client, policy):
    policy(better=[{"metric": "test/accuracy", "best": "max"}])
    lucky, other = sorted((FIRST, OTHER_SEED), key=lambda each: accuracy(client, each), reverse=True)
    assert fw("registry", "promote", "net", other, "production").code == 0
    done = fw("registry", "promote", "net", lucky, "production")
    assert done.code == 1
    assert f"better.test/accuracy: {accuracy(client, lucky):.4f} against {accuracy(client, other):.4f}" in done.err
    assert "95% sure of" in done.err


def test_what_may_be_a_little_worse_passes_where_that_is_sure(fw, client, policy):
    policy(better=[{"metric": "test/accuracy", "best": "max", "by": -0.5}])
    assert fw("registry", "promote", "net", FIRST, "production").code == 0
    assert fw("registry", "promote", "net", OTHER_SEED, "production").code == 0
    done = fw("registry", "promote", "net", POOR, "production")
    assert done.code == 1


def test_versions_that_were_tested_on_other_samples_are_not_compared(fw, client, policy):
    policy(better=[{"metric": "test/accuracy", "best": "max"}])
    assert fw("registry", "promote", "net", FIRST, "production").code == 0
    done = fw("registry", "promote", "net", OTHER_SAMPLES, "production")
    assert "net/4 and net/2 were not tested on the same samples" in done.err


def test_a_refused_version_is_promoted_with_a_reason_which_is_remembered(fw, client, policy):
    policy(metrics={"test/accuracy": {"min": 0.99}, "test/loss": {"max": 1000}})
    done = fw("registry", "promote", "net", POOR, "production", "--force")
    assert done.code == 2
    assert "not forced without a reason" in done.err
    record = fw(
        "registry", "promote", "net", POOR, "production", "--force", "--why", "for a demonstration", "--json"
    ).json
    assert (record["forced"], record["why"]) == (True, "for a demonstration")
    assert [each["passed"] for each in record["evidence"]["gates"]] == [False, True]
    assert "promote, forced" in fw("registry", "history", "net").out
    # What is not refused is not forced.
    record = fw("registry", "promote", "net", FIRST, "production", "--force", "--why", "sure", "--json").json
    assert record["forced"] == (accuracy(client, FIRST) < 0.99)


def test_a_version_has_to_stand_in_another_stage_first(fw, client, policy):
    policy(stands_in="staging")
    assert "stands_in: it stands in dev" in fw("registry", "promote", "net", FIRST, "production").err
    fw("registry", "promote", "net", FIRST, "staging")
    assert fw("registry", "promote", "net", FIRST, "production").code == 0


def group(client, version, values):
    """Let the run of a version stand with others of other seeds, as ``fw train --each`` leaves them."""
    run_id = client.get_model_version("net", str(version)).run_id
    experiment = client.get_run(run_id).info.experiment_id
    parent = client.create_run(experiment, tags={"framework.group": "runs"}).info.run_id
    client.set_tag(run_id, "mlflow.parentRunId", parent)
    for seed, value in values.items():
        other = client.create_run(experiment, tags={"mlflow.parentRunId": parent}).info.run_id
        client.log_param(other, "seed", seed)
        client.log_metric(other, "test/accuracy", value)
        client.set_terminated(other)


def test_the_worst_of_several_seeds_decides(fw, client, policy):
    policy(seeds={"metric": "test/accuracy", "min": 0.5, "at_least": 3})
    done = fw("registry", "promote", "net", FIRST, "production")
    assert "seeds: 0 of 3 seeds were trained together: fw train --each seed=1,2,3" in done.err
    group(client, FIRST, {1: 0.9, 2: 0.25})
    assert (
        "the worst of 3 seeds has test/accuracy 0.25, at least 0.5"
        in fw("registry", "promote", "net", FIRST, "production").err
    )
    group(client, FIRST, {1: 0.9, 2: 0.8})
    assert fw("registry", "promote", "net", FIRST, "production").code == 0


def test_a_parity_certificate_is_asked_for(fw, client, policy, tmp_path):
    policy(parity=True)
    run_id = client.get_model_version("net", str(FIRST)).run_id
    assert (
        f"it has no parity certificate: fw verify parity {run_id}"
        in fw("registry", "promote", "net", FIRST, "production").err
    )
    file = tmp_path / "parity.json"

    def certified(passed, of=run_id):
        ways = [{"name": "onnx", "passed": passed, "why": "" if passed else "0.2 apart"}]
        file.write_text(json.dumps({"run_id": of, "passed": passed, "ways": ways}))
        client.log_artifact(run_id, str(file))
        return fw("registry", "promote", "net", FIRST, "production")

    assert "it does not answer alike by onnx (0.2 apart)" in certified(passed=False).err
    assert "its certificate is that of another run, f00" in certified(passed=True, of="f00").err
    assert certified(passed=True).code == 0


def test_the_data_is_looked_at(fw, client, policy, tmp_path):
    policy(data={"same_classes": True, "same_fingerprint": True})
    assert fw("registry", "promote", "net", POOR, "production").code == 0
    done = fw("registry", "promote", "net", OTHER_SAMPLES, "production", "--json")
    assert done.code == 0, done.err
    policy(data={"duplicates": 0})
    assert (
        "nobody looked for samples of the test that training has too"
        in fw("registry", "promote", "net", FIRST, "production").err
    )


def test_classes_in_another_order_are_refused(fw, client, policy, trained):
    policy(data={"same_classes": True})
    assert fw("registry", "promote", "net", FIRST, "production").code == 0
    run = client.get_run(client.get_model_version("net", str(OTHER_SEED)).run_id)
    file = Path(run.info.artifact_uri.removeprefix("file://")) / "data.json"
    before = file.read_text()
    data = json.loads(before)
    file.write_text(json.dumps({**data, "class_names": data["class_names"][::-1]}))
    try:
        done = fw("registry", "promote", "net", OTHER_SEED, "production")
    finally:
        file.write_text(before)
    assert done.code == 1
    assert "its classes are virginica, versicolor, setosa" in done.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stages: {production: {metric: {}}}", "Did you mean stages.production.metrics?"),
        ("stages: {prodution: {}}", "Did you mean stages.production?"),
        ("stages: {production: {parity: perhaps}}", "must be true or false"),
        ("stages: {production: {metrics: {test/loss: {}}}}", "needs min or max"),
        ("stages: {production: {better: [{metric: a, best: most}]}}", "one of 'min', 'max'"),
        ("stages: [", "cannot be used"),
        ("stage: {}", "there is no such setting"),
        ("", "it is no group of settings"),
    ],
)
def test_a_policy_that_cannot_be_is_told(text, told, fw, client, project):
    (project / "registry.yaml").write_text(text)
    done = fw("registry", "promote", "net", FIRST, "production")
    assert (done.code, done.out) == (2, "")
    assert told in done.err


def test_a_policy_that_is_named_has_to_be_there(fw, client):
    done = fw("registry", "promote", "net", FIRST, "production", "--policy", "rules.yaml")
    assert done.code == 2
    assert "rules.yaml cannot be used: there is no such file" in done.err


def test_a_policy_may_be_named_by_the_settings_and_python_gets_what_the_gates_found(client, project):
    (project / "config.yaml").write_text("mlops: {registry: {policy: rules.yaml}}")
    (project / "rules.yaml").write_text(
        "stages: {staging: {metrics: {test/accuracy: {max: 0.0}, test/loss: {min: 0}}}}"
    )
    with pytest.raises(PromotionRefusedError) as refused:
        model_registry.promote("net", FIRST, "staging")
    assert [(each.gate, each.passed) for each in refused.value.findings] == [
        ("metrics.test/accuracy", False),
        ("metrics.test/loss", True),
    ]


def test_the_difference_of_two_tests_is_that_of_their_pairs():
    """Two accuracies that go up and down together differ surely, though each of them varies more than they differ."""
    waves = [0.5 + 0.1 * (draw % 7) for draw in range(100)]
    facts = {"samples": 10, "target": "t", "drawn": "d"}
    ours = {**facts, "metrics": {"a": [value + 0.02 for value in waves]}}
    theirs = {**facts, "metrics": {"a": waves}}
    found = paired_difference("a", ours, theirs, 0.99, best="max")
    assert found.least == pytest.approx(0.02)
    assert paired_difference("a", ours, theirs, 0.99, best="min").least == pytest.approx(-0.02)
    # Those of other draws differ by chance alone.
    shifted = {**facts, "metrics": {"a": [value + 0.02 for value in waves[3:] + waves[:3]]}}
    assert paired_difference("a", shifted, theirs, 0.95, best="max").least < 0
