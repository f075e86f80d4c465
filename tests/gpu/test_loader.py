"""Batches in page-locked memory: what is copied from there to the GPU, and when it is free again."""
import subprocess
import sys

import numpy as np
import pytest

import minidl
from minidl.utils.data import DataLoader, TensorDataset


def loader(**how):
    return DataLoader(TensorDataset(np.arange(10, dtype="f").reshape(5, 2), np.arange(5)), 2, **how)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_batches_are_page_locked_and_the_same(gpu, num_workers):
    batches = loader(pin_memory=True, num_workers=num_workers)
    for (images, labels), (same, same_labels) in zip(batches, loader(), strict=True):
        assert images.is_pinned() and labels.is_pinned() and not same.is_pinned()
        assert images.tolist() == same.tolist() and labels.tolist() == same_labels.tolist()


def test_what_collate_fn_makes_is_page_locked_too(gpu):
    batch = next(iter(loader(pin_memory=True, collate_fn=lambda samples: {"x": minidl.ones(2), "names": ["a"], "n": 3})))
    assert batch["x"].is_pinned() and batch["names"] == ["a"] and batch["n"] == 3


def test_copies_to_the_gpu_are_from_page_locked_memory_and_nothing_waits(gpu, request):
    if "device" in request.node.callspec.id:
        pytest.skip("only the double counts copies")
    import cupyx
    import strictcupy
    with strictcupy.watching() as seen, cupyx.allow_synchronize(False):
        for images, labels in loader(pin_memory=True):
            images, labels = images.to("cuda", non_blocking=True), labels.cuda(non_blocking=True)
    assert len(seen.uploads) == len(seen.pinned_uploads) == 6


def test_only_the_host_has_page_locked_memory(gpu):
    x = minidl.ones(2, device="cuda")
    assert not x.is_pinned()
    with pytest.raises(RuntimeError, match="page-locked memory is the host's, and this tensor lives on cuda"):
        x.pin_memory()


def test_a_copy_that_is_not_to_be_waited_for_has_to_be_asked_for(gpu):
    import cupyx
    x, other = minidl.ones(3).pin_memory(), minidl.ones(3)
    with cupyx.allow_synchronize(False):
        other.to("cuda")                                 # CuPy has copied it to a page-locked place by then
        with pytest.raises(cupyx.DeviceSynchronized):
            x.to("cuda")                                 # as in PyTorch: afterwards x may be changed


def test_batches_have_memory_of_their_own_as_long_as_they_are_kept(gpu):
    batches = list(loader(pin_memory=True, num_workers=1))
    assert [images.tolist() for images, _ in batches] == [images.tolist() for images, _ in loader()]


def test_a_training_copies_from_page_locked_memory(gpu, request):
    if "device" in request.node.callspec.id:
        pytest.skip("only the double counts copies")
    import strictcupy

    from minidl import nn, optim
    from minidl.train import train
    model = nn.Linear(2, 5).cuda()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    with strictcupy.watching() as seen:
        list(train(model, loader(pin_memory=True), optimizer))
    assert not seen.synchronisations and len(seen.pinned_uploads) == len(seen.uploads) > 0


WITHOUT = """
import sys
sys.modules["cupy"] = None
import warnings, numpy as np
from minidl.utils.data import DataLoader
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    batches = [x.tolist() for x in DataLoader(np.arange(3.0), 2, pin_memory=True)]
print(batches, said[0].message)
"""


def test_without_a_gpu_it_is_a_warning():
    said = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True).stdout
    assert said == "[[0.0, 1.0], [2.0]] DataLoader: pin_memory is for copies to a GPU, and there is none to use\n"
