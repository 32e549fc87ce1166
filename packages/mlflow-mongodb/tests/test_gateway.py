"""The setting of MLflow's gateway: the same answers as MLflow's SQL store, secrets that the database cannot read."""

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor

import pymongo
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mlflow.entities import (
    FallbackConfig,
    GatewayEndpointModelConfig,
    GatewayEndpointTag,
    RoutingStrategy,
    TraceInfo,
    TraceLocation,
    TraceState,
)
from mlflow.entities.gateway_budget_policy import (
    BudgetAction,
    BudgetDuration,
    BudgetDurationUnit,
    BudgetTargetScope,
    BudgetUnit,
)
from mlflow.entities.gateway_endpoint import FallbackStrategy, GatewayModelLinkageType
from mlflow.entities.gateway_guardrail import GuardrailAction, GuardrailStage
from mlflow.exceptions import MlflowException
from mlflow.tracing.constant import TraceMetadataKey

from framework_mlflow_mongodb.tracking.store import MongoTrackingStore

EXAMPLES = int(os.environ.get("MONGODB_EXAMPLES", "5"))
PRIMARY, FALLBACK = GatewayModelLinkageType.PRIMARY, GatewayModelLinkageType.FALLBACK
JUDGE = {"instructions_judge_pydantic_data": {"model": "gateway:/e0"}, "name": "judge"}

NAMES = st.sampled_from(["a", "B", "ü.$%"])
NUMBERS = st.integers(0, 2)
LINKS = st.lists(st.tuples(NUMBERS, st.sampled_from([PRIMARY, FALLBACK])), max_size=2, unique=True)
MAYBE = st.sampled_from([None, "x", "y"])
OPERATIONS = st.one_of(
    st.tuples(st.just("create_secret"), NAMES, MAYBE),
    st.tuples(st.just("update_secret"), NUMBERS, st.sampled_from([None, {}, {"region": "r"}]), MAYBE),
    st.tuples(st.just("delete_secret"), NUMBERS),
    st.tuples(st.just("create_model"), NAMES, NUMBERS),
    st.tuples(st.just("update_model"), NUMBERS, st.one_of(st.none(), NAMES), NUMBERS, MAYBE),
    st.tuples(st.just("delete_model"), NUMBERS),
    st.tuples(st.just("create_endpoint"), LINKS, st.booleans()),
    st.tuples(st.just("update_endpoint"), NUMBERS, st.one_of(st.none(), LINKS), MAYBE, st.booleans()),
    st.tuples(st.just("delete_endpoint"), NUMBERS),
    st.tuples(st.just("attach"), NUMBERS, NUMBERS, st.sampled_from([PRIMARY, FALLBACK])),
    st.tuples(st.just("detach"), NUMBERS, NUMBERS, st.sampled_from([None, "PRIMARY", "FALLBACK"])),
    st.tuples(st.just("unbind"), NUMBERS, MAYBE),
    st.tuples(st.just("tag"), NUMBERS, NAMES, MAYBE),
    st.tuples(st.just("untag"), NUMBERS, NAMES),
    st.tuples(st.just("guard"), NUMBERS, NUMBERS, st.sampled_from([None, 1, 2])),
    st.tuples(st.just("unguard"), NUMBERS, NUMBERS),
    st.tuples(st.just("delete_guardrail"), NUMBERS),
)


@pytest.fixture(autouse=True)
def quick_keys(monkeypatch):
    """Derive the key of keys in one round, where MLflow takes 600,000."""
    monkeypatch.setattr("mlflow.utils.crypto.PBKDF2_ITERATIONS", 1)


class Driver:
    """One store, with its things by number, so that two stores can be told the same."""

    def __init__(self, store):
        self.store = store
        self.secrets, self.models, self.endpoints, self.guardrails = [], [], [], []
        self.scorer = store.register_scorer("0", "plain", json.dumps({"name": "plain"}))
        for secret in store.list_secret_infos():
            store.delete_gateway_secret(secret.secret_id)
        for endpoint in store.list_gateway_endpoints():
            store.delete_gateway_endpoint(endpoint.endpoint_id)
        for model in store.list_gateway_model_definitions():
            store.delete_gateway_model_definition(model.model_definition_id)
        for number in range(2):
            stage, action = GuardrailStage.BEFORE, GuardrailAction.VALIDATION
            made = store.create_gateway_guardrail(f"g{number}", self.scorer.scorer_id, 1, stage, action)
            self.guardrails.append(made.guardrail_id)

    def one(self, things, number):
        return things[number] if number < len(things) else "none"

    def config(self, number, linkage):
        return GatewayEndpointModelConfig(
            self.one(self.models, number), linkage, 0.5, 1 if linkage is FALLBACK else None
        )

    def do(self, operation):
        name, *arguments = operation
        try:
            return self.plain(getattr(self, name)(*arguments))
        except MlflowException as error:
            return error.error_code, self.plain(error.message)

    def plain(self, value):
        """Return an answer with numbers in place of ids, and without times."""
        if hasattr(value, "__dict__") and not hasattr(value, "value"):
            hidden = ("created_at", "last_updated_at", "mapping_id", "experiment_id", "creation_time")
            return {key: self.plain(one) for key, one in vars(value).items() if key.lstrip("_") not in hidden}
        if isinstance(value, (list, tuple)):
            return [self.plain(one) for one in value]
        if isinstance(value, dict):
            return {key: self.plain(one) for key, one in value.items()}
        if not isinstance(value, str) or hasattr(value, "value"):
            return value
        for things in (self.secrets, self.models, self.endpoints, self.guardrails, [self.scorer.scorer_id]):
            for number, thing in enumerate(things):
                value = value.replace(thing, f"<{thing[:2]}{number}>" if thing[1] == "-" else f"<{number}>")
        return re.sub(r"<gr\d>", "<guardrail>", value)

    def create_secret(self, name, user):
        made = self.store.create_gateway_secret(name, {"api_key": "sk-1234567890"}, "openai", None, user)
        self.secrets.append(made.secret_id)
        return made

    def update_secret(self, number, auth, user):
        value = {"api_key": "new-secret-value", "other": "short"} if user else None
        return self.store.update_gateway_secret(self.one(self.secrets, number), value, auth, user)

    def delete_secret(self, number):
        return self.store.delete_gateway_secret(self.one(self.secrets, number))

    def create_model(self, name, secret):
        made = self.store.create_gateway_model_definition(name, self.one(self.secrets, secret), "openai", "gpt", "me")
        self.models.append(made.model_definition_id)
        return made

    def update_model(self, number, name, secret, user):
        secret = self.one(self.secrets, secret) if user == "x" else None
        return self.store.update_gateway_model_definition(
            self.one(self.models, number), name, secret, user, user, provider=user
        )

    def delete_model(self, number):
        return self.store.delete_gateway_model_definition(self.one(self.models, number))

    def create_endpoint(self, links, falls_back):
        made = self.store.create_gateway_endpoint(
            f"e{len(self.endpoints)}",
            [self.config(*link) for link in links],
            "me",
            RoutingStrategy.REQUEST_BASED_TRAFFIC_SPLIT if falls_back else None,
            FallbackConfig(FallbackStrategy.SEQUENTIAL, 2) if falls_back else None,
            usage_tracking=False,
        )
        self.endpoints.append(made.endpoint_id)
        return made

    def update_endpoint(self, number, links, user, falls_back):
        return self.store.update_gateway_endpoint(
            self.one(self.endpoints, number),
            updated_by=user,
            fallback_config=FallbackConfig(None, 1) if falls_back else None,
            model_configs=None if links is None else [self.config(*link) for link in links],
            usage_tracking=None if user else False,
        )

    def delete_endpoint(self, number):
        return self.store.delete_gateway_endpoint(self.one(self.endpoints, number))

    def attach(self, endpoint, model, linkage):
        return self.store.attach_model_to_endpoint(
            self.one(self.endpoints, endpoint), self.config(model, linkage), "me"
        )

    def detach(self, endpoint, model, linkage):
        where = self.one(self.endpoints, endpoint), self.one(self.models, model)
        return self.store.detach_model_from_endpoint(*where, linkage)

    def bind(self, endpoint, resource):
        return self.store.create_endpoint_binding(self.one(self.endpoints, endpoint), "scorer", str(resource), "me")

    def unbind(self, endpoint, resource):
        return self.store.delete_endpoint_binding(self.one(self.endpoints, endpoint), "scorer", str(resource))

    def tag(self, endpoint, key, value):
        return self.store.set_gateway_endpoint_tag(self.one(self.endpoints, endpoint), GatewayEndpointTag(key, value))

    def untag(self, endpoint, key):
        return self.store.delete_gateway_endpoint_tag(self.one(self.endpoints, endpoint), key)

    def guard(self, endpoint, guardrail, order):
        where = self.one(self.endpoints, endpoint), self.one(self.guardrails, guardrail)
        return self.store.add_guardrail_to_endpoint(*where, order, "me")

    def unguard(self, endpoint, guardrail):
        where = self.one(self.endpoints, endpoint), self.one(self.guardrails, guardrail)
        return self.store.remove_guardrail_from_endpoint(*where)

    def delete_guardrail(self, number):
        return self.store.delete_gateway_guardrail(self.one(self.guardrails, number))

    def state(self):
        """Everything that can be read, in an order that both stores share."""

        def by_text(found):
            return sorted(map(self.plain, found), key=repr)

        endpoints = self.store.list_gateway_endpoints()
        found = [by_text(self.store.list_secret_infos()), by_text(self.store.list_gateway_model_definitions())]
        for endpoint in sorted(endpoints, key=lambda one: one.name):
            found.append(
                [
                    by_text(endpoint.model_mappings),
                    by_text(endpoint.tags),
                    self.plain([endpoint.name, endpoint.fallback_config, endpoint.usage_tracking]),
                    [one.execution_order for one in self.store.list_endpoint_guardrail_configs(endpoint.endpoint_id)],
                ]
            )
        chosen = {"provider": "openai"} if self.secrets else {}
        found.append(sorted(one.name for one in self.store.list_gateway_endpoints(**chosen)))
        if self.secrets:
            found.append(sorted(one.name for one in self.store.list_gateway_endpoints(secret_id=self.secrets[0])))
        return [*found, by_text(self.store.list_endpoint_bindings(resource_type="scorer"))]


@pytest.fixture(scope="module")
def sql(sqlite_uri):
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    return SqlAlchemyStore(sqlite_uri, "/artifacts")


@pytest.fixture(scope="module")
def mongo(mongod):
    return MongoTrackingStore(mongod.uri("gateway"), "/artifacts")


@pytest.mark.drawn
@pytest.mark.filterwarnings("ignore")  # MLflow's SQL store warns
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(operations=st.lists(OPERATIONS, min_size=4, max_size=20))
def test_the_same_operations_give_the_same_answers(sql, mongo, operations):
    drivers = [Driver(sql), Driver(mongo)]
    start = [("create_secret", "s", "x"), ("create_model", "m", 0), ("create_endpoint", [(0, PRIMARY)], True)]
    for operation in [*start, ("bind", 0, "x"), ("guard", 0, 0, 2), ("guard", 0, 1, None), *operations]:
        first, second = (driver.do(operation) for driver in drivers)
        assert second == first, operation
    first, second = (driver.state() for driver in drivers)
    assert second == first


def test_the_database_holds_no_secret_that_it_can_read(tracking, mongo_uri, monkeypatch):
    monkeypatch.setenv("MLFLOW_CRYPTO_KEK_PASSPHRASE", "a passphrase of the team")
    made = tracking.create_gateway_secret("s", {"api_key": "sk-very-secret-1234"})
    with pymongo.MongoClient(mongo_uri) as client:
        [kept] = client.get_default_database()["gateway_secrets"].find()
    assert "very-secret" not in repr(kept)
    assert "very-secret" not in repr(made)
    assert tracking._get_decrypted_secret(made.secret_id) == {"api_key": "sk-very-secret-1234"}
    monkeypatch.setenv("MLFLOW_CRYPTO_KEK_PASSPHRASE", "another one")
    with pytest.raises(MlflowException, match="decrypt"):
        tracking._get_decrypted_secret(made.secret_id)


def endpoint(store, name):
    secret = store.create_gateway_secret(f"s-{name}", {"api_key": "1234567890"})
    model = store.create_gateway_model_definition(f"m-{name}", secret.secret_id, "openai", "gpt")
    return store.create_gateway_endpoint(name, [GatewayEndpointModelConfig(model.model_definition_id, PRIMARY)])


def test_a_scorer_follows_its_endpoint_to_a_new_name(tracking):
    made = endpoint(tracking, "e0")
    assert tracking.get_experiment(made.experiment_id).name == "gateway/e0"
    version = tracking.register_scorer("0", "judge", json.dumps(JUDGE))
    [bound] = tracking.list_endpoint_bindings(endpoint_id=made.endpoint_id)
    assert (bound.resource_id, bound.display_name) == (version.scorer_id, "judge")
    tracking.update_gateway_endpoint(made.endpoint_id, name="e1")
    assert "gateway:/e1" in tracking.get_scorer("0", "judge")._serialized_scorer
    tracking.upsert_online_scoring_config("0", "judge", 0.5)
    [online] = tracking.get_active_online_scorers()
    assert "gateway:/e1" in online.serialized_scorer
    tracking.delete_scorer("0", "judge")
    assert tracking.list_endpoint_bindings() == []
    with pytest.raises(MlflowException, match=re.escape("GatewayEndpoint not found (name='e0')")):
        tracking.register_scorer("0", "judge", json.dumps(JUDGE))


def test_a_guardrail_takes_no_code(tracking):
    own = {"name": "s", "call_source": "return True", "call_signature": "(self)", "original_func_name": "f"}
    scorer = tracking.register_scorer("0", "s", json.dumps(own))
    with pytest.raises(MlflowException, match="do not support custom scorers"):
        tracking.create_gateway_guardrail("g", scorer.scorer_id, 1, GuardrailStage.AFTER, GuardrailAction.SANITIZATION)


def test_a_budget_names_what_it_is_for_and_counts_what_was_spent(tracking):
    made = endpoint(tracking, "e0")
    for number, cost in enumerate([1.5, 2.25]):
        metadata = {
            TraceMetadataKey.GATEWAY_ENDPOINT_ID: made.endpoint_id,
            TraceMetadataKey.AUTH_USERNAME: f"u{number}",
        }
        metadata[TraceMetadataKey.COST] = json.dumps({"input_cost": 0, "output_cost": cost, "total_cost": cost})
        place = TraceLocation.from_experiment_id(made.experiment_id)
        tracking.start_trace(TraceInfo(f"tr-{number}", place, 1000 + number, TraceState.OK, trace_metadata=metadata))
    assert tracking.sum_gateway_trace_cost(0, 5000) == 3.75
    assert tracking.sum_gateway_trace_cost(1001, 5000, "default", made.endpoint_id) == 2.25
    assert tracking.sum_gateway_trace_cost(0, 5000, username="u0") == 1.5
    assert tracking.sum_gateway_trace_cost(0, 5000, endpoint_id="none") == 0.0
    policy = {"budget_unit": BudgetUnit.USD, "duration": BudgetDuration(BudgetDurationUnit.DAYS, 1)}
    policy |= {"budget_amount": 5.0, "budget_action": BudgetAction.REJECT}
    with pytest.raises(MlflowException, match="target_value is required when target_scope is ENDPOINT"):
        tracking.create_budget_policy(**policy, target_scope=BudgetTargetScope.ENDPOINT)
    kept = tracking.create_budget_policy(
        **policy, target_scope=BudgetTargetScope.ENDPOINT, target_value=made.endpoint_id
    )
    widened = tracking.update_budget_policy(kept.budget_policy_id, target_scope=BudgetTargetScope.GLOBAL)
    assert (widened.target_value, widened.budget_amount) == (None, 5.0)


def test_a_model_is_deleted_or_attached_never_both(tracking):
    made = endpoint(tracking, "e0")
    secret = tracking.create_gateway_secret("other", {"api_key": "1234567890"})
    for number in range(6):
        model = tracking.create_gateway_model_definition(f"n{number}", secret.secret_id, "openai", "gpt")
        config = GatewayEndpointModelConfig(model.model_definition_id, FALLBACK)
        with ThreadPoolExecutor(2) as pool:
            attached = pool.submit(tracking.attach_model_to_endpoint, made.endpoint_id, config)
            deleted = pool.submit(tracking.delete_gateway_model_definition, model.model_definition_id)
        assert (attached.exception() is None) != (deleted.exception() is None)
    for attached in tracking.get_gateway_endpoint(made.endpoint_id).model_mappings:
        assert attached.model_definition is not None
