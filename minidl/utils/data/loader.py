"""The loader: which samples make the next batch, and a thread that prepares batches ahead."""

import queue
import threading
import warnings

import numpy as np

from minidl import cuda
from minidl.creation import from_numpy
from minidl.tensor import Tensor
from minidl.utils.data.dataset import batch_of
from minidl.utils.data.randomness import PerSample, seed_of


class DataLoader:
    """Batches of a dataset as tensors; one `for` over it is one epoch.

    `shuffle` draws a new order each epoch, and `drop_last` leaves out a last batch that is not full. With
    `num_workers` above 0 a thread prepares `prefetch_factor` batches ahead (one thread, whatever the number).
    `collate_fn(samples)` makes the batch of a list of samples in its own way. With `pin_memory` the batches are in
    page-locked memory, and images.to("cuda", non_blocking=True) copies while GPU and CPU go on: with `num_workers`, the
    next batch is then prepared, too. Where there is no GPU, it is a warning, as in PyTorch.

    The order is drawn from (seed, epoch) and augmentation from (seed, epoch, index), where the seed is drawn
    once, from `generator` or minidl's default one. So `state_dict()`, four numbers, says exactly where the
    loader is: the batches *handed out*, not those prepared. After `load_state_dict` the next `for` goes on
    with the batch that would have come.
    """

    def __init__(self, dataset, batch_size=1, shuffle=False, *, num_workers=0, collate_fn=None,
                 pin_memory=False, drop_last=False, generator=None, prefetch_factor=2):
        if batch_size < 1:
            raise ValueError(f"DataLoader: batch_size is {batch_size}; at least 1 is wanted")
        if shuffle and not len(dataset):
            raise ValueError("DataLoader: the dataset is empty, there is nothing to shuffle")
        self.dataset, self.batch_size, self.shuffle, self.drop_last = dataset, batch_size, shuffle, drop_last
        self.num_workers, self.collate_fn, self.prefetch_factor = num_workers, collate_fn, prefetch_factor
        self.pin_memory = pin_memory and cuda.is_available()
        if pin_memory and not self.pin_memory:
            warnings.warn("DataLoader: pin_memory is for copies to a GPU, and there is none to use", stacklevel=2)
        self.seed = seed_of(generator)
        self.epoch = 0
        self.position = 0                       # batches of this epoch that were handed out
        self._running = None                    # what tells the latest iterator from those before it

    def __len__(self):
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self):
        if self._running is not None:           # an epoch that was broken off is over
            self.epoch, self.position = self.epoch + 1, 0
        self._running = object()
        return self._epoch(self._running, self.epoch, self.position)

    def _epoch(self, me, epoch, start):
        order = np.arange(len(self.dataset))
        if self.shuffle:
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.dataset))
        batches = (tensors(self._batch(epoch, order[b * self.batch_size:(b + 1) * self.batch_size]))
                   for b in range(start, len(self)))
        if self.pin_memory:
            batches = (pinned(batch) for batch in batches)
        if self.num_workers:
            batches = prefetch(batches, self.prefetch_factor)
        for number, batch in enumerate(batches, start):
            if self._running is me:
                self.position = number + 1      # before the yield: what is handed out counts as consumed
            yield batch
        if self._running is me:
            self.epoch, self.position, self._running = epoch + 1, 0, None

    def _batch(self, epoch, indices):
        if self.collate_fn is not None:
            return self.collate_fn([self.dataset[int(index)] for index in indices])
        return batch_of(self.dataset, indices, PerSample(self.seed, epoch, indices))

    def state_dict(self):
        """Where the loader is, as numbers that JSON can hold, with the settings that give them a meaning."""
        return {"seed": self.seed, "epoch": self.epoch, "position": self.position, **self._settings()}

    def load_state_dict(self, state):
        other = [f"{key} {state.get(key)} instead of {value}"
                 for key, value in self._settings().items() if state.get(key) != value]
        if other:
            raise ValueError(f"DataLoader: the saved state is of a loader with {', '.join(other)}; "
                             f"this one cannot go on where that one stopped")
        self.seed, self.epoch, self.position = (int(state[key]) for key in ("seed", "epoch", "position"))
        self._running = None

    def _settings(self):
        return {"samples": len(self.dataset), "batch_size": self.batch_size, "shuffle": self.shuffle,
                "drop_last": self.drop_last}


def prefetch(items, ahead):
    """The same items, made in a thread, at most `ahead` of them waiting; an error there is raised here.

    The thread ends with the generator: when it is exhausted, closed, or no longer referred to.
    """
    room, made, end = threading.Semaphore(ahead), queue.SimpleQueue(), object()
    stopped = False

    def work():
        try:
            while room.acquire() and not stopped:
                made.put((next(items, end), None))
        except BaseException as error:
            made.put((None, error))

    thread = threading.Thread(target=work, name="minidl-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if error is not None:
                raise error                     # it brings its traceback along
            if item is end:
                return
            room.release()
            yield item
    finally:
        stopped = True
        room.release()
        thread.join()


def tensors(batch):
    """A batch with tensors in the place of arrays: tuples, lists and dicts keep their form."""
    return with_each(np.ndarray, lambda array: from_numpy(np.ascontiguousarray(array)), batch)


def pinned(batch):
    """A batch with its tensors in page-locked memory.

    Each gets memory of its own. It goes back to where the next is taken from when the last name of a tensor goes; but not
    before a copy from it has ended, for so long CuPy has a name for it, too.
    """
    return with_each(Tensor, Tensor.pin_memory, batch)


def with_each(kind, change, batch):
    """A batch with change(x) in the place of every x of that kind."""
    if isinstance(batch, tuple | list):
        return type(batch)(with_each(kind, change, part) for part in batch)
    if isinstance(batch, dict):
        return {key: with_each(kind, change, part) for key, part in batch.items()}
    return change(batch) if isinstance(batch, kind) else batch
