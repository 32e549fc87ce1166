"""Files that stay with an export: those whose answers another processor gives as well."""

from __future__ import annotations

import numpy as np

from framework_core.deployment.golden_files import FromFiles, GoldenFile, steady
from framework_core.serving.processing import Asking, Postprocessing, Preprocessing, Sample


class Numbers(Preprocessing):
    """The numbers of a file, one sample."""

    suffixes = (".txt",)

    def samples(self, content, suffix):
        return [Sample(np.array(content.split(), dtype=np.float32))]


class Largest(Postprocessing):
    """Which output is the largest."""

    def rows(self, outputs):
        return [{"place": int(each.argmax())} for each in outputs["output"]]


class Twice(Asking):
    """Which is the largest when the network is asked of its own answer."""

    def answer(self, network, inputs):
        return Largest().answer(network, network(inputs)["output"])


def kept(place, postprocessing):
    folder = place / "golden"
    folder.mkdir()
    way = FromFiles(Numbers(), lambda inputs: {"output": inputs}, postprocessing)
    for name, content in (("clear.txt", "1 2 3"), ("even.txt", "3.000001 3 1"), ("near.txt", "2.9 3 1")):
        (folder / name).write_text(content)
    golden = [GoldenFile(path, way.rows(path)) for path in sorted(folder.iterdir())]
    found = steady(golden, way)
    assert [each.path for each in found] == sorted(folder.iterdir())
    return [each.path.name for each in found]


def test_a_file_whose_answer_is_a_matter_of_rounding_does_not_stay(tmp_path):
    assert kept(tmp_path, Largest()) == ["clear.txt", "near.txt"]


def test_outputs_are_shaken_each_time_that_a_network_is_asked(tmp_path):
    assert kept(tmp_path, Twice()) == ["clear.txt", "near.txt"]
