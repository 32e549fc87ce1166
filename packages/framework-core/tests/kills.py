"""Kills trainings again and again, and looks whether each ends with the weights of one that was never stopped.

    python kills.py --kills 13 --cells all

Each training is the command ``fw train --resume auto`` in a process of its own, or in two that train together; the
processes are forked from this one, which has imported what takes long to import. Prints a row for each cell.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

COMPONENTS = """
import random

import numpy as np
import torch
from components import Iris, Net


class Noisy(torch.utils.data.Dataset):
    def __init__(self, inner):
        self.inner = inner

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, index):
        inputs, target = self.inner[index]
        return inputs + torch.randn(4) / 10 + random.random() / 10 + float(np.random.rand()) / 10, target


class NoisyIris(Iris):
    in_memory = True

    def setup(self, stage=None):
        super().setup(stage)
        self.train_dataset = Noisy(self.train_dataset)
"""
BASE = (
    "--model=noisy.py:Net",
    "--dataset=noisy.py:NoisyIris",
    "model.drop_rate=0.3",
    "dataset.batch_size=8",
    "trainer.accelerator=cpu",
    "trainer.max_epochs=3",
    "trainer.limit_test_batches=0",
    "trainer.enable_progress_bar=false",
    "checkpoint.every_n_train_steps=2",
    "mlops.tracking.backend=none",
    "mlops.report=false",
    "preflight=false",
    "experiment.run_name=run",
)
VARIANTS = {
    "dropout, augmentation": (),
    "accumulation": ("trainer.accumulate_grad_batches=3",),
    "average": ("averaging.kind=ema",),
    "early stopping": ("early_stopping.patience=2", "early_stopping.monitor=val/loss", "early_stopping.mode=min"),
}
CELLS = list(itertools.product((0, 2), (1, 2), VARIANTS))
"""Loading processes, training processes, and what else takes part."""


class Training:
    """A run in a folder of its own.

    Args:
        folder: Where.
        cell: What it is made of.
    """

    def __init__(self, folder: Path, cell: tuple[int, int, str]) -> None:
        self.folder = folder
        workers, self.ranks, variant = cell
        self.words = ["train", *BASE, f"dataset.num_workers={workers}", *VARIANTS[variant], "--resume", "auto"]
        if self.ranks > 1:
            self.words += ["strategy=ddp", "distributed.enabled=true", f"distributed.devices={self.ranks}"]
        folder.mkdir()
        shutil.copy(Path(__file__).with_name("components.py"), folder)
        (folder / "noisy.py").write_text(COMPONENTS)

    def start(self) -> list[int]:
        """The processes of one more attempt."""
        port = free_port()
        return [self._fork(rank, port) for rank in range(self.ranks)]

    def _fork(self, rank: int, port: int) -> int:
        process = os.fork()
        if process:
            return process
        code = 70
        try:
            os.setpgid(0, 0)
            os.chdir(self.folder)
            sys.path.insert(0, str(self.folder))
            log = os.open(self.folder / f"log{rank}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            if self.ranks > 1:
                self._join(rank, port)
            from framework_core.cli.program import main

            main(self.words)
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        finally:
            os._exit(code)

    def _join(self, rank: int, port: int) -> None:
        facts = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": self.ranks, "LOCAL_WORLD_SIZE": self.ranks}
        facts |= {"GROUP_RANK": 0, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "kills"}
        os.environ.update({name: str(value) for name, value in facts.items()})
        if rank:
            os.environ["FRAMEWORK_RUN_DIRECTORY"] = str(self.folder / "runs" / "run")

    def finish(self) -> float:
        """One attempt to the end; the seconds it took."""
        begun = time.monotonic()
        codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in self.start()]
        if any(codes):
            raise RuntimeError(self._said(codes))
        return time.monotonic() - begun

    def kill(self, after: float) -> tuple[bool, bool]:
        """One attempt, killed; whether it was in time, and whether a checkpoint was being written."""
        processes = self.start()
        time.sleep(after)
        # One that meets the end of another would end by an error of its own, and not be killed.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in processes:
                send_to_group(process, number)
        codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]
        if not set(codes) <= {0, -signal.SIGKILL}:
            raise RuntimeError(self._said(codes))
        return -signal.SIGKILL in codes, bool(list(self.folder.glob("runs/run/checkpoints/.*.writing")))

    def _said(self, codes: list[int]) -> str:
        logs = (self.folder / f"log{rank}" for rank in range(self.ranks))
        return "\n".join([f"exit codes {codes}", *(log.read_text()[-3000:] for log in logs)])

    def weights(self) -> str:
        """A fingerprint of everything in the last checkpoint that training goes on from."""
        from framework_core.tracking.checkpoints import newest
        from framework_core.training.checkpoint_io import read
        from framework_core.verification.witness import digest

        path, _ = newest(self.folder / "runs" / "run" / "checkpoints", thoroughly=True)
        found = read(path)
        parts = (found["state_dict"], found.get("current_model_state"), found["optimizer_states"], found["global_step"])
        loop = found["loops"]["fit_loop"]["state_dict"]
        return hashlib.sha256("".join(map(digest, (*parts, loop["ranks"], loop["metrics"]))).encode()).hexdigest()[:12]


def send_to_group(process: int, number: int) -> None:
    """A signal to a process and those it started."""
    try:
        os.killpg(process, number)
    except ProcessLookupError:
        os.kill(process, number)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def grid(cells: list[tuple[int, int, str]], kills: int, seed: int) -> bool:
    """Kill every cell so often; print a table; whether all ended equal."""
    chance, all_equal, total = random.Random(seed), True, 0
    print(f"{'workers':>7} {'ranks':>5}  {'variant':<22} {'kills':>5} {'writing':>7} {'equal':>5}", flush=True)
    for cell in cells:
        with tempfile.TemporaryDirectory() as folder:
            straight = Training(Path(folder) / "straight", cell)
            seconds, whole = straight.finish(), straight.weights()
            killed = Training(Path(folder) / "killed", cell)
            done = writing = 0
            for _ in range(4 * kills):
                if done == kills:
                    break
                in_time, in_writing = killed.kill(chance.uniform(0.3, 1.0) * seconds)
                if not in_time:
                    # It had ended: from the start again, and sooner.
                    shutil.rmtree(killed.folder / "runs")
                    seconds *= 0.9
                    continue
                done, writing = done + 1, writing + in_writing
            killed.finish()
            equal = killed.weights() == whole
        all_equal, total = all_equal and equal, total + done
        workers, ranks, variant = cell
        print(
            f"{workers:>7} {ranks:>5}  {variant:<22} {done:>5} {writing:>7} {'yes' if equal else 'NO':>5}", flush=True
        )
    asked = kills * len(cells)
    print(f"{total} of {asked} kills, {'every end equal' if all_equal else 'NOT ALL EQUAL'}", flush=True)
    return all_equal and total == asked


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=13)
    parser.add_argument("--cells", default="all", help="all, or their numbers: 0,5")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    cells = CELLS if asked.cells == "all" else [CELLS[int(number)] for number in asked.cells.split(",")]
    import framework_core.run  # noqa: F401  # once, for every process that is forked

    sys.exit(0 if grid(cells, asked.kills, asked.seed) else 1)


if __name__ == "__main__":
    main()
