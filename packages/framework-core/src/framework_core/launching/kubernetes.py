"""A JobSet (https://jobset.sigs.k8s.io): an indexed Job with a pod on each node, which reach each other by name."""

from __future__ import annotations

from typing import Any

import yaml

from framework_core.launching.job import Job

PORT, GROUP, FOLDER = 29400, "node", "/work"
GRACE_SECONDS = 60
"""Longer than a run takes to end with a checkpoint (``faults.stop_seconds``), and torchrun to wait for it."""

STARTS = 20
"""How often the whole is started again when a node is lost."""


def kubernetes(job: Job) -> str:
    """The JobSet of a job."""
    kind = {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": {"name": job.name},
        "spec": {
            "network": {"enableDNSHostnames": True, "subdomain": job.name, "publishNotReadyAddresses": True},
            "failurePolicy": {"maxRestarts": STARTS},
            "replicatedJobs": [{"name": GROUP, "replicas": 1, "template": {"spec": _nodes(job)}}],
        },
    }
    text = yaml.safe_dump(kind, sort_keys=False, width=1000)
    return f"# Start it: kubectl apply -f FILE. It needs JobSet in the cluster (https://jobset.sigs.k8s.io).\n{text}"


def _nodes(job: Job) -> dict[str, Any]:
    return {
        "completionMode": "Indexed",
        "completions": job.nodes,
        "parallelism": job.nodes,
        "backoffLimit": 0,
        "template": {
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": GRACE_SECONDS,
                "containers": [_container(job)],
                "volumes": [
                    {"name": "work", "persistentVolumeClaim": {"claimName": job.storage}},
                    # Loading processes hand batches on in shared memory, of which a container has 64 MiB.
                    {"name": "shared-memory", "emptyDir": {"medium": "Memory"}},
                ],
            }
        },
    }


def _container(job: Job) -> dict[str, Any]:
    first = f"{job.name}-{GROUP}-0-0.{job.name}:{PORT}"
    gpus = {"resources": {"limits": {"nvidia.com/gpu": job.devices}}} if job.gpus else {}
    return {
        "name": "train",
        "image": job.image,
        "command": job.torchrun(rdzv_id=job.name, endpoint=first),
        "workingDir": FOLDER,
        "env": [{"name": "OMP_NUM_THREADS", "value": "1"}, {"name": "FRAMEWORK_JOB", "value": job.name}],
        "ports": [{"containerPort": PORT}],
        **gpus,
        "volumeMounts": [
            {"name": "work", "mountPath": FOLDER},
            {"name": "shared-memory", "mountPath": "/dev/shm"},  # noqa: S108  # where Linux has it
        ],
    }
