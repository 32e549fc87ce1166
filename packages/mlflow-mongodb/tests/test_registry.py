"""Registered models, their versions, aliases, stages and searches, and prompts."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pymongo
import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag
from mlflow.exceptions import MlflowException
from mlflow.utils.search_utils import SearchModelUtils
from mlflow.utils.workspace_context import WorkspaceContext

from framework_mlflow_mongodb.mongod import LocalMongod, LocalServerError
from framework_mlflow_mongodb.registry.models import _latest_of_stage
from framework_mlflow_mongodb.registry.store import MongoRegistryStore


@pytest.fixture
def registry(mongo_uri):
    return MongoRegistryStore(mongo_uri)


@pytest.fixture
def client(mongo_uri):
    return MlflowClient(mongo_uri, mongo_uri)


def names(found):
    return [one.name for one in found]


def every_page(search, **arguments):
    rows, token = [], None
    while True:
        page = search(page_token=token, **arguments)
        rows += page
        if not (token := page.token):
            return rows


def at_once(count, work):
    """Run `work` with the numbers from 0, all at the same moment; return the answers and the errors."""
    barrier = threading.Barrier(count)

    def start(number):
        barrier.wait()
        try:
            return work(number)
        except MlflowException as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        found = list(pool.map(start, range(count)))
    return (
        [one for one in found if not isinstance(one, Exception)],
        [one for one in found if isinstance(one, Exception)],
    )


def test_a_model_keeps_what_it_is_given(client):
    client.create_registered_model("größe %$.", {"a.b": "ü"}, "text")
    found = client.get_registered_model("größe %$.")
    assert (found.description, found.tags, found.latest_versions) == ("text", {"a.b": "ü"}, [])


def test_an_alias_follows_its_version_and_goes_with_it(client):
    client.create_registered_model("m")
    for number in range(2):
        client.create_model_version("m", f"s3://bucket/{number}")
    client.set_registered_model_alias("m", "champion", "1")
    client.set_registered_model_alias("m", "champion", "2")
    client.set_registered_model_alias("m", "second", "1")
    assert client.get_model_version_by_alias("m", "champion").version == 2
    assert client.get_registered_model("m").aliases == {"champion": 2, "second": 1}
    client.delete_model_version("m", "2")
    assert client.get_registered_model("m").aliases == {"second": 1}
    with pytest.raises(MlflowException, match="alias champion not found"):
        client.get_model_version_by_alias("m", "champion")


def test_the_number_of_a_deleted_version_is_not_given_again(client):
    client.create_registered_model("m")
    client.create_model_version("m", "s3://a")
    client.delete_model_version("m", "1")
    assert client.create_model_version("m", "s3://a").version == 2


def test_a_deleted_version_leaves_no_trace_of_its_source(registry):
    registry.create_registered_model("m")
    registry.create_model_version("m", "s3://secret/place", "secret-run", description="secret")
    registry.delete_model_version("m", 1)
    assert "secret" not in str(registry._collection("model_versions").find_one())


def test_moving_to_production_archives_the_old_one(registry):
    registry.create_registered_model("m")
    for _ in range(3):
        registry.create_model_version("m", "s3://a")
    registry.transition_model_version_stage("m", 1, "production", False)
    registry.transition_model_version_stage("m", 2, "Production", True)
    stages = {found.version: found.current_stage for found in registry.search_model_versions("name = 'm'")}
    assert stages == {1: "Archived", 2: "Production", 3: "None"}
    latest = {found.current_stage: found.version for found in registry.get_latest_versions("m")}
    assert latest == {"Archived": 1, "Production": 2, "None": 3}


def test_renaming_takes_versions_and_aliases_along(client):
    client.create_registered_model("old")
    client.create_model_version("old", "s3://a")
    client.set_registered_model_alias("old", "best", "1")
    client.rename_registered_model("old", "new")
    assert client.get_model_version_by_alias("new", "best").source == "s3://a"
    assert client.create_model_version("new", "s3://b").version == 2
    with pytest.raises(MlflowException, match="name=old not found"):
        client.get_registered_model("old")


def test_a_copied_version_has_the_files_of_the_first(client):
    client.create_registered_model("m")
    client.create_model_version("m", "s3://bucket/model", tags={"k": "v"})
    copy = client.copy_model_version("models:/m/1", "n")
    again = client.copy_model_version("models:/n/1", "n")
    assert (copy.name, copy.version, copy.source, copy.tags) == ("n", 1, "models:/m/1", {"k": "v"})
    assert client.get_model_version_download_uri("n", again.version) == "s3://bucket/model"


def test_a_version_remembers_the_logged_model_it_was_made_of(client):
    experiment = client.create_experiment("e")
    run = client.create_run(experiment).info.run_id
    model = client.create_logged_model(experiment, "net", source_run_id=run)
    client.create_registered_model("m")
    version = client.create_model_version("m", f"models:/{model.model_id}", model_id=model.model_id)
    assert (version.run_id, version.model_id) == (run, model.model_id)
    assert client.get_model_version_download_uri("m", "1") == model.artifact_location


def test_pages_have_no_gaps_and_no_doubles_in_any_order(registry):
    for number in range(11):
        registry.create_registered_model(f"m{number:02}")
        registry.create_model_version(f"m{number:02}", "s3://a")
    for order in (None, ["name DESC"], ["last_updated_timestamp ASC"], ["timestamp DESC", "name DESC"]):
        found = names(every_page(registry.search_registered_models, max_results=3, order_by=order))
        assert sorted(found) == [f"m{number:02}" for number in range(11)]
    for order in (None, ["version_number DESC"], ["creation_timestamp ASC", "name DESC"]):
        found = names(every_page(registry.search_model_versions, max_results=4, order_by=order))
        assert sorted(found) == [f"m{number:02}" for number in range(11)]


def test_models_that_are_changed_between_pages_do_not_shift_the_others(registry):
    for number in range(9):
        registry.create_registered_model(f"m{number}")
    first = registry.search_registered_models(max_results=3)
    registry.delete_registered_model("m0")
    registry.create_registered_model("a")
    rest = every_page(lambda page_token: registry.search_registered_models(None, 3, None, page_token or first.token))
    assert names(rest) == ["m3", "m4", "m5", "m6", "m7", "m8"]


def test_searches_compare_as_sql_does(registry):
    registry.create_registered_model("Net_1", [RegisteredModelTag("a.b", "10%")])
    registry.create_registered_model("net-1", [RegisteredModelTag("other", "x")])
    for text, expected in {
        "name LIKE 'Net%'": ["Net_1"],
        "name ILIKE 'net_1'": ["Net_1", "net-1"],
        "name LIKE 'Net\\_1'": [],
        "tags.`a.b` = '10%'": ["Net_1"],
        "tags.`a.b` != 'x'": ["Net_1"],
        "tags.other LIKE '%' AND name != 'Net_1'": ["net-1"],
    }.items():
        assert names(registry.search_registered_models(text)) == expected, text


@pytest.mark.skipif(
    not hasattr(SearchModelUtils, "LIST_SUPPORTED_KEYS"), reason="MLflow takes lists of names from 3.17"
)
def test_models_are_found_by_a_list_of_names(registry):
    for name in ("a", "b", "c"):
        registry.create_registered_model(name)
    assert names(registry.search_registered_models("name IN ('a', 'c', 'none')")) == ["a", "c"]
    assert names(registry.search_registered_models("name NOT IN ('a', 'c')")) == ["b"]


@pytest.mark.parametrize("text", ["nonsense", "name > 'a'", "colour = 'x'", "name = a", "tags.k IN ('a')"])
def test_a_bad_filter_is_mlflows_error(registry, text):
    for search in (registry.search_registered_models, registry.search_model_versions):
        with pytest.raises(MlflowException) as error:
            search(text)
        assert error.value.error_code == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize("text", ["\ud800", "a" * 17_000_000])
def test_what_mongodb_cannot_store_is_a_bad_request(registry, text):
    registry.create_registered_model("m")
    with pytest.raises(MlflowException, match="MongoDB cannot store this value") as error:
        registry.update_registered_model("m", text)
    assert error.value.error_code == "INVALID_PARAMETER_VALUE"


def test_the_longest_tags_are_kept_and_found(registry):
    longest = "x" * 100_000
    registry.create_registered_model("m")
    registry.create_model_version("m", "s3://a", tags=[ModelVersionTag("k" * 250, longest)])
    assert registry.get_model_version("m", 1).tags == {"k" * 250: longest}
    assert len(registry.search_model_versions(f"tags.{'k' * 250} = '{longest}'")) == 1


def test_one_of_many_creates_the_model(registry):
    made, refused = at_once(8, lambda _: registry.create_registered_model("m"))
    assert len(made) == 1
    assert {error.error_code for error in refused} == {"RESOURCE_ALREADY_EXISTS"}


def test_versions_made_at_once_have_numbers_of_their_own(registry):
    registry.create_registered_model("m")
    made, refused = at_once(8, lambda n: [registry.create_model_version("m", f"s3://{n}") for _ in range(5)])
    assert refused == []
    assert sorted(version.version for versions in made for version in versions) == list(range(1, 41))


def test_an_alias_set_by_many_points_to_one_of_their_versions(registry):
    registry.create_registered_model("m")
    for _ in range(8):
        registry.create_model_version("m", "s3://a")
    _, refused = at_once(8, lambda n: registry.set_registered_model_alias("m", "best", n + 1))
    assert refused == []
    assert registry.get_model_version_by_alias("m", "best").version in range(1, 9)


def test_an_alias_never_points_to_a_deleted_version(registry):
    registry.create_registered_model("m")
    for number in range(1, 11):
        registry.create_model_version("m", "s3://a")

        def work(n, number=number):
            if n:
                registry.set_registered_model_alias("m", "best", number)
            else:
                registry.delete_model_version("m", number)

        _, refused = at_once(2, work)
        assert all(error.error_code == "RESOURCE_DOES_NOT_EXIST" for error in refused)
        assert registry.get_registered_model("m").aliases == {}


def test_one_version_is_in_production_after_many_moves(registry):
    registry.create_registered_model("m")
    for _ in range(6):
        registry.create_model_version("m", "s3://a")
    _, refused = at_once(6, lambda n: registry.transition_model_version_stage("m", n + 1, "Production", True))
    assert refused == []
    assert len(registry.get_latest_versions("m", ["Production"])) == 1
    stages = [found.current_stage for found in registry.search_model_versions("name = 'm'")]
    assert sorted(stages) == ["Archived"] * 5 + ["Production"]


def test_a_model_deleted_while_versions_are_made_leaves_none(registry):
    for _ in range(5):
        registry.create_registered_model("m")
        at_once(
            4, lambda n: registry.create_model_version("m", "s3://a") if n else registry.delete_registered_model("m")
        )
        assert registry._collection("model_versions").count_documents({}) == 0


def test_prompts_and_models_are_kept_apart(client):
    client.register_prompt("greeting", "Hello {{name}}", commit_message="first", tags={"lang": "en"})
    client.register_prompt("greeting", "Hi {{name}}")
    client.create_registered_model("m")
    client.create_model_version("m", "s3://a")
    assert names(client.search_registered_models()) == ["m"]
    assert names(client.search_model_versions()) == ["m"]
    assert names(client.search_prompts()) == ["greeting"]
    assert client.get_prompt_version("greeting", "1").template == "Hello {{name}}"
    client.set_prompt_alias("greeting", "live", 2)
    assert client.load_prompt("prompts:/greeting@live").format(name="you") == "Hi you"
    assert [found.version for found in client.search_prompt_versions("greeting")] == [2, 1]
    with pytest.raises(MlflowException, match="already taken by a prompt"):
        client.create_registered_model("greeting")


def test_prompts_of_an_experiment_are_found(client):
    client.register_prompt("p1", "x", tags={"_mlflow_experiment_ids": ",3,12,"})
    client.register_prompt("p2", "x", tags={"_mlflow_experiment_ids": ",2,"})
    assert names(client.search_prompts("experiment_id = '12'")) == ["p1"]
    assert names(client.search_prompts("name LIKE 'p%'")) == ["p1", "p2"]


def test_the_search_for_the_latest_versions_reads_the_index_only_once_per_model(registry):
    registry.create_registered_model("m")
    for _ in range(30):
        registry.create_model_version("m", "s3://a")
    plan = registry._connection.database.command(
        "explain",
        {"aggregate": "model_versions", "pipeline": _latest_of_stage("default", ["m"], "None"), "cursor": {}},
        verbosity="executionStats",
    )
    assert "DISTINCT_SCAN" in str(plan)


@pytest.mark.parametrize("secret", ["p%40ss", "p@ss"])
def test_errors_show_no_password(mongo_uri, secret):
    uri = mongo_uri.replace("mongodb://", f"mongodb://me:{quote(secret, safe='')}@")
    with pytest.raises(MlflowException) as error:
        MongoRegistryStore(uri)
    assert secret not in str(error.value)
    assert error.value.error_code == "UNAUTHENTICATED"


def test_workspaces_do_not_see_each_other(mongo_uri, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    registry = MongoRegistryStore(mongo_uri)
    for workspace in ("one", "two"):
        with WorkspaceContext(workspace):
            registry.create_registered_model("m", description=workspace)
            registry.create_model_version("m", f"s3://{workspace}")
            registry.create_registered_model(f"only-{workspace}")
    with WorkspaceContext("one"):
        assert names(registry.search_registered_models()) == ["m", "only-one"]
        assert registry.get_model_version("m", 1).source == "s3://one"
        registry.rename_registered_model("m", "n")
    with WorkspaceContext("two"):
        assert registry.get_registered_model("m").description == "two"
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "false")
    with pytest.raises(MlflowException, match="Cannot disable workspaces because registered models exist"):
        MongoRegistryStore(mongo_uri)


@pytest.fixture(scope="module")
def standalone(tmp_path_factory):
    server = LocalMongod(
        tmp_path_factory.mktemp("standalone"), replica_set=None, options=("--wiredTigerCacheSizeGB", "0.25")
    )
    try:
        server.start()
    except LocalServerError as error:
        pytest.skip(str(error))
    yield server
    server.kill()


class TestStandalone:
    """Without transactions the writes are ordered."""

    @pytest.fixture
    def registry(self, standalone):
        with pymongo.MongoClient(standalone.uri("mlflow")) as client:
            for name in ("registered_models", "model_versions"):
                client["mlflow"][name].delete_many({})
        return MongoRegistryStore(standalone.uri("mlflow"))

    def test_a_version_left_over_does_not_stop_the_next_one(self, registry):
        registry.create_registered_model("m")
        left_over = {"ws": "default", "name": "m", "version": 1, "stage": "None"}
        registry._collection("model_versions").insert_one(left_over)
        assert registry.create_model_version("m", "s3://a").version == 2

    def test_a_renaming_that_was_cut_off_is_mended_by_asking_again(self, registry):
        registry.create_registered_model("old")
        registry.create_model_version("old", "s3://a")
        registry._collection("model_versions").update_many({}, {"$set": {"name": "new"}})
        registry.rename_registered_model("old", "new")
        assert registry.get_model_version("new", 1).source == "s3://a"

    def test_versions_made_at_once_have_numbers_of_their_own(self, registry):
        registry.create_registered_model("m")
        made, refused = at_once(8, lambda n: registry.create_model_version("m", f"s3://{n}").version)
        assert refused == []
        assert sorted(made) == list(range(1, 9))
