"""What the process of `mlflow server` must be told about a MongoDB backend."""

from __future__ import annotations

import os
import sys
from typing import Any

from mlflow.exceptions import MlflowException

from framework_mlflow_mongodb.uri import SCHEMES, redact


def hide_credentials_in_job_warning() -> None:
    """Keep MLflow from printing the backend URI with its password.

    MLflow runs jobs on SQL backends only, and its warning about any other backend quotes the whole URI. There is no
    hook for this, so the check itself is replaced, once, in the processes that have MLflow's server loaded.
    """
    if "mlflow.server" not in sys.modules:
        return
    from mlflow.server.constants import BACKEND_STORE_URI_ENV_VAR
    from mlflow.server.jobs import utils

    original = utils._check_requirements
    if getattr(original, "knows_mongodb", False):
        return

    def check(backend_store_uri: str | None = None) -> Any:
        uri = backend_store_uri or os.environ.get(BACKEND_STORE_URI_ENV_VAR, "")
        if uri.split(":", 1)[0] in SCHEMES:
            raise MlflowException(f"jobs of the server need a SQL backend, and this is {redact(uri)}")
        return original(backend_store_uri)

    check.knows_mongodb = True  # type: ignore[attr-defined]
    utils._check_requirements = check
