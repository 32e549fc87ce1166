"""Secrets of the gateway, kept as MLflow's own cryptography wraps them."""

from __future__ import annotations

import json
import uuid
from typing import Any

from mlflow.entities import GatewaySecretInfo
from mlflow.utils.crypto import KEKManager, _decrypt_secret, _encrypt_secret, _mask_secret_value
from mlflow.utils.time import get_current_time_millis
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.tracking.gateway.part import OLDEST_FIRST, GatewayPart, exists, made_by, one_of, origin


class SecretArea(GatewayPart):
    """Secrets of the gateway."""

    def create_gateway_secret(
        self,
        secret_name: str,
        secret_value: dict[str, str],
        provider: str | None = None,
        auth_config: dict[str, Any] | None = None,
        created_by: str | None = None,
    ) -> GatewaySecretInfo:
        """Store a secret, encrypted."""
        secret_id = f"s-{uuid.uuid4().hex}"
        document = {
            "_id": secret_id,
            "ws": self._workspace,
            "name": secret_name,
            "provider": provider,
            "auth": json.dumps(auth_config) if auth_config else None,
            **_encrypted(secret_id, secret_name, secret_value),
            **made_by(created_by),
        }
        try:
            self._collection("gateway_secrets").insert_one(document)
        except DuplicateKeyError:
            raise exists(f"Secret with name '{secret_name}'") from None
        return _info(document)

    def get_secret_info(self, secret_id: str | None = None, secret_name: str | None = None) -> GatewaySecretInfo:
        """Return what may be known of a secret."""
        one_of("secret_id", secret_id, "secret_name", secret_name)
        if secret_id:
            return _info(self._find_secret(secret_id))
        shown = {"secret_name": secret_name}
        return _info(self._find_in_gateway("gateway_secrets", "GatewaySecret", shown, {"name": secret_name}))

    def _find_secret(self, secret_id: str, session: ClientSession | None = None) -> Document:
        shown = {"secret_id": secret_id}
        return self._find_in_gateway("gateway_secrets", "GatewaySecret", shown, {"_id": secret_id}, session)

    def update_gateway_secret(
        self,
        secret_id: str,
        secret_value: dict[str, str] | None = None,
        auth_config: dict[str, Any] | None = None,
        updated_by: str | None = None,
    ) -> GatewaySecretInfo:
        """Change the value or the settings of a secret; empty settings are taken away."""
        found = self._find_secret(secret_id)
        changes: Document = {"updated": get_current_time_millis(), "updated_by": updated_by}
        if secret_value is not None:
            changes |= _encrypted(secret_id, found["name"], secret_value)
        if auth_config is not None:
            changes["auth"] = json.dumps(auth_config) if auth_config else None
        self._collection("gateway_secrets").update_one({"_id": secret_id}, {"$set": changes})
        return _info(self._find_secret(secret_id))

    def delete_gateway_secret(self, secret_id: str) -> None:
        """Delete a secret; the models that used it stay, without one."""

        def delete(session: ClientSession | None) -> None:
            self._find_secret(secret_id, session)
            orphans = {"secret": secret_id}
            self._collection("gateway_models").update_many(orphans, {"$set": {"secret": None}}, session=session)
            self._collection("gateway_secrets").delete_one({"_id": secret_id}, session=session)

        self._transaction(delete)

    def list_secret_infos(self, provider: str | None = None) -> list[GatewaySecretInfo]:
        """Return what may be known of all secrets, or those for a provider."""
        condition = {"ws": self._workspace} | ({} if provider is None else {"provider": provider})
        return [_info(found) for found in self._collection("gateway_secrets").find(condition).sort(OLDEST_FIRST)]

    def _get_decrypted_secret(self, secret_id: str) -> Any:
        found = self._find_secret(secret_id)
        return _decrypt_secret(found["value"], found["key"], KEKManager(), secret_id, found["name"])


def _encrypted(secret_id: str, name: str, value: dict[str, str]) -> Document:
    wrapped = _encrypt_secret(json.dumps(value), KEKManager(), secret_id, name)
    return {
        "value": wrapped.encrypted_value,
        "key": wrapped.wrapped_dek,
        "key_version": wrapped.kek_version,
        "masked": json.dumps(_mask_secret_value(value)),
    }


def _info(document: Document) -> GatewaySecretInfo:
    return GatewaySecretInfo(
        secret_id=document["_id"],
        secret_name=document["name"],
        masked_values=json.loads(document["masked"]),
        provider=document["provider"],
        auth_config=json.loads(document["auth"]) if document["auth"] else None,
        **origin(document),
    )
