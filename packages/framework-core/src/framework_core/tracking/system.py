"""What a run uses of the machine: processor, memory, disk, network, GPU."""

from __future__ import annotations

import logging
from typing import Any

from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

_log = logging.getLogger("framework_core")


class SystemMetrics:
    """MLflow's own monitors, read when asked, under the names its page shows as system metrics."""

    def __init__(self) -> None:
        always: list[Any] = [CPUMonitor, DiskMonitor, NetworkMonitor]
        self._monitors = [monitor() for monitor in always]
        gpu: Any = GPUMonitor
        try:
            self._monitors.append(gpu())
        except Exception as error:  # noqa: BLE001  # MLflow raises whatever the missing driver raises
            _log.debug("No GPU is watched: %s", error)

    def sample(self) -> dict[str, float]:
        """The use since the last sample of this thread; what the first one tells of the processor means nothing."""
        found: dict[str, float] = {}
        for monitor in self._monitors:
            monitor.collect_metrics()
            found |= {f"system/{name}": float(value) for name, value in monitor.aggregate_metrics().items()}
            monitor.clear_metrics()
        return found
