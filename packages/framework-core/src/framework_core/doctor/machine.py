"""Processor, memory and the limits that a container or a shell sets."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from framework_core.doctor.finding import Finding

GIB = 2**30
LITTLE_MEMORY = 1 * GIB
LITTLE_SHARED_MEMORY = 512 * 2**20
FEW_FILES = 1024
CONTROL_GROUPS = Path("/sys/fs/cgroup")
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # where the system keeps it


def machine() -> Iterator[Finding]:
    """Cores and memory, open files, and the shared memory that loading workers pass batches through."""
    yield _processor()
    yield from _memory()
    yield from _open_files()
    yield from _shared_memory()


def usable_cores() -> int:
    """The cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> Finding:
    cores, allowed = usable_cores(), _core_quota()
    if allowed is None or allowed >= cores:
        return Finding("machine", "ok", f"{cores} core{'s' if cores > 1 else ''}")
    detail = f"{cores} cores, and the container may use {allowed:g} of them"
    if allowed <= cores / 2 and "OMP_NUM_THREADS" not in os.environ:
        threads = max(1, int(allowed))
        wait = f"{detail}: torch would start {cores} threads that wait for one another"
        return Finding("machine", "warning", wait, f"export OMP_NUM_THREADS={threads}")
    return Finding("machine", "ok", detail)


def _core_quota() -> float | None:
    """How many cores the container may use; ``None`` where nothing limits them."""
    words = _control_group("", "cpu.max").split()
    if len(words) == 2:
        quota, period = words
    else:
        quota, period = (_control_group("cpu", f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    if quota.isdigit() and period.isdigit() and int(quota) and int(period):
        return int(quota) / int(period)
    return None


def _memory() -> Iterator[Finding]:
    available, total = _memory_of_the_machine()
    if not total:
        return
    limit = _control_group("", "memory.max") or _control_group("memory", "memory.limit_in_bytes")
    used = _control_group("", "memory.current") or _control_group("memory", "memory.usage_in_bytes")
    limited = limit.isdigit() and int(limit) < total
    if limited:
        total = int(limit)
        available = min(available, total - int(used or 0)) if used.isdigit() else min(available, total)
    where = " that the container may use" if limited else ""
    detail = f"{available / GIB:.1f} of {total / GIB:.1f} GiB of memory{where} are free"
    if available < LITTLE_MEMORY:
        yield Finding("machine", "warning", detail, "ps aux --sort=-rss | head  # what uses it")
    else:
        yield Finding("machine", "ok", detail)


def _memory_of_the_machine() -> tuple[int, int]:
    """Bytes available and in all; zeros where the system does not say."""
    facts = {}
    for line in _text(Path("/proc/meminfo")).splitlines():
        name, _, value = line.partition(":")
        facts[name] = value
    if "MemAvailable" in facts and "MemTotal" in facts:
        return tuple(int(facts[name].split()[0]) * 1024 for name in ("MemAvailable", "MemTotal"))  # type: ignore[return-value]
    return 0, 0


def _control_group(controller: str, name: str) -> str:
    """A limit of the container: of this process's own group, else of the topmost one."""
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            own = _text(CONTROL_GROUPS / controller / path.strip("/") / name)
            return own or _text(CONTROL_GROUPS / controller / name)
    return ""


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError:
        return ""


def _open_files() -> Iterator[Finding]:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < FEW_FILES:
        detail = f"{soft} files may be open at once; loading workers and the tracking store need more"
        yield Finding("machine", "warning", detail, "ulimit -n 4096")


def _shared_memory() -> Iterator[Finding]:
    if not SHARED_MEMORY.is_dir():
        return
    total = shutil.disk_usage(SHARED_MEMORY).total
    if total < LITTLE_SHARED_MEMORY:
        detail = (
            f"{SHARED_MEMORY} has {total / 2**20:.0f} MiB; loading workers pass batches through it and die when it "
            "is full. Start the container with --shm-size=8g, or train without workers"
        )
        yield Finding("machine", "warning", detail, "fw train dataset.num_workers=0 ...")
