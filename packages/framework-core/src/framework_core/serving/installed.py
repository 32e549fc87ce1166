"""Whether what serves is installed."""

from __future__ import annotations

from importlib.util import find_spec

from framework_core.errors import MissingPackageError

PACKAGES = ("numpy", "fastapi", "fastapi_offline", "orjson", "prometheus_client", "python_multipart", "uvicorn")
EXTRA = "framework-core[serve]"


def check_installed() -> None:
    """See that what serves is there.

    Raises:
        MissingPackageError: It is not.
    """
    for package in PACKAGES:
        if find_spec(package) is None:
            raise MissingPackageError(package, needed_for="fw serve", requirement=EXTRA)
