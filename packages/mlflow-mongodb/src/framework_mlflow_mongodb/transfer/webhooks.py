"""The copy of webhooks: their secrets are encrypted anew, with the key of this process."""

from __future__ import annotations

from typing import Any

from mlflow.entities.webhook import Webhook

from framework_mlflow_mongodb.registry.store import MongoRegistryStore
from framework_mlflow_mongodb.registry.webhooks import encrypted_secret, event_list
from framework_mlflow_mongodb.transfer.copier import Copier, if_supported
from framework_mlflow_mongodb.transfer.source import Source


def copy_webhooks(source: Source, target: MongoRegistryStore, copier: Copier) -> None:
    """Copy the webhooks of `source`."""
    for webhook in if_supported(source.webhooks):
        _copy(webhook, target, copier)


def _copy(webhook: Webhook, target: MongoRegistryStore, copier: Copier) -> None:
    def write() -> None:
        copier.replace(
            "webhooks",
            {
                "_id": webhook.webhook_id,
                "ws": webhook.workspace,
                "name": webhook.name,
                "url": webhook.url,
                "events": event_list(webhook.events),
                "description": webhook.description,
                "secret": encrypted_secret(webhook.secret),
                "status": webhook.status.value,
                "created": webhook.creation_timestamp,
                "updated": webhook.last_updated_timestamp,
                "deleted": None,
            },
        )

    copier.copy(
        "webhook", webhook.webhook_id, _said(webhook), write, lambda: _said(target.get_webhook(webhook.webhook_id))
    )


def _said(webhook: Webhook) -> Any:
    text = [webhook.name, webhook.url, webhook.description, webhook.secret, webhook.status.value]
    events = sorted(event_list(webhook.events), key=str)
    return [*text, events, webhook.creation_timestamp, webhook.last_updated_timestamp]
