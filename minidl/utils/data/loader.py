"""The loader: which samples make the next batch, and a thread that prepares batches ahead."""

import queue
import threading

import numpy as np

from minidl.utils.data.dataset import batch_of
from minidl.utils.data.randomness import PerSample, seed_of


class DataLoader:
    """Batches of a dataset as tensors; one `for` over it is one epoch.

    `shuffle` draws a new order each epoch, and `drop_last` leaves out a last batch that is not full. With
    `num_workers` above 0 a thread prepares `prefetch_factor` batches ahead (one thread, whatever the number).
    `collate_fn(samples)` makes the batch of a list of samples in its own way.

    The order is drawn from (seed, epoch) and augmentation from (seed, epoch, index), where the seed is drawn
    once, from `generator` or minidl's default one. So `state_dict()`, four numbers, says exactly where the
    loader is: the batches *handed out*, not those prepared. After `load_state_dict` the next `for` goes on
    with the batch that would have come.
    """

    def __init__(self, dataset, batch_size=1, shuffle=False, *, num_workers=0, collate_fn=None,
                 drop_last=False, generator=None, prefetch_factor=2):
        if batch_size < 1:
            raise ValueError(f"DataLoader: batch_size is {batch_size}; at least 1 is wanted")
        if shuffle and not len(dataset):
            raise ValueError("DataLoader: the dataset is empty, there is nothing to shuffle")
        self.dataset, self.batch_size, self.shuffle, self.drop_last = dataset, batch_size, shuffle, drop_last
        self.num_workers, self.collate_fn, self.prefetch_factor = num_workers, collate_fn, prefetch_factor
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
        batches = (self._batch(epoch, order[b * self.batch_size:(b + 1) * self.batch_size])
                   for b in range(start, len(self)))
        if self.num_workers:
            batches = prefetch(batches, self.prefetch_factor)
        for number, batch in enumerate(batches, start):
            if self._running is me:
                self.position = number + 1      # before the yield: what is handed out counts as consumed
            yield tensors(batch)
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
    if isinstance(batch, tuple | list):
        return type(batch)(tensors(part) for part in batch)
    if isinstance(batch, dict):
        return {key: tensors(part) for key, part in batch.items()}
    if isinstance(batch, np.ndarray):
        from minidl import from_numpy
        return from_numpy(np.ascontiguousarray(batch))
    return batch
