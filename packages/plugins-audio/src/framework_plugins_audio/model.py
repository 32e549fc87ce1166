"""The base class of models of sound: what is learned from recordings, by the task of the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.utils.data import Dataset

from framework_core import BaseTaskModel, DataSpec
from framework_core.errors import ContractError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from framework_plugins_audio.streaming import SoundStream

CLASSIFICATION, TAGGING, REGRESSION = "audio-classification", "audio-tagging", "audio-regression"
TASKS = (CLASSIFICATION, TAGGING, REGRESSION)
"""What can be learned: one class, several classes, or numbers for each recording."""

SMOOTHED = 3
"""Windows of a stream whose probabilities are averaged."""


class BaseAudioModel(BaseTaskModel):
    """Learns from recordings: their class, several classes, or numbers, as the data says.

    Inputs are ``(batch, channels, samples)`` from -1 to 1, filled up with zeros at their end; outputs are one number a
    class or target, ``(batch, self.data.num_outputs)``. ``self.sample_rate`` says how many samples make a second. A
    subclass gives ``_build_model``; loss, metrics, figures and predictions have defaults that it may replace.

    Args:
        loss: What is made small; empty takes the task's own.
        label_smoothing: The share of a label that is spread over all classes.
        bce_threshold: With ``loss="bce"``, the share of a class above which it counts as the whole class.
        huber_delta: With ``loss="huber"``, the error up to which it is a square.
        threshold: With tags, the probability from which a recording has one.
        stream_threshold: The probability from which a sound is told of in a stream.
        data: What the model is trained on.

    Raises:
        ConfigError: The loss makes no sense for the data's task.
    """

    domain: ClassVar[str] = "audio"
    tasks: ClassVar[tuple[str, ...]] = TASKS
    task_places: ClassVar[Mapping[str, str]] = {
        CLASSIFICATION: "framework_core.tasks.classification:Classification",
        TAGGING: "framework_core.tasks.multi_label:MultiLabel",
        REGRESSION: "framework_core.tasks.regression:Regression",
    }

    def __init__(
        self,
        *,
        loss: str | None = None,
        label_smoothing: float = 0.0,
        bce_threshold: float | None = None,
        huber_delta: float = 1.0,
        threshold: float = 0.5,
        stream_threshold: float = 0.5,
        data: DataSpec | None = None,
    ) -> None:
        super().__init__(
            loss=loss,
            label_smoothing=label_smoothing,
            bce_threshold=bce_threshold,
            huber_delta=huber_delta,
            threshold=threshold,
            data=data,
        )
        self.stream_threshold = stream_threshold
        self._windows: list[tuple[Tensor, Tensor]] = []

    @property
    def sample_rate(self) -> int:
        """Samples a second of the data.

        Raises:
            ContractError: The data does not say it.
        """
        found = self.data.facts.get("sample_rate")
        if not isinstance(found, int):
            raise ContractError(
                f"{type(self).__name__} and this data do not fit",
                ["the data does not say its sample_rate: its samples are not recordings"],
            )
        return found

    @property
    def clip_samples(self) -> int:
        """Samples of one input, each channel.

        Raises:
            ContractError: An input is not ``(channels, samples)``.
        """
        shape = self.data.input_shape
        if len(shape) != 2:
            raise ContractError(
                f"{type(self).__name__} and this data do not fit",
                [f"a recording is (channels, samples), and a sample of this data is {shape}"],
            )
        return shape[1]

    def on_test_start(self) -> None:
        """Count anew."""
        super().on_test_start()
        self._windows = []

    def test_step(self, batch: Any, batch_idx: int) -> Mapping[str, Any]:
        """One batch of windows to ``test/loss``, the metrics, and what the task counts."""
        found = super().test_step(batch, batch_idx)
        self._windows.append((found["outputs"].detach(), found["target"]))
        return found

    def on_test_epoch_end(self) -> None:
        """Put together what was counted; of recordings of several windows, the metrics of the whole recording too."""
        super().on_test_epoch_end()
        clips = self._clips_of_test()
        if clips is not None:
            outputs, target = (torch.cat(each) for each in zip(*self._windows, strict=True))
            metrics = self.test_metrics.clone(prefix="test/clip_")
            metrics.update(*_of_whole_clips(outputs, target, clips))
            self.log_dict(metrics.compute())
        self._windows = []

    def _clips_of_test(self) -> Sequence[str] | None:
        """The recording of each window of the test, where one has several, and this process has seen all."""
        groups = getattr(getattr(self._trainer, "datamodule", None), "groups", {})
        clips: Sequence[str] = groups.get("test", {}).get("clip", ())
        seen = sum(len(target) for _, target in self._windows)
        return clips if len(clips) == seen and len(set(clips)) < seen else None

    def mistakes_figure(self, inputs: Sequence[Tensor], outputs: Tensor, target: Tensor) -> Figure | None:
        """Spectrograms of the recordings with the highest loss, with what was right and what was said."""
        from framework_plugins_audio.plots import gallery

        captions = self.task.captions(outputs, target)
        return gallery(inputs, captions, self.sample_rate) if captions else None

    def mistakes_files(self, inputs: Sequence[Tensor], outputs: Tensor, target: Tensor) -> Mapping[str, bytes]:
        """The same as a page on which the recordings can be heard."""
        from framework_plugins_audio.plots import page

        captions = self.task.captions(outputs, target)
        return {"worst_mistakes.html": page(inputs, captions, self.sample_rate)} if captions else {}

    def stream_predictions(self, dataset: Dataset[Any]) -> Iterator[str] | None:
        """Of sound that goes on, what is heard and when, a line each; of anything else nothing."""
        from framework_plugins_audio.streaming import SoundStream

        return self._lines(dataset) if isinstance(dataset, SoundStream) else None

    def _lines(self, stream: SoundStream) -> Iterator[str]:
        from framework_plugins_audio.streaming import Heard

        single = self.data.task == CLASSIFICATION
        heard = Heard(self.data.class_names, threshold=self.stream_threshold, windows=SMOOTHED, single=single)
        for seconds, wave in stream:
            with torch.inference_mode():
                outputs = self(wave[None].to(self.device)).float() if bool(wave.any()) else None
            if self.data.task == REGRESSION:
                values = {} if outputs is None else self.task.predict(outputs)
                said = [f"{name} {float(value):.4g}" for name, value in values.items()]
                found = ["  ".join(said)] if said else []
            else:
                shares = None if outputs is None else outputs.softmax(dim=1) if single else outputs.sigmoid()
                found = [f"{name}  {share:.2f}" for name, share in heard(None if shares is None else shares[0])]
            yield from (f"{seconds:9.2f} s  {line}\n" for line in found)


def _of_whole_clips(outputs: Tensor, target: Tensor, clips: Sequence[str]) -> tuple[Tensor, Tensor]:
    """The mean of the outputs of each recording's windows, and the target that they share."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(clips))}
    index = torch.tensor([numbers[name] for name in clips], device=outputs.device)
    sums = outputs.new_zeros((len(numbers), *outputs.shape[1:])).index_add_(0, index, outputs)
    counts = torch.bincount(index, minlength=len(numbers)).to(outputs.dtype)
    first = torch.zeros(len(numbers), dtype=torch.int64, device=outputs.device)
    first.scatter_reduce_(0, index, torch.arange(len(clips), device=outputs.device), "amin", include_self=False)
    return sums / counts.unsqueeze(1), target[first]
