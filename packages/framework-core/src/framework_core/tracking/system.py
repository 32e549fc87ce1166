"""What a run uses of the machine: processor, memory, disk, network, GPU."""

from __future__ import annotations

from typing import Any

from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor


class SystemMetrics:
    """MLflow's own monitors, read when asked, under the names its page shows as system metrics."""

    def __init__(self) -> None:
        self._monitors: list[Any] = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
        try:
            self._monitors.append(GPUMonitor())
        except Exception:  # noqa: BLE001  # MLflow raises whatever the missing driver raises
            self._monitors = self._monitors[:3]

    def sample(self) -> dict[str, float]:
        """The use since the last sample."""
        found: dict[str, float] = {}
        for monitor in self._monitors:
            monitor.collect_metrics()
            found |= {f"system/{name}": float(value) for name, value in monitor.aggregate_metrics().items()}
            monitor.clear_metrics()
        return found
