"""Windows over series, from memory to a batch; and training of the same network, against neuralforecast and darts.

    python benchmarks/timeseries_windows.py                     both parts, three interleaved rounds
    python benchmarks/timeseries_windows.py windows --rounds 5  the first part
    python benchmarks/timeseries_windows.py training --peers PYTHON
    python benchmarks/timeseries_windows.py --what 100000 nhits --against neuralforecast

`windows` takes batches of 1,024 training windows of 48 steps and the 12 that follow, in random order, from 1 series of
100,000 steps, 1,000 of 1,000 and 100,000 of 100, as the loader of each library has them ready for its network:
`framework` the loader of its datamodule; `darts` that of its TorchDataModule on a SequentialTorchTrainingDataset;
`neuralforecast` its loader of series (32 a batch, as it comes) and what its models make of such a batch in each step:
windows that are cut, drawn, normalised and parsed. The time from series in memory to the first batch, without
imports, is told apart.

`training` trains N-HiTS and PatchTST of the same sizes on the same windows in batches of 256, with Adam and the
absolute error, each trainer else as it comes: `framework` is `fw train` with tracking and checkpoints. Measured are
training steps 11 to 60, loading with them; the number of weights is shown beside.

Every measurement is a process of its own, with one thread. Where the peers need other versions than the framework, they
are in an environment of their own, and `--peers` is its Python. A ratio is taken inside its round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
SHAPES = {1: 100_000, 1_000: 1_000, 100_000: 100}
LOOK_BACK, HORIZON, BATCH, SECONDS = 48, 12, 1024, 3.0
STEPS, SKIPPED, SMALL_BATCH = 60, 10, 256
TRAINED = {"look_back": 96, "horizon": 24}


def values(count: int, steps: int) -> Any:
    """Waves with noise, ``(series, steps)``."""
    import numpy as np

    random = np.random.default_rng(0)
    time_axis = np.arange(steps)[None]
    wave = np.sin(2 * np.pi * (time_axis + np.arange(count)[:, None]) / 24)
    return (10 + wave + random.normal(0, 0.1, (count, steps))).astype("float32")


def framework_batches(count: int, steps: int) -> Iterator[int]:
    """The training loader of a datamodule; how many windows each batch has, after a 0 when all is imported."""
    import numpy as np

    from framework_plugins_timeseries import BaseTimeSeriesDataModule
    from framework_plugins_timeseries.series import Series, SeriesSet

    yield 0

    class Waves(BaseTimeSeriesDataModule):
        def read_series(self) -> SeriesSet:
            table, stamps = values(count, steps).astype(float), np.arange(steps)
            return SeriesSet([Series(str(n), stamps, row[:, None]) for n, row in enumerate(table)], ("y",))

    module = Waves(look_back=LOOK_BACK, horizon=HORIZON, batch_size=BATCH, val_size=0, test_size=0)
    module.setup("fit")
    while True:
        for inputs, _ in module.train_dataloader():
            yield len(inputs)


def darts_batches(count: int, steps: int) -> Iterator[int]:
    """The training loader of darts' data module."""
    from darts import TimeSeries
    from darts.models.forecasting.torch_forecasting_model import _batch_collate_fn_train
    from darts.utils.data.torch_datasets._data_module import TorchDataModule
    from darts.utils.data.torch_datasets.training_dataset import SequentialTorchTrainingDataset

    yield 0
    series = [TimeSeries.from_values(row[:, None]) for row in values(count, steps)]
    dataset = SequentialTorchTrainingDataset(series, input_chunk_length=LOOK_BACK, output_chunk_length=HORIZON)
    module = TorchDataModule(dataset, batch_size=BATCH, collate_fn=_batch_collate_fn_train)
    while True:
        for batch in module.train_dataloader():
            yield len(batch.past_target)


def neuralforecast_batches(count: int, steps: int) -> Iterator[int]:
    """The training loader of neuralforecast, and what its models do with a batch before their network."""
    import numpy as np
    import pandas as pd
    import torch
    from neuralforecast.models import NHITS
    from neuralforecast.tsdataset import TimeSeriesDataModule, TimeSeriesDataset

    yield 0
    names = np.repeat(np.arange(count), steps)
    frame = pd.DataFrame(
        {"unique_id": names, "ds": np.tile(np.arange(steps), count), "y": values(count, steps).ravel()}
    )
    dataset = TimeSeriesDataset.from_df(frame)[0]
    model = NHITS(h=HORIZON, input_size=LOOK_BACK, windows_batch_size=BATCH)
    model.val_size = model.test_size = 0
    module = TimeSeriesDataModule(dataset, batch_size=32)
    while True:
        for batch in module.train_dataloader():
            cut, static, static_cols, usable, weights, columns = model._create_windows(batch, step="train")
            if len(usable) < BATCH:
                chosen = torch.randint(0, len(usable), size=(BATCH,))
            else:
                chosen = torch.randperm(len(usable))[:BATCH]
            windows = model._sample_windows(
                windows_temporal=cut,
                static=static,
                static_cols=static_cols,
                temporal_cols=columns,
                w_idxs=chosen,
                final_condition=usable,
                sample_weight=weights,
            )
            inputs, *_ = model._parse_windows(batch, model._normalization(windows=windows, y_idx=batch["y_idx"]))
            yield len(inputs)


def measure_windows(batches: Iterator[int]) -> dict[str, float]:
    """Seconds from the imports to the first batch, and windows a second of the processor's time after it."""
    next(batches)
    began = time.process_time()
    next(batches)
    ready = time.process_time() - began
    windows, began, until = 0, time.process_time(), time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        windows += next(batches)
    return {"windows_per_second": windows / (time.process_time() - began), "ready": ready}


class Watch:
    """Processor and wall time of the steps between the first few and the last."""

    def __init__(self) -> None:
        self.began = (0.0, 0.0)
        self.took: dict[str, float] = {}

    def seen(self, step: int) -> None:
        """A step has ended."""
        if step == SKIPPED:
            self.began = time.process_time(), time.perf_counter()
        if step == STEPS:
            cpu, wall = self.began
            self.took = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


def table(folder: Path) -> Path:
    """Seven series of 4,000 hours, long."""
    import numpy as np
    import pandas as pd

    rows = values(7, 4_000)
    stamps = pd.date_range("2024-01-01", periods=rows.shape[1], freq="h")
    frame = pd.DataFrame({"unique_id": np.repeat(np.arange(7), len(stamps)), "ds": np.tile(stamps, 7)})
    frame["y"] = rows.ravel()
    frame.to_csv(folder / "waves.csv", index=False)
    return folder / "waves.csv"


# neuralforecast counts the layers behind the first, and each of its blocks gives every step of the look-back a number.
SIZES = {
    "nhits": ["model.pooling=[2,2,1]", "model.downsampling=[4,2,1]", "model.width=512", "model.layers=4"],
    "patchtst": [
        "model.width=16",
        "model.depth=3",
        "model.heads=4",
        "model.feed_forward=128",
        "model.drop_rate=0.3",
        "model.patch_size=16",
        "model.patch_stride=8",
    ],
}


def framework_training(name: str, folder: Path) -> dict[str, float]:
    """``fw train``."""
    from lightning.pytorch import Callback

    import framework_core

    watch, weights = Watch(), list[int]()

    class Seen(Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            watch.seen(trainer.global_step)

        def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
            weights.append(sum(each.numel() for each in pl_module.parameters() if each.requires_grad))

    os.chdir(folder)
    settings = [
        f"model={name}",
        "model.loss=mae",
        *SIZES[name],
        "dataset=series_table",
        f"dataset.path={table(folder)}",
    ]
    settings += [f"dataset.{key}={value}" for key, value in TRAINED.items()]
    settings += [
        f"dataset.batch_size={SMALL_BATCH}",
        "optimizer=adam",
        "optimizer.lr=0.001",
        f"trainer.max_steps={STEPS}",
    ]
    config = framework_core.compose([*settings, "trainer.accelerator=cpu"]).config
    framework_core.train(config, callbacks=[Seen()])
    return {**watch.took, "weights": weights[0]}


def neuralforecast_training(name: str, folder: Path) -> dict[str, float]:
    """``NeuralForecast.fit``."""
    import pandas as pd
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MAE
    from neuralforecast.models import NHITS, PatchTST
    from pytorch_lightning import Callback

    watch = Watch()

    class Seen(Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            watch.seen(trainer.global_step)

    frame = pd.read_csv(table(folder), parse_dates=["ds"])
    os.chdir(folder)
    common = {"h": TRAINED["horizon"], "input_size": TRAINED["look_back"], "loss": MAE(), "learning_rate": 1e-3}
    common |= {"max_steps": STEPS, "windows_batch_size": SMALL_BATCH, "callbacks": [Seen()], "accelerator": "cpu"}
    if name == "nhits":
        model = NHITS(**common, n_pool_kernel_size=[2, 2, 1], n_freq_downsample=[4, 2, 1], mlp_units=3 * [[512, 512]])
    else:
        sizes = {"hidden_size": 16, "encoder_layers": 3, "n_heads": 4, "linear_hidden_size": 128, "dropout": 0.3}
        sizes |= {"fc_dropout": 0.0, "patch_len": 16, "stride": 8, "batch_normalization": True}
        model = PatchTST(**common, **sizes, revin_subtract_last=False)
    trainer = NeuralForecast(models=[model], freq="h", local_scaler_type="standard")
    trainer.fit(frame)
    weights = sum(each.numel() for each in trainer.models[0].parameters() if each.requires_grad)
    return {**watch.took, "weights": weights}


WINDOWS: dict[str, Callable[[int, int], Iterator[int]]] = {
    "framework": framework_batches,
    "neuralforecast": neuralforecast_batches,
    "darts": darts_batches,
}
TRAINING: dict[str, Callable[[str, Path], dict[str, float]]] = {
    "framework": framework_training,
    "neuralforecast": neuralforecast_training,
}


def one(part: str, who: str, what: str) -> dict[str, float]:
    """A single measurement, in this process."""
    import torch

    torch.set_num_threads(1)
    # Libraries talk on standard output, which is for the answer here.
    with redirect_stdout(sys.stderr), tempfile.TemporaryDirectory() as folder:
        try:
            if part == "windows":
                return measure_windows(WINDOWS[who](int(what), SHAPES[int(what)]))
            return TRAINING[who](what, Path(folder))
        finally:
            os.chdir("/")


def measured(part: str, who: str, what: str, python: str) -> dict[str, float]:
    """The same in a process of its own."""
    command = [python, str(HERE), part, "--one", who, what]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"{who} failed on {what}:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def compare(part: str, whats: list[str], whos: list[str], rounds: int, peers: str) -> None:
    """Interleaved rounds, and a table of medians."""
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    for _ in range(rounds):
        for what in whats:
            for who in whos:
                python = sys.executable if who == "framework" else peers
                result = measured(part, who, what, python)
                found.setdefault((what, who), []).append(result)
                print(f"  {what} {who} {result}", file=sys.stderr, flush=True)
    key = "windows_per_second" if part == "windows" else "cpu"
    columns = ("windows/s", "ready, s") if part == "windows" else ("CPU ms a step", "weights")
    print(f"\n| {part} | trainer | {columns[0]} | framework is faster by | {columns[1]} |\n|---|---|---|---|---|")
    for what in whats:
        for who in whos:
            rows, own = found[what, who], found[what, "framework"]
            pairs = [(a[key], b[key]) for a, b in zip(own, rows, strict=True)]
            ratio = statistics.median(a / b if part == "windows" else b / a for a, b in pairs)
            middle = statistics.median(row[key] for row in rows)
            shown = f"{middle:,.0f}" if part == "windows" else f"{1000 * middle / (STEPS - SKIPPED):.1f}"
            other = statistics.median(row["ready" if part == "windows" else "weights"] for row in rows)
            last = f"{other:.1f}" if part == "windows" else f"{other:,.0f}"
            print(f"| {what} | {who} | {shown} | {ratio:.2f} | {last} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", nargs="?", choices=("windows", "training"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default=sys.executable, help="Python of the environment that has the peers")
    parser.add_argument("--what", nargs="+", metavar="WHAT", help="only these: 1, 1000, 100000, nhits, patchtst")
    parser.add_argument("--against", nargs="+", choices=("neuralforecast", "darts"), help="only these peers")
    parser.add_argument("--one", nargs=2, metavar=("WHO", "WHAT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        result = one(given.part, *given.one)
        print(json.dumps(result), flush=True)
        # Threads of libraries are not waited for.
        os._exit(0)
    parts: dict[str, tuple[list[str], list[str]]] = {
        "windows": ([str(count) for count in SHAPES], list(WINDOWS)),
        "training": (list(SIZES), list(TRAINING)),
    }
    for part, (whats, whos) in parts.items():
        whats = [each for each in whats if given.what is None or each in given.what]
        whos = [each for each in whos if given.against is None or each in ("framework", *given.against)]
        if whats and given.part in (None, part):
            compare(part, whats, whos, given.rounds, given.peers)


if __name__ == "__main__":
    main()
