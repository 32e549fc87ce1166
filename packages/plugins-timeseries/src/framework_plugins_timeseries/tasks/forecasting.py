"""The values that come, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.utilities.distributed import gather_all_tensors

from framework_core import DataSpec
from framework_core.contracts import Processing, ScoredSamples
from framework_plugins_timeseries.baselines import LinearBaseline, naive, seasonal_naive
from framework_plugins_timeseries.forecast_errors import ErrorSums, IntervalScores, PointError
from framework_plugins_timeseries.forecast_numbers import ForecastNumbers
from framework_plugins_timeseries.heads import Head
from framework_plugins_timeseries.layout import Layout
from framework_plugins_timeseries.scaling import Scaler
from framework_plugins_timeseries.series import stamp_text
from framework_plugins_timeseries.window_scores import WindowScores
from framework_plugins_timeseries.windows import Windows, numbers_of_batch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 6
"""Windows of the test that are drawn."""

KEPT_RESIDUALS = 20_000_000
"""Numbers of a validation that intervals are told from; of more windows, every second or third is taken."""

TABLE_ROWS = 100_000
"""Rows of a table of the report at most."""


class Forecasting(nn.Module):
    """Scores forecasts, and says how far they may be off.

    A head with quantiles of its own has its intervals from them. For any other they are split conformal (Lei et al.,
    https://doi.org/10.1080/01621459.2017.1307116, section 2.2): quantiles of the errors on the validation windows, for
    each step and target, which hold the forecast in any case; they are part of the weights.

    Args:
        data: What the data turned out to be.
        head: What the network's numbers mean.
        level: The share of values that the interval is to hold.
    """

    name = "forecasting"
    monitor: ClassVar[tuple[str, Literal["min", "max"]]] = ("val/loss", "min")
    residuals: Tensor
    levels: Tensor
    shift: Tensor
    scale: Tensor

    def __init__(self, data: DataSpec, head: Head, level: float) -> None:
        super().__init__()
        self.layout = Layout.of(data)
        self.head = head
        self.level = level
        facts: Mapping[str, Any] = data.facts
        self.season = int(facts.get("season", 1))
        self.names = tuple(facts.get("series", ("",)))
        tail = (1 - level) / 2
        levels = sorted({tail, *(share / 10 for share in range(1, 10) if tail < share / 10 < 1 - tail), 1 - tail})
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        targets = len(self.layout.targets)
        self.register_buffer("residuals", torch.zeros(self.layout.horizon, targets, len(levels)))
        scaler = Scaler.of(facts["scaler"]) if "scaler" in facts else None
        for name in ("shift", "scale"):
            of_scaler = (
                getattr(scaler, name)[:, :targets] if scaler else float(name == "scale") * torch.ones(1, targets)
            )
            self.register_buffer(name, torch.as_tensor(of_scaler, dtype=torch.float64), persistent=False)
        self._yardsticks = tuple(
            torch.tensor(facts.get(name, []), dtype=torch.float64) for name in ("mase_scale", "rmsse_scale")
        )
        self._seen: list[Tensor] = []
        self._every = 1
        self._count = 0
        self._sums: dict[str, ErrorSums] = {}
        self._scores: IntervalScores | None = None
        self._each: WindowScores | None = None
        self._linear: LinearBaseline | None = None
        self._found: dict[str, dict[str, Tensor]] = {}
        self._origins: tuple[list[str], Tensor] | None = None
        self._chosen: set[int] = set()
        self._examples: list[dict[str, Tensor]] = []

    def metrics(self) -> Mapping[str, Metric]:
        """Errors on the scale that models see, as published tables have them."""
        return {"mse": PointError(squared=True), "mae": PointError(squared=False)}

    def quantiles(self, outputs: Tensor) -> Tensor:
        """The quantiles of each value at ``levels``, ``(B, H, C, Q)``."""
        own = self.head.quantiles(outputs, self.levels)
        return self.head.point(outputs).unsqueeze(-1) + self.residuals.to(outputs) if own is None else own

    def begin_validation(self, windows: Windows | None) -> None:
        """Forget the errors that were seen."""
        self._seen, self._count = [], 0
        count = 0 if windows is None else len(windows)
        self._every = max(1, -(-count * self.residuals[..., 0].numel() // KEPT_RESIDUALS))

    def see_validation(self, outputs: Tensor, target: Tensor) -> None:
        """Remember how far off a batch was."""
        rows = torch.arange(self._count, self._count + len(target), device=target.device) % self._every == 0
        self._count += len(target)
        self._seen.append((target[rows] - self.head.point(outputs)[rows]).detach().float())

    def end_validation(self) -> None:
        """Take the quantiles of the errors, of all processes together."""
        if self._seen:
            # Sorting along neighbouring numbers is many times faster than across them.
            seen = torch.cat(_of_all_processes(torch.cat(self._seen)))
            errors = seen.movedim(0, -1).contiguous().sort(dim=-1).values
            # The finite-sample quantile of split conformal prediction, from both ends.
            count = errors.shape[-1]
            places = (self.levels.double() * (count + 1)).tolist()
            ranks = [int(p) if level < 0.5 else -int(-p // 1) for p, level in zip(places, self.levels, strict=True)]
            picked = [errors[..., min(max(rank - 1, 0), count - 1)] for rank in ranks]
            # An interval that leaves out its own forecast, as that of a model that is always too low, is read as wrong.
            picked[0], picked[-1] = picked[0].clamp(max=0), picked[-1].clamp(min=0)
            self.residuals.copy_(torch.stack(picked, dim=-1))
        self._seen = []

    def begin_test(self, windows: Windows | None, training: Windows | None) -> None:
        """Count anew; the linear baseline is fitted on the training windows."""
        self._linear = LinearBaseline.fit(training) if training is not None and len(training) else None
        names = ["model", "naive", "seasonal_naive", *(["linear"] if self._linear else [])]
        size = {"series": len(self.names), "horizon": self.layout.horizon, "targets": len(self.layout.targets)}
        device = self.residuals.device
        self._origins = _origins_of(windows, device) if windows is not None else None
        size["origins"] = len(self._origins[0]) if self._origins else 0
        self._sums = {name: ErrorSums(**size).to(device) for name in names}
        self._scores = IntervalScores().to(device)
        self._each = WindowScores(self.layout, self.names, windows)
        count = len(windows) if windows is not None else 0
        self._chosen = set(torch.linspace(0, count - 1, min(SHOWN, count)).long().tolist())
        self._examples, self._count = [], 0

    def see_test(self, inputs: Tensor, outputs: Tensor, target: Tensor) -> None:
        """Score a batch, and the baselines on it."""
        past = inputs[:, : self.layout.look_back, : target.shape[-1]]
        forecasts = {"model": self.head.point(outputs)}
        forecasts["naive"] = naive(past, self.layout.horizon)
        forecasts["seasonal_naive"] = seasonal_naive(past, self.layout.horizon, self.season)
        if self._linear is not None:
            forecasts["linear"] = self._linear(past)
        series = self._series(inputs)
        truth = self._own(target, series)
        origins = self._origins_seen(len(target))
        for name, forecast in forecasts.items():
            self._sums[name].update(series, (forecast, target), (self._own(forecast, series), truth), origins)
        quantiles = self.quantiles(outputs)
        if self._scores is not None:
            self._scores.update(quantiles, target, self.levels)
        if self._each is not None:
            self._each.see(forecasts["model"], target, quantiles, series)
            own = [self._own(x, series) for x in (forecasts["model"], quantiles[..., 0], quantiles[..., -1])]
            self._each.see_answers(own[0], own[1], own[2], self.level)
        self._keep_examples(past, target, forecasts["model"], quantiles, series)

    def end_test(self) -> dict[str, Tensor]:
        """The metrics beside those of ``metrics``, by name."""
        self._found = {name: each.compute() for name, each in self._sums.items()}
        named: dict[str, Tensor] = dict(self._scores.compute()) if self._scores is not None else {}
        for name, found in self._found.items():
            scores = self._scores_of(found)
            if name == "model":
                named |= {key: scores[key] for key in ("smape", "mase", "rmsse") if key in scores}
            else:
                named |= {f"{name}/{key}": value for key, value in scores.items()}
        return {name: value.float() for name, value in named.items()}

    def scored_samples(self) -> ScoredSamples | None:
        """The error of each window of the test, by series, step, target and time."""
        return None if self._each is None else self._each.scored()

    def postprocessing(self) -> Processing:
        """The forecast and its interval, without torch."""
        reading = self._reading()
        if "errors" in reading:
            reading["errors"] = reading["errors"].tolist()
        return Processing(
            builder="framework_plugins_timeseries.serving_forecasts:ForecastAnswers",
            settings={"level": self.level, **reading, "tails": list(reading["tails"])},
            requirements=("scipy>=1.10",) if reading["head"] == "student_t" else (),
        )

    def predict(self, outputs: Tensor, target: Tensor | None) -> dict[str, Any]:
        """The forecast and its interval."""
        found = ForecastNumbers(**self._reading()).interval(outputs.detach().float().cpu().numpy())
        forecast, low, high = (torch.from_numpy(each) for each in found)
        return {"forecast": forecast, "low": low, "high": high, "level": self.level}

    def _reading(self) -> dict[str, Any]:
        """How numbers are read: what the head says, both ends of the interval, and the errors that were seen."""
        tails = (float(self.levels[0]), float(self.levels[-1]))
        reading = {**self.head.reading(), "tails": tails}
        if reading["head"] == "point":
            reading["errors"] = self.residuals[..., [0, -1]].movedim(-1, 0).cpu().numpy()
        return reading

    def figures(self) -> dict[str, Figure]:
        """Some forecasts with what was behind and what came, and the error by step."""
        from framework_plugins_timeseries.plots import error_by_step, forecasts

        if not self._found:
            return {}
        steps = {name: found["step"][..., 1].mean(dim=1).tolist() for name, found in self._found.items()}
        figures = {"error_by_step": error_by_step(steps)}
        if self._examples:
            figures["forecasts"] = forecasts(self._examples, self.layout.targets, self.level)
        return figures

    def tables(self) -> dict[str, Sequence[Mapping[str, Any]]]:
        """Errors by series and target, by step, and by origin, of the model and the baselines."""
        if not self._found:
            return {}
        tables = {"by_series": self._by_series()[:TABLE_ROWS], "by_step": self._by_step()}
        if by_origin := self._by_origin()[:TABLE_ROWS]:
            tables["by_origin"] = by_origin
        return {**tables}

    def _by_series(self) -> list[dict[str, Any]]:
        rows = []
        for number, name in enumerate(self.names):
            for column, target in enumerate(self.layout.targets):
                row: dict[str, Any] = {"series": name, "target": target}
                for who, found in self._found.items():
                    values = found["series"][number, column].tolist()
                    row |= {f"{who} {kind}": value for kind, value in zip(ErrorSums.NAMES, values, strict=True)}
                rows.append(row)
        return rows

    def _by_step(self) -> list[dict[str, Any]]:
        rows = []
        for step in range(self.layout.horizon):
            row: dict[str, Any] = {"step": step + 1}
            for who, found in self._found.items():
                values = found["step"][step].mean(dim=0).tolist()
                row |= {f"{who} {kind}": value for kind, value in zip(ErrorSums.NAMES, values, strict=True)}
            rows.append(row)
        return rows

    def _by_origin(self) -> list[dict[str, Any]]:
        rows = []
        for number, stamp in enumerate(self._origins[0] if self._origins else []):
            row: dict[str, Any] = {"origin": stamp}
            for who, found in self._found.items():
                values = found["origin"][number].tolist()
                row |= {f"{who} {kind}": value for kind, value in zip(ErrorSums.NAMES, values, strict=True)}
            rows.append(row)
        # Of a test that was cut short only what was seen is told.
        return [row for row in rows if row["model mse"] == row["model mse"]]

    def _origins_seen(self, count: int) -> Tensor | None:
        """The numbers of the origins of the ``count`` windows that come next in this process."""
        if self._origins is None:
            return None
        numbers = self._origins[1]
        rank, world = 0, 1
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
        return numbers[numbers_of_batch(self._count, count, len(numbers), rank=rank, world=world)]

    def _scores_of(self, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Scaled errors over everything; the others first for each series, and then the mean over series."""
        scores = {"mse": found["all"][0], "mae": found["all"][1], "smape": found["series"][..., 2].nanmean()}
        by_series = found["series"]
        for name, kind, yardstick in zip(("mase", "rmsse"), (3, 4), self._yardsticks, strict=True):
            if yardstick.shape == by_series.shape[:2]:
                size = yardstick.to(by_series)
                # Of a series that never changed there is nothing to divide by.
                ratio = by_series[..., kind] / torch.where(size > 0, size, torch.nan)
                scores[name] = (ratio.sqrt() if name == "rmsse" else ratio).nanmean()
        return scores

    def _series(self, inputs: Tensor) -> Tensor:
        """The number of each window's series; the data puts it in the last column where there are several."""
        if len(self.names) < 2:
            return torch.zeros(len(inputs), dtype=torch.int64, device=inputs.device)
        return inputs[:, 0, -1].round().long().clamp(0, len(self.names) - 1)

    def _own(self, values: Tensor, series: Tensor) -> Tensor:
        """Values on the scale of the data."""
        return values.double() * self.scale[series][:, None] + self.shift[series][:, None]

    def _keep_examples(self, past: Tensor, target: Tensor, forecast: Tensor, quantiles: Tensor, series: Tensor) -> None:
        for index in range(len(target)):
            if self._count + index in self._chosen:
                one = slice(index, index + 1)
                number = series[one]
                parts = {"past": past[one], "target": target[one], "forecast": forecast[one]}
                parts |= {"low": quantiles[one][..., 0], "high": quantiles[one][..., -1]}
                self._examples.append({name: self._own(each, number)[0].cpu() for name, each in parts.items()})
        self._count += len(target)


def _of_all_processes(values: Tensor) -> list[Tensor]:
    """The tensor of every process, as long as each is; of one that trains alone its own."""
    together = torch.distributed.is_available() and torch.distributed.is_initialized()
    return list(gather_all_tensors(values)) if together else [values]


def _origins_of(windows: Windows, device: torch.device) -> tuple[list[str], Tensor] | None:
    """The stamp of each origin, in the order of time, and the number of the origin of each window."""
    stamps = windows.origins()
    if not len(stamps):
        return None
    found, numbers = np.unique(stamps, return_inverse=True)
    return [stamp_text(stamp) for stamp in found], torch.from_numpy(numbers).to(device)
