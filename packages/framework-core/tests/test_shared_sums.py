"""Losses of sums over a batch that two real processes share."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from framework_core import shared_sum

SAMPLES = [[0.5, -1.0, 2.0], [1.5, 0.25, -0.5], [3.0, 1.0, 1.0], [-2.0, 0.5, 0.0], [0.125, 4.0, -1.0]]
SHARES = (slice(0, 4), slice(4, 5))
"""Parts that are not of one size, as the last ones of an epoch."""

PROCESS = """
import json, sys, torch
from torch import distributed
from test_shared_sums import SAMPLES, SHARES, loss
rank, place = int(sys.argv[1]), sys.argv[2]
distributed.init_process_group("gloo", init_method=f"file://{place}", rank=rank, world_size=2)
weight = torch.tensor([1.0, -0.5, 0.25], requires_grad=True)
value = loss(weight, torch.tensor(SAMPLES)[SHARES[rank]], training=True)
value.backward()
distributed.all_reduce(weight.grad)
measured = loss(weight.detach(), torch.tensor(SAMPLES)[SHARES[rank]], training=False)
print(json.dumps([float(value), (weight.grad / 2).tolist(), float(measured)]))
distributed.destroy_process_group()
"""


def loss(weight, samples, *, training):
    """No mean over samples: two sums of other functions of them, and one divided by the other."""
    answers = samples * weight
    above, below = shared_sum(torch.stack([answers.square().sum(), answers.exp().sum()]), training=training).unbind()
    return above / below


@pytest.mark.ddp
@pytest.mark.drawn
def test_two_processes_have_the_loss_and_together_the_gradient_of_the_whole_batch(tmp_path, request):
    command = [sys.executable, "-c", PROCESS]
    started = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path / "met")], cwd=request.path.parent, stdout=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    found = [json.loads(each.communicate(timeout=120)[0]) for each in started]
    weight = torch.tensor([1.0, -0.5, 0.25], requires_grad=True)
    whole = loss(weight, torch.tensor(SAMPLES), training=True)
    whole.backward()
    for rank, (value, gradient, measured) in enumerate(found):
        assert value == pytest.approx(float(whole.detach()), rel=1e-6)
        assert gradient == pytest.approx(weight.grad.tolist(), rel=1e-5)
        alone = loss(weight.detach(), torch.tensor(SAMPLES)[SHARES[rank]], training=False)
        assert measured == pytest.approx(float(alone), rel=1e-6)


def test_a_process_that_is_alone_has_its_own_sum():
    part = torch.tensor([1.0, 2.0], requires_grad=True)
    assert shared_sum(part, training=True) is part
