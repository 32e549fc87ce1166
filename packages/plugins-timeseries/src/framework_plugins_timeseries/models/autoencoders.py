"""Networks that give a window again through a narrow place: what they cannot give again is unusual.

Axes: B windows, L look-back, C targets, D hidden, P numbers for each value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from framework_core.errors import ContractError
from framework_plugins_timeseries.model import BaseTimeSeriesModel
from framework_plugins_timeseries.tasks.anomaly_detection import AnomalyDetection
from framework_plugins_timeseries.windows import Window


class BaseReconstructor(BaseTimeSeriesModel):
    """A model that gives its window again: ``(B, L, C)`` to ``(B, L, C, P)``.

    Args:
        **common: What every model for series takes: ``data``, ``loss`` ...
    """

    tasks: ClassVar[tuple[str, ...]] = (AnomalyDetection.name,)
    reconstructs: ClassVar[bool] = True

    @classmethod
    def input_settings(cls, **settings: Any) -> Mapping[str, Any]:
        """Windows whose targets are their own steps."""
        return {"reconstructs": True}


class LSTMAutoencoder(BaseReconstructor):
    """EncDec-AD of Malhotra et al., https://arxiv.org/abs/1607.00148, section 2, figure 1.

    An LSTM reads the window; another begins with its last state and gives the window again from its end to its
    beginning, each step from the one that it gave before, and in training from the true one. Deviations: errors are
    signed, and their covariance is diagonal; the threshold is a quantile of validation scores, where the paper chooses
    it with labels. Covariates are not used.

    Args:
        hidden: The length of the state.
        **common: What every model for series takes: ``data``, ``loss`` ...
    """

    def __init__(self, hidden: int = 64, **common: Any) -> None:
        super().__init__(**common)
        self.hidden = hidden

    def _build_model(self) -> nn.Module:
        return _Recurrent(len(self.layout.targets), self.hidden)


class _Recurrent(nn.Module):
    def __init__(self, targets: int, hidden: int) -> None:
        super().__init__()
        self.encoder = nn.LSTM(targets, hidden, batch_first=True)
        self.decoder = nn.LSTM(targets, hidden, batch_first=True)
        self.linear = nn.Linear(hidden, targets)

    def forward(self, window: Window) -> Tensor:
        _, state = self.encoder(window.past)
        last: Tensor = self.linear(state[0][-1])[:, None]
        backwards = window.past.flip(1)
        if self.training:
            states, _ = self.decoder(backwards[:, :-1], state)
            given = torch.cat([last, self.linear(states)], dim=1)
        else:
            given = self._step_by_step(last, state, window.past.shape[1])
        return given.flip(1).unsqueeze(-1)

    def _step_by_step(self, last: Tensor, state: tuple[Tensor, Tensor], steps: int) -> Tensor:
        given = [last]
        for _ in range(steps - 1):
            states, state = self.decoder(given[-1], state)
            given.append(self.linear(states))
        return torch.cat(given, dim=1)


class TCNAutoencoder(BaseReconstructor):
    """TCN-AE of Thill et al., Applied Soft Computing 112, 2021, https://doi.org/10.1016/j.asoc.2021.107751, section 3.

    Convolutions whose dilation doubles, brought to few channels and averaged over ``pool`` steps; put back to the
    length of the window, convolutions again, and a linear layer for each step. Deviations: the first version of the
    model, without the joined outputs of all layers; convolutions see both sides of a step, as a window is known whole;
    the score is that of the task, in place of a distance over a longer window of errors. Covariates are not used.

    Args:
        hidden: How many channels.
        kernel_size: How many steps a convolution sees.
        depth: How many convolutions there are before the narrow place, and behind it.
        narrow: How many channels the narrow place has.
        pool: How many steps are averaged there.
        drop_rate: Dropout behind each convolution.
        **common: What every model for series takes: ``data``, ``loss`` ...

    Raises:
        ContractError: The window is shorter than what is averaged.
    """

    def __init__(
        self,
        hidden: int = 32,
        kernel_size: int = 5,
        depth: int = 4,
        narrow: int = 4,
        pool: int = 4,
        drop_rate: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.hidden = hidden
        self.kernel_size = kernel_size
        self.depth = depth
        self.narrow = narrow
        self.pool = pool
        self.drop_rate = drop_rate

    def _build_model(self) -> nn.Module:
        if self.layout.look_back < self.pool:
            raise ContractError(
                "TCNAutoencoder and this data do not fit",
                [f"{self.pool} steps are averaged, and a window has {self.layout.look_back}"],
                next_step="Take a longer window, dataset.look_back=48, or average fewer: model.pool=1",
            )
        targets = len(self.layout.targets)
        encoder = [*self._stack(targets), nn.Conv1d(self.hidden, self.narrow, 1), nn.AvgPool1d(self.pool)]
        decoder = [*self._stack(self.narrow), nn.Conv1d(self.hidden, targets, 1)]
        return _Convolved(nn.Sequential(*encoder), nn.Sequential(*decoder))

    def _stack(self, inputs: int) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for level in range(self.depth):
            channels = inputs if level == 0 else self.hidden
            layers += [_BothSides(channels, self.hidden, self.kernel_size, 2**level), nn.ReLU()]
            layers += [nn.Dropout(self.drop_rate)]
        return layers


class _Convolved(nn.Module):
    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, window: Window) -> Tensor:
        narrow = self.encoder(window.past.transpose(1, 2))
        stretched = functional.interpolate(narrow, size=window.past.shape[1])
        found: Tensor = self.decoder(stretched)
        return found.transpose(1, 2).unsqueeze(-1)


class _BothSides(nn.Module):
    """A convolution that sees as many steps before as behind, and keeps the length."""

    def __init__(self, inputs: int, outputs: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        reach = (kernel_size - 1) * dilation
        self.around = (reach // 2, reach - reach // 2)
        self.convolution = nn.Conv1d(inputs, outputs, kernel_size, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.convolution(functional.pad(x, self.around))
        return found
