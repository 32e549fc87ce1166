"""What MLflow's users see when MongoDB refuses: MLflow's own exception, in plain words, without credentials."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from bson.errors import BSONError
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    INVALID_STATE,
    NOT_IMPLEMENTED,
    PERMISSION_DENIED,
    RESOURCE_DOES_NOT_EXIST,
    TEMPORARILY_UNAVAILABLE,
    UNAUTHENTICATED,
)
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    DocumentTooLarge,
    ExecutionTimeout,
    InvalidURI,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
)

from framework_mlflow_mongodb.uri import StoreUri

Method = TypeVar("Method", bound=Callable[..., Any])

_AUTHENTICATION_FAILED = {18, 8000}
_UNAUTHORIZED = 13
_NO_SPACE = {14031, 12501}
_inside = threading.local()


def not_found(what: str) -> MlflowException:
    """MLflow's error for something that does not exist."""
    return MlflowException(what, RESOURCE_DOES_NOT_EXIST)


def invalid(what: str) -> MlflowException:
    """MLflow's error for a value that is not allowed."""
    return MlflowException(what, INVALID_PARAMETER_VALUE)


def unsupported(what: str) -> MlflowException:
    """MLflow's error for an area that this store does not have: 501, which clients do not retry."""
    return MlflowException(f"The MongoDB store of MLflow does not support {what}.", NOT_IMPLEMENTED)


def translate(error: Exception, uri: StoreUri) -> MlflowException:
    """Return `error` of the driver as an `MlflowException` that says what to do next."""
    text = uri.hide_secrets(str(error))
    if isinstance(error, OverflowError):
        return invalid(f"A number is outside the 64-bit range of integers: {text}")
    if isinstance(error, (DocumentTooLarge, BSONError, UnicodeEncodeError)):
        return invalid(f"MongoDB cannot store this value: {text}")
    if isinstance(error, OperationFailure):
        code, text = _reason(error, text)
        return _refused(code, uri, uri.hide_secrets(text))
    if isinstance(error, (InvalidURI, ConfigurationError)):
        return invalid(f"{uri} cannot be used: {text}")
    if isinstance(error, (ConnectionFailure, NetworkTimeout, ExecutionTimeout)):
        return MlflowException(
            f"No answer from MongoDB at {uri}: {text.split(', Timeout:')[0]}. "
            f"Is the server running, and is the URI right?",
            TEMPORARILY_UNAVAILABLE,
        )
    return MlflowException(f"MongoDB at {uri} failed: {text}")


def _reason(error: OperationFailure, text: str) -> tuple[int | None, str]:
    """Return the code and the words of a refusal; of a bulk write, those of the first part that was refused."""
    parts = (error.details or {}).get("writeErrors") if isinstance(error, BulkWriteError) else None
    return (parts[0].get("code"), str(parts[0].get("errmsg"))) if parts else (error.code, text)


def _refused(code: int | None, uri: StoreUri, text: str) -> MlflowException:
    if code in _AUTHENTICATION_FAILED:
        return MlflowException(
            f"MongoDB at {uri} refused the user or the password. Check them, and authSource: the database the user "
            f"was created in.",
            UNAUTHENTICATED,
        )
    if code == _UNAUTHORIZED:
        return MlflowException(
            f"The user of {uri} has no right to do this: {text.split(', full error')[0]}. It needs the role "
            f"'readWrite' on the database '{uri.database}'.",
            PERMISSION_DENIED,
        )
    if code in _NO_SPACE:
        return MlflowException(f"The disk of MongoDB at {uri} is full: nothing was written.", INVALID_STATE)
    return MlflowException(f"MongoDB at {uri} refused: {text.split(', full error')[0]}")


def translating(method: Method) -> Method:
    """Wrap a store's method so that errors of the driver leave it as MLflow's.

    The cause is cut off: tracebacks of the driver may show the URI with its credentials. Only the outermost method
    translates: inside, the driver must see its own errors to try a transaction again.
    """

    @functools.wraps(method)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(_inside, "a_method", False):
            return method(self, *args, **kwargs)
        _inside.a_method = True
        try:
            return method(self, *args, **kwargs)
        except (PyMongoError, BSONError, OverflowError, UnicodeEncodeError) as error:
            raise translate(error, self.uri) from None
        finally:
            _inside.a_method = False

    return wrapped  # type: ignore[return-value]
