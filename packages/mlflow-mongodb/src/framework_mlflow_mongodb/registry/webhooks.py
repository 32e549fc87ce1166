"""Webhooks, their secrets encrypted."""

from __future__ import annotations

import functools
import logging
import uuid

from cryptography.fernet import Fernet, InvalidToken
from mlflow.entities.webhook import Webhook, WebhookAction, WebhookEntity, WebhookEvent, WebhookStatus
from mlflow.environment_variables import MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_STATE
from mlflow.store.entities.paged_list import PagedList
from mlflow.utils.time import get_current_time_millis
from mlflow.utils.validation import _validate_webhook_events, _validate_webhook_name, _validate_webhook_url

from framework_mlflow_mongodb.base import MongoStore
from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import invalid, not_found
from framework_mlflow_mongodb.search.conditions import Condition
from framework_mlflow_mongodb.search.paging import Page, SortKey, values_of

_KEY_VARIABLE = "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"
_NEWEST_FIRST = [
    SortKey("created", ascending=False, never_missing=True),
    SortKey("_id", never_missing=True),
]
_DEFAULT_RESULTS, _MOST_RESULTS = 100, 1000
_logger = logging.getLogger(__name__)


class WebhookArea(MongoStore):
    """Webhooks of the registry."""

    def create_webhook(
        self,
        name: str,
        url: str,
        events: list[WebhookEvent],
        description: str | None = None,
        secret: str | None = None,
        status: WebhookStatus | None = None,
    ) -> Webhook:
        """Create a webhook, active unless `status` says otherwise."""
        _validate_webhook_name(name)
        _validate_webhook_url(url)
        _validate_webhook_events(events)
        now = get_current_time_millis()
        document = {
            "_id": str(uuid.uuid4()),
            "ws": self._workspace,
            "name": name,
            "url": url,
            "events": event_list(events),
            "description": description,
            "secret": encrypted_secret(secret),
            "status": (status or WebhookStatus.ACTIVE).value,
            "created": now,
            "updated": now,
            "deleted": None,
        }
        self._collection("webhooks").insert_one(document)
        return _webhook(document)

    def get_webhook(self, webhook_id: str) -> Webhook:
        """Return the webhook."""
        found = self._collection("webhooks").find_one(self._one_webhook(webhook_id))
        if found is None:
            raise _no_webhook(webhook_id)
        return _webhook(found)

    def _one_webhook(self, webhook_id: str) -> Condition:
        return {"_id": webhook_id, "ws": self._workspace, "deleted": None}

    def list_webhooks(self, max_results: int | None = None, page_token: str | None = None) -> PagedList[Webhook]:
        """Return a page of the webhooks, the newest first."""
        return self._webhook_page({}, max_results, page_token)

    def list_webhooks_by_event(
        self, event: WebhookEvent, max_results: int | None = None, page_token: str | None = None
    ) -> PagedList[Webhook]:
        """Return a page of the webhooks that want to hear of `event`, the newest first."""
        return self._webhook_page({"events": {"$in": event_list([event])}}, max_results, page_token)

    def _webhook_page(
        self, condition: Condition, max_results: int | None, page_token: str | None
    ) -> PagedList[Webhook]:
        limit = max_results or _DEFAULT_RESULTS
        if not 1 <= limit <= _MOST_RESULTS:
            raise invalid(f"max_results must be between 1 and {_MOST_RESULTS}.")
        page = Page.parse(page_token)
        own = {"ws": self._workspace, "deleted": None}
        stages = [{"$match": {**own, **condition}}, *page.stages(_NEWEST_FIRST, limit)]
        rows = list(self._collection("webhooks").aggregate(stages))
        token = page.token(limit, values_of(rows[limit - 1], _NEWEST_FIRST)) if len(rows) > limit else None
        return PagedList([_webhook(row) for row in rows[:limit]], token)

    def update_webhook(
        self,
        webhook_id: str,
        name: str | None = None,
        description: str | None = None,
        url: str | None = None,
        events: list[WebhookEvent] | None = None,
        secret: str | None = None,
        status: WebhookStatus | None = None,
    ) -> Webhook:
        """Change what is given; the rest stays as it is."""
        change = {"updated": get_current_time_millis()}
        found = self._collection("webhooks").find_one(self._one_webhook(webhook_id), {"_id": 1})
        if found is None:
            raise _no_webhook(webhook_id)
        if name is not None:
            _validate_webhook_name(name)
            change["name"] = name
        if url is not None:
            _validate_webhook_url(url)
            change["url"] = url
        if events is not None:
            _validate_webhook_events(events)
            change["events"] = event_list(events)
        if description is not None:
            change["description"] = description
        if secret is not None:
            change["secret"] = encrypted_secret(secret)
        if status is not None:
            change["status"] = status.value
        self._change_webhook(webhook_id, change)
        return self.get_webhook(webhook_id)

    def delete_webhook(self, webhook_id: str) -> None:
        """Delete the webhook; its secret is forgotten."""
        now = get_current_time_millis()
        self._change_webhook(webhook_id, {"deleted": now, "updated": now, "secret": None})

    def _change_webhook(self, webhook_id: str, change: Document) -> None:
        changed = self._collection("webhooks").update_one(self._one_webhook(webhook_id), {"$set": change})
        if not changed.matched_count:
            raise _no_webhook(webhook_id)


def event_list(events: list[WebhookEvent]) -> list[Document]:
    """Return events as a webhook keeps them."""
    unique = dict.fromkeys((event.entity.value, event.action.value) for event in events)
    return [{"entity": entity, "action": action} for entity, action in unique]


def _webhook(document: Document) -> Webhook:
    return Webhook(
        webhook_id=document["_id"],
        name=document["name"],
        url=document["url"],
        events=[WebhookEvent(WebhookEntity(one["entity"]), WebhookAction(one["action"])) for one in document["events"]],
        creation_timestamp=document["created"],
        last_updated_timestamp=document["updated"],
        workspace=document["ws"],
        description=document["description"],
        status=WebhookStatus(document["status"]),
        secret=_decrypt(document),
    )


def _no_webhook(webhook_id: str) -> MlflowException:
    return not_found(f"Webhook with ID {webhook_id} not found.")


def encrypted_secret(secret: str | None) -> str | None:
    """Return a secret as a webhook keeps it."""
    if secret is None:
        return None
    if not MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY.get():
        _logger.warning(
            "%s is not set: the secret of this webhook can be read by this process only. Set it to the output of "
            'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"',
            _KEY_VARIABLE,
        )
    return _cipher().encrypt(secret.encode()).decode()


def _decrypt(document: Document) -> str | None:
    if document["secret"] is None:
        return None
    try:
        return _cipher().decrypt(document["secret"].encode()).decode()
    except InvalidToken:
        raise MlflowException(
            f"The secret of webhook '{document['name']}' (ID {document['_id']}) was encrypted with another key. Set "
            f"{_KEY_VARIABLE} to that key, or delete the webhook or give it a new secret.",
            INVALID_STATE,
        ) from None


def _cipher() -> Fernet:
    key = MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY.get()
    if not key:
        return Fernet(_key_of_this_process())
    try:
        return Fernet(key)
    except ValueError as error:
        raise MlflowException(f"{_KEY_VARIABLE} is no key: {error}", INVALID_STATE) from None


@functools.cache
def _key_of_this_process() -> bytes:
    return Fernet.generate_key()
