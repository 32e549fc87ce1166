"""Datasets for evaluation, scorers, issues and label schemas."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from mlflow.entities import IssueSeverity, IssueStatus
from mlflow.exceptions import MlflowException
from mlflow.genai.label_schemas.label_schemas import InputCategorical, InputNumeric, InputPassFail, InputText


def test_a_record_is_told_by_its_inputs(tracking):
    dataset_id = tracking.create_dataset("d", tags={"mlflow.user": "me", "a.b": "c"}).dataset_id
    first = [{"inputs": {"a.b": [1], "$n": 2**70}, "expectations": {"x": 1}, "tags": {"t": "1", "mlflow.user": "me"}}]
    assert tracking.upsert_dataset_records(dataset_id, first) == {"inserted": 1, "updated": 0}
    more = [{"inputs": {"$n": 2**70, "a.b": [1]}, "expectations": {"y": 2}, "outputs": "o"}, {"inputs": {"q": None}}]
    assert tracking.upsert_dataset_records(dataset_id, [*more, more[1]]) == {"inserted": 1, "updated": 2}
    records, token = tracking._load_dataset_records(dataset_id)
    assert token is None
    by_inputs = {json.dumps(record.inputs): record for record in records}
    merged = by_inputs[json.dumps(first[0]["inputs"])]
    assert (merged.expectations, merged.outputs, merged.tags) == ({"x": 1, "y": 2}, "o", first[0]["tags"])
    assert merged.created_by == "me"
    dataset = tracking.get_dataset(dataset_id)
    assert json.loads(dataset.profile) == {"num_records": 2}
    assert json.loads(dataset.schema)["inputs"] == {"a.b": "array", "$n": "integer", "q": "null"}
    assert dataset.tags == {"mlflow.user": "me", "a.b": "c"}


def test_records_are_paged_in_the_order_they_came(tracking):
    dataset_id = tracking.create_dataset("d").dataset_id
    for number in range(7):
        tracking.upsert_dataset_records(dataset_id, [{"inputs": {"n": number}}])
    found, token = [], None
    while True:
        records, token = tracking._load_dataset_records(dataset_id, max_results=3, page_token=token)
        found += records
        if token is None:
            break
    assert sorted(record.inputs["n"] for record in found) == list(range(7))
    gone = [record.dataset_record_id for record in found[:2]]
    assert tracking.delete_dataset_records(dataset_id, gone) == 2
    assert tracking.delete_dataset_records(dataset_id, gone) == 0
    assert json.loads(tracking.get_dataset(dataset_id).profile) == {"num_records": 5}
    with pytest.raises(MlflowException, match="Invalid page token"):
        tracking._load_dataset_records(dataset_id, max_results=3, page_token="??")


def test_writers_of_the_same_records_make_each_once(tracking):
    dataset_id = tracking.create_dataset("d").dataset_id
    batch = [{"inputs": {"n": number}, "tags": {"w": "x"}} for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda _: tracking.upsert_dataset_records(dataset_id, batch), range(8)))
    assert sum(count["inserted"] for count in counts) == 20
    assert len(tracking._load_dataset_records(dataset_id)[0]) == 20


def test_datasets_are_found_by_experiment_and_tag(tracking):
    one, other = (tracking.create_experiment(name) for name in ("one", "other"))
    first = tracking.create_dataset("first", {"team": "a"}, [one])
    second = tracking.create_dataset("second", {"team": "b"}, [one, other])

    def names(*arguments, **options):
        return [dataset.name for dataset in tracking.search_datasets(*arguments, **options)]

    assert names([one], order_by=["name ASC"]) == ["first", "second"]
    assert names([other]) == ["second"]
    assert names(filter_string="tags.team != 'a' AND name LIKE 's%'") == ["second"]
    tracking.remove_dataset_from_experiments(second.dataset_id, [other])
    assert names([other]) == []
    tracking.delete_dataset(first.dataset_id)
    tracking.delete_dataset(first.dataset_id)
    assert names() == ["second"]
    with pytest.raises(MlflowException, match="No Experiment with id=99"):
        tracking.add_dataset_to_experiments(second.dataset_id, ["99"])


def test_versions_of_a_scorer_count_up_for_many_clients(tracking):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: tracking.register_scorer("0", "s", json.dumps({"n": n})), range(24)))
    assert sorted(version.scorer_version for version in made) == list(range(1, 25))
    assert len({version.scorer_id for version in made}) == 1
    assert tracking.get_scorer("0", "s").scorer_version == 24
    tracking.delete_scorer("0", "s", version=24)
    assert [one.scorer_version for one in tracking.list_scorers("0")] == [23]
    tracking.delete_scorer("0", "s")
    with pytest.raises(MlflowException, match="Scorer with name 's' not found for experiment 0"):
        tracking.get_scorer("0", "s")


def test_issues_come_the_most_severe_first(tracking):
    for severity in (None, IssueSeverity.LOW, IssueSeverity.HIGH):
        tracking.create_issue("0", str(severity), "text", severity=severity, categories=["a"])
    page = tracking.search_issues("0", max_results=2)
    rest = tracking.search_issues("0", max_results=2, page_token=page.token)
    assert [issue.name for issue in [*page, *rest]] == ["high", "low", "None"]
    tracking.update_issue(page[0].issue_id, status=IssueStatus.RESOLVED)
    assert [issue.name for issue in tracking.search_issues("0", "status = 'resolved'")] == ["high"]
    with pytest.raises(MlflowException, match="Run with id=none not found"):
        tracking.create_issue("0", "n", "d", source_run_id="none")


def test_label_schemas_keep_their_inputs_and_the_default_stays(tracking):
    key = tracking.create_experiment("labels")
    inputs = {
        "c": InputCategorical(options=["x", "y"]),
        "n": InputNumeric(min_value=0, max_value=5),
        "p": InputPassFail(positive_label="yes", negative_label="no"),
        "t": InputText(max_length=9),
    }
    for name, asked in inputs.items():
        tracking.create_label_schema(key, name=name, type="feedback", input=asked, instruction="say")
    schemas = {schema.name: schema for schema in tracking.list_label_schemas(key)}
    assert {name: schema.input for name, schema in schemas.items() if not schema.is_default} == inputs
    [default] = [schema for schema in schemas.values() if schema.is_default]
    with pytest.raises(MlflowException, match="cannot be deleted"):
        tracking.delete_label_schema(default.schema_id)
    with pytest.raises(MlflowException, match="already exists"):
        tracking.update_label_schema(schemas["c"].schema_id, name="n")
    changed = tracking.update_label_schema(schemas["c"].schema_id, name="d", enable_comment=True)
    assert tracking.get_label_schema_by_name(key, "d") == changed
    tracking.delete_label_schema(changed.schema_id)
    with pytest.raises(MlflowException, match="not found"):
        tracking.get_label_schema(changed.schema_id)
