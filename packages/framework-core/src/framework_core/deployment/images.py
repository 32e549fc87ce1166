"""An exported model with what builds a container image of a server for it, and what KServe runs it by."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points, packages_distributions, version
from pathlib import Path
from typing import Any

import yaml

from framework_core.plugins.discovery import PLUGIN_GROUP

PORT, USER = 8080, 10001
MODEL, DOCKERFILE, SERVICE = "model", "Dockerfile", "inference-service.yaml"
REQUIREMENTS, ALONE = "requirements.txt", "requirements-alone.txt"
READY, LIVE = "/v2/health/ready", "/v2/health/live"

_DOCKERFILE = """\
# A server of {model}, trained in run {run}. Build it: docker build -t {image} .
FROM python:{python}-slim

COPY {requirements} {alone} ./
# The second file has packages whose other parts train: what they need for that is left out.
RUN pip install --no-cache-dir -r {requirements} && pip install --no-cache-dir --no-deps -r {alone}

RUN useradd --no-create-home --uid {user} server
USER {user}
WORKDIR /srv
COPY {folder} {folder}

EXPOSE {port}
HEALTHCHECK CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:{port}{ready}', timeout=5)"]
# Keys: docker run -e FW_SERVE_KEYS=KEY
ENTRYPOINT ["fw", "serve", "{folder}", "--host", "0.0.0.0", "--port", "{port}"]
"""


def write_dockerfile(folder: Path, about: Mapping[str, Any], image: str) -> None:
    """A Dockerfile beside the exported model, and what it installs: nothing of training.

    Args:
        folder: Where; the model is in its folder ``model``.
        about: What the export says of itself.
        image: The name of the image.
    """
    needed, alone = requirements_of(about)
    (folder / REQUIREMENTS).write_text("".join(f"{each}\n" for each in needed), encoding="utf-8")
    (folder / ALONE).write_text("".join(f"{each}\n" for each in alone), encoding="utf-8")
    (folder / ".dockerignore").write_text(f"*\n!{MODEL}\n!{REQUIREMENTS}\n!{ALONE}\n", encoding="utf-8")
    text = _DOCKERFILE.format(
        model=about["model"],
        run=about["run"],
        image=image,
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        requirements=REQUIREMENTS,
        alone=ALONE,
        user=USER,
        folder=MODEL,
        port=PORT,
        ready=READY,
    )
    (folder / DOCKERFILE).write_text(text, encoding="utf-8")


def write_inference_service(folder: Path, about: Mapping[str, Any], image: str) -> None:
    """An InferenceService of KServe that runs the image (https://kserve.github.io/website, custom predictors).

    Args:
        folder: Where.
        about: What the export says of itself.
        image: The name of the image.
    """
    service = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": kubernetes_name(str(about["model"])),
            "annotations": {"framework-core/run": str(about["run_id"]), "framework-core/task": str(about["task"])},
        },
        "spec": {
            "predictor": {
                "containers": [
                    {
                        "name": "kserve-container",
                        "image": image,
                        "ports": [{"containerPort": PORT, "protocol": "TCP"}],
                        "readinessProbe": {"httpGet": {"path": READY, "port": PORT}, "periodSeconds": 5},
                        "livenessProbe": {"httpGet": {"path": LIVE, "port": PORT}, "periodSeconds": 10},
                        "resources": {"requests": {"cpu": "1", "memory": "512Mi"}, "limits": {"memory": "2Gi"}},
                        "securityContext": {"runAsUser": USER, "allowPrivilegeEscalation": False},
                    }
                ]
            }
        },
    }
    text = f"# Apply it: kubectl apply -f {SERVICE}\n{yaml.safe_dump(service, sort_keys=False)}"
    (folder / SERVICE).write_text(text, encoding="utf-8")


def requirements_of(about: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """What a server of an export installs: whole packages, and those that are installed without what they depend on.

    Args:
        about: What the export says of itself.
    """
    needed = {f"framework-core[serve]=={about['framework_version']}"}
    alone = set()
    for processing in (about["preprocessing"], about["postprocessing"]):
        if processing is None:
            continue
        needed |= set(processing["requirements"])
        package = re.split("[.:]", processing["builder"])[0]
        if package != __name__.partition(".")[0]:
            alone |= _distributions_of(package)
    return sorted(needed), sorted(alone)


def _distributions_of(package: str) -> set[str]:
    """What is installed to have a package, with its version: what lists it among its files, or offers plugins in it."""
    offering = {
        each.dist.name
        for each in entry_points(group=PLUGIN_GROUP)
        if each.dist and re.split("[.:]", each.value)[0] == package
    }
    return {f"{name}=={version(name)}" for name in {*packages_distributions().get(package, ()), *offering}}


def kubernetes_name(text: str) -> str:
    """A name as Kubernetes takes it: small letters, digits and hyphens, a letter first, 63 at most."""
    name = re.sub(r"[^a-z0-9]+", "-", text.rpartition(":")[2].lower()).strip("-")
    return (name if name[:1].isalpha() else f"model-{name}")[:63].rstrip("-")
