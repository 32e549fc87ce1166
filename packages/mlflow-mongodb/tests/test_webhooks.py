"""Webhooks of the registry and their secrets."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from mlflow.entities.webhook import WebhookEvent, WebhookStatus
from mlflow.exceptions import MlflowException

from framework_mlflow_mongodb.registry.store import MongoRegistryStore

MODEL_MADE, VERSION_MADE = map(WebhookEvent.from_str, ["registered_model.created", "model_version.created"])
URL = "https://93.184.216.34/hook"
KEY = "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"


@pytest.fixture
def registry(mongo_uri, monkeypatch):
    monkeypatch.setenv(KEY, Fernet.generate_key().decode())
    return MongoRegistryStore(mongo_uri)


def test_a_webhook_keeps_what_it_is_given(registry):
    made = registry.create_webhook("hook", URL, [MODEL_MADE, VERSION_MADE, MODEL_MADE], "text", "s3cret")
    found = registry.get_webhook(made.webhook_id)
    assert vars(found) == vars(made)
    assert (found.name, found.url, found.description, found.secret) == ("hook", URL, "text", "s3cret")
    assert found.status == WebhookStatus.ACTIVE
    assert list(map(str, found.events)) == ["registered_model.created", "model_version.created"]


def test_the_secret_is_not_readable_in_the_database(registry):
    registry.create_webhook("hook", URL, [MODEL_MADE], secret="s3cret")
    assert "s3cret" not in str(registry._collection("webhooks").find_one())


def test_changing_one_thing_leaves_the_others(registry):
    made = registry.create_webhook("hook", URL, [MODEL_MADE], "text", "s3cret")
    changed = registry.update_webhook(made.webhook_id, status=WebhookStatus.DISABLED)
    assert (changed.status, changed.secret, changed.name) == (WebhookStatus.DISABLED, "s3cret", "hook")
    changed = registry.update_webhook(made.webhook_id, name="other", secret="new", events=[VERSION_MADE])
    assert (changed.status, changed.secret, changed.name) == (WebhookStatus.DISABLED, "new", "other")
    assert list(map(str, changed.events)) == ["model_version.created"]


def test_webhooks_are_listed_by_event_in_pages(registry):
    made = [registry.create_webhook(f"h{n}", URL, [VERSION_MADE if n % 2 else MODEL_MADE]).name for n in range(7)]
    found, token = [], None
    while True:
        page = registry.list_webhooks(max_results=3, page_token=token)
        found += [webhook.name for webhook in page]
        if not (token := page.token):
            break
    assert sorted(found) == made
    assert {webhook.name for webhook in registry.list_webhooks_by_event(VERSION_MADE)} == {"h1", "h3", "h5"}
    with pytest.raises(MlflowException, match="between 1 and 1000"):
        registry.list_webhooks(max_results=1001)


def test_a_deleted_webhook_is_gone_with_its_secret(registry):
    made = registry.create_webhook("hook", URL, [MODEL_MADE], secret="s3cret")
    registry.delete_webhook(made.webhook_id)
    assert list(registry.list_webhooks()) == []
    assert registry._collection("webhooks").find_one()["secret"] is None
    for ask in (registry.get_webhook, registry.delete_webhook, registry.update_webhook):
        with pytest.raises(MlflowException, match="not found") as error:
            ask(made.webhook_id)
        assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_a_secret_of_another_key_is_told_and_can_be_replaced(registry, monkeypatch):
    made = registry.create_webhook("hook", URL, [MODEL_MADE], secret="s3cret")
    monkeypatch.setenv(KEY, Fernet.generate_key().decode())
    with pytest.raises(MlflowException, match=f"'hook' .* was encrypted with another key. Set {KEY}"):
        registry.list_webhooks()
    assert registry.update_webhook(made.webhook_id, secret="new").secret == "new"


def test_without_a_key_the_user_is_warned(registry, monkeypatch, caplog):
    monkeypatch.delenv(KEY)
    made = registry.create_webhook("hook", URL, [MODEL_MADE], secret="s3cret")
    assert f"{KEY} is not set" in caplog.text
    assert "s3cret" not in caplog.text
    assert registry.get_webhook(made.webhook_id).secret == "s3cret"


def test_a_key_that_is_none_is_told(registry, monkeypatch):
    monkeypatch.setenv(KEY, "short")
    with pytest.raises(MlflowException, match=f"{KEY} is no key"):
        registry.create_webhook("hook", URL, [MODEL_MADE], secret="s3cret")


@pytest.mark.parametrize(
    ("name", "url", "events"),
    [("", URL, [MODEL_MADE]), ("hook", "ftp://x.example/", [MODEL_MADE]), ("hook", URL, []), ("hook", URL, None)],
)
def test_bad_webhooks_are_refused(registry, name, url, events):
    with pytest.raises(MlflowException) as error:
        registry.create_webhook(name, url, events)
    assert error.value.error_code == "INVALID_PARAMETER_VALUE"
