"""A tracking server."""

from __future__ import annotations

import base64
import json
import os
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import Request, getproxies, proxy_bypass, urlopen

from framework_core.config.saved import without_credentials
from framework_core.doctor.finding import Finding
from framework_core.doctor.installer import installed_version, pip

LIMIT_SECONDS = 5.0
SEARCH = "/api/2.0/mlflow/experiments/search"
OTHERWISE = "fw train mlops.tracking.uri=URI ..."
CREDENTIALS = "export MLFLOW_TRACKING_USERNAME=USER MLFLOW_TRACKING_PASSWORD=PASSWORD"


def server(uri: str, shown: str) -> Finding:
    """Whether MLflow answers there, in which version, and lets us in.

    Args:
        uri: Its address, credentials included.
        shown: The address for people.
    """
    try:
        version = _asked(uri, "/version").strip()
        _asked(uri, SEARCH, {"max_results": 1})
    except HTTPError as error:
        error.close()
        return _refused(error.code, shown)
    except TimeoutError:
        return _away(shown, f"no answer within {LIMIT_SECONDS:.0f} s", uri)
    except URLError as error:
        late = isinstance(error.reason, TimeoutError)
        return _away(shown, f"no answer within {LIMIT_SECONDS:.0f} s" if late else str(error.reason), uri)
    except (OSError, HTTPException, ValueError) as error:
        return _away(shown, f"{type(error).__name__}: {error}", uri)
    return _compared(version, shown)


def _asked(uri: str, path: str, question: object = None) -> str:
    """What the server answers."""
    parts = urlsplit(uri)
    address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])).rstrip("/") + path
    headers = {"Content-Type": "application/json", **_authorization(parts.username, parts.password)}
    data = None if question is None else json.dumps(question).encode()
    with urlopen(Request(address, data, headers), timeout=LIMIT_SECONDS) as answer:  # noqa: S310  # http, as was asked
        return str(answer.read(100_000).decode("utf-8", "replace"))


def _authorization(user: str | None, password: str | None) -> dict[str, str]:
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    user = unquote(user) if user else os.environ.get("MLFLOW_TRACKING_USERNAME")
    password = unquote(password) if password else os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
    if user:
        return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}
    return {"Authorization": f"Bearer {token}"} if token else {}


def _refused(code: int, shown: str) -> Finding:
    if code in (401, 403):
        return Finding("tracking", "problem", f"{shown} refuses this user and password ({code})", CREDENTIALS)
    if code >= 500:
        return Finding("tracking", "problem", f"{shown} is in trouble itself: it answers with {code}", OTHERWISE)
    return Finding("tracking", "problem", f"{shown} is no MLflow server: it answers with {code}", OTHERWISE)


def _away(shown: str, cause: str, uri: str) -> Finding:
    proxy = getproxies().get(urlsplit(uri).scheme, "")
    through = f" through the proxy {without_credentials(proxy)}" if proxy and not _is_spared(uri) else ""
    mend = f"export no_proxy={urlsplit(uri).hostname}" if through else OTHERWISE
    return Finding("tracking", "problem", f"{shown} does not answer{through}: {cause}", mend)


def _is_spared(uri: str) -> bool:
    return bool(proxy_bypass(urlsplit(uri).hostname or ""))


def _compared(version: str, shown: str) -> Finding:
    own = installed_version("mlflow")
    if own and version.partition(".")[0] != own.partition(".")[0]:
        detail = f"{shown} runs MLflow {version[:20]}, and {own} is installed here"
        return Finding("tracking", "warning", detail, pip("install", f"mlflow=={version[:20]}"))
    return Finding("tracking", "ok", f"{shown} answers: MLflow {version[:20]}")
