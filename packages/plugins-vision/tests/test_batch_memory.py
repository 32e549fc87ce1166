"""Memory of batches: used again, and never while somebody holds what is in it."""

from __future__ import annotations

import pytest

from framework_plugins_vision.datasets.batch_memory import KEPT, LARGE, BatchMemory

SHAPE = (8, LARGE // 8)


def test_memory_is_used_again_once_nobody_holds_the_batch():
    memory = BatchMemory()
    first = memory.room(SHAPE)
    where = first.data_ptr()
    del first
    assert memory.room(SHAPE).data_ptr() == where


@pytest.mark.parametrize(
    "held", [lambda batch: batch, lambda batch: batch[3:], lambda batch: batch.view(-1), lambda batch: batch.detach()]
)
def test_what_somebody_holds_in_any_form_stays_as_it_is(held):
    memory = BatchMemory()
    batch = memory.room(SHAPE).fill_(1.0)
    kept = held(batch)
    del batch
    for _ in range(3):
        memory.room(SHAPE).fill_(2.0)
    assert bool((kept == 1.0).all())


def test_what_autograd_needs_stays_as_it_is():
    memory = BatchMemory()
    weight = memory.room(SHAPE).fill_(1.0).clone().requires_grad_()
    loss = (weight * memory.room(SHAPE).fill_(3.0)).sum()
    memory.room(SHAPE).fill_(7.0)
    loss.backward()
    assert bool((weight.grad == 3.0).all())


def test_a_last_batch_that_is_smaller_fits_into_it_too_and_no_more_is_kept_than_needed():
    memory = BatchMemory()
    whole = memory.room((12, LARGE // 8))
    where = whole.data_ptr()
    del whole
    small = memory.room((9, LARGE // 8))
    assert small.data_ptr() == where
    assert small.shape == (9, LARGE // 8)
    many = [memory.room(SHAPE) for _ in range(5)]
    del many
    assert len(memory._free) <= KEPT
