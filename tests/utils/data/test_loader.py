import gc
import json
import threading
import time
import traceback

import numpy as np
import pytest

import minidl
from minidl.utils.data import ArrayDataset, DataLoader, Dataset, Subset
from minidl.utils.data.loader import prefetch
from minidl.utils.data.randomness import PerSample, seed_of
from minidl.utils.data.transforms import Compose, RandomAffine, RandomCrop, RandomHorizontalFlip, ToFloat

AUGMENT = Compose([ToFloat(), RandomCrop(6, padding=2), RandomHorizontalFlip(),
                   RandomAffine(20, (0.1, 0.1), (0.8, 1.2))])


def some_data(n=23, transform=AUGMENT):
    """Image i has label i, to be recognised by."""
    images = np.random.default_rng(5).integers(0, 256, (n, 1, 6, 7), dtype=np.uint8)
    return ArrayDataset(images, np.arange(n), transform)


def labels_of(batches):
    return [labels.numpy().tolist() for _, labels in batches]


def same(a, b):
    return len(a) == len(b) and all((x.numpy() == y.numpy()).all() and (l.numpy() == m.numpy()).all()
                                    for (x, l), (y, m) in zip(a, b))


def test_batches_are_tensors_in_order_and_the_last_may_be_short():
    loader = DataLoader(some_data(), batch_size=10)
    batches = list(loader)
    assert len(loader) == 3 and labels_of(batches) == [[*range(10)], [*range(10, 20)], [20, 21, 22]]
    images, labels = batches[0]
    assert isinstance(images, minidl.Tensor) and images.shape == (10, 1, 6, 6) and images.dtype == np.float32
    assert labels.dtype == np.int64


def test_drop_last_leaves_out_a_batch_that_is_not_full_and_only_that():
    assert labels_of(DataLoader(some_data(), 10, drop_last=True)) == [[*range(10)], [*range(10, 20)]]
    assert len(DataLoader(some_data(20), 10, drop_last=True)) == len(DataLoader(some_data(20), 10)) == 2


@pytest.mark.parametrize("num_workers", [0, 1])
def test_shuffling_shows_each_sample_once_an_epoch_in_a_new_order(num_workers):
    loader = DataLoader(some_data(), 10, shuffle=True, generator=4, num_workers=num_workers)
    epochs = [sum(labels_of(loader), []) for _ in range(3)]
    assert all(sorted(epoch) == [*range(23)] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3 and [*range(23)] not in epochs


def test_a_loader_shuffles_from_its_own_generator():
    def order(seed, disturb):
        loader = DataLoader(some_data(), 5, shuffle=True, generator=minidl.Generator().manual_seed(seed))
        if disturb:
            minidl.rand(3)
            list(DataLoader(some_data(), 5, shuffle=True))
        return labels_of(loader)
    assert order(1, True) == order(1, False) != order(2, False)


def test_without_a_generator_manual_seed_decides():
    def order(seed):
        minidl.manual_seed(seed)
        return labels_of(DataLoader(some_data(), 5, shuffle=True))
    assert order(1) == order(1) != order(2)


def test_a_seed_is_drawn_from_numpys_generator_too():
    one, again, other = (seed_of(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one == again != other


def test_augmentation_depends_on_seed_epoch_and_index_and_nothing_else():
    """Not on batch size, order, thread, or whether a sample is loaded by itself."""
    def by_label(epoch, **settings):
        loader = DataLoader(some_data(), **settings)
        for _ in range(epoch):
            list(loader)
        return {int(label): image for images, labels in loader
                for image, label in zip(images.numpy(), labels.numpy())}

    for epoch in (0, 1):
        alone = by_label(epoch, batch_size=1, generator=9)
        together = by_label(epoch, batch_size=7, shuffle=True, generator=9, num_workers=1)
        for index in range(23):
            np.testing.assert_array_equal(alone[index], together[index])
    new_epoch, new_seed = by_label(0, generator=9), by_label(1, generator=8)
    for other in (new_epoch, new_seed):
        assert sum((alone[index] != other[index]).any() for index in range(23)) == 23


@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.parametrize("consumed", [0, 1, 3, 4, 5, 7])                # of 5 an epoch
def test_a_restored_loader_goes_on_with_the_very_next_batch(num_workers, consumed):
    def endless(loader):
        while True:
            yield from loader

    def loader(seed):
        return DataLoader(some_data(), 5, shuffle=True, generator=seed, num_workers=num_workers)

    first, second, third = loader(1), loader(2), loader(3)
    running = endless(first)
    for _ in range(consumed):
        next(running)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    rest = endless(second)
    assert same([next(running)], [next(rest)])
    third.load_state_dict(second.state_dict())                  # and a second time, right after
    again = endless(third)
    following = [next(running) for _ in range(9)]
    for other in (rest, again):
        assert same(following, [next(other) for _ in range(9)])


def test_the_position_counts_what_was_handed_out_not_what_was_prepared():
    made = []

    class Watched(Dataset):
        def __getitem__(self, index):
            made.append(index)
            return index

        def __len__(self):
            return 10

    loader = DataLoader(Watched(), num_workers=1, prefetch_factor=4)
    batches = iter(loader)
    next(batches)
    wait_for(lambda: len(made) >= 5)
    time.sleep(0.02)
    assert loader.state_dict()["position"] == 1
    assert len(made) == 5, "one handed out, four ahead, and no more"


def test_after_the_last_batch_a_saved_loader_has_nothing_left_in_its_epoch():
    loader, other = (DataLoader(some_data(), 10, shuffle=True, generator=seed) for seed in (1, 2))
    for _ in loader:
        state = loader.state_dict()
    assert (state["epoch"], state["position"]) == (0, 3)
    assert (loader.state_dict()["epoch"], loader.state_dict()["position"]) == (1, 0)
    other.load_state_dict(state)
    assert list(other) == [] and same(list(other), list(loader))


def test_an_epoch_that_is_broken_off_is_followed_by_a_new_one():
    whole, broken = (DataLoader(some_data(), 10, shuffle=True, generator=1) for _ in range(2))
    list(whole)
    for _ in broken:
        break
    assert same(list(whole), list(broken))


def test_two_iterators_over_one_loader_do_not_disturb_each_other():
    loader, one_by_one = (DataLoader(some_data(), 10, shuffle=True, generator=1) for _ in range(2))
    both = list(zip(loader, loader))
    assert same([first for first, _ in both], list(one_by_one))
    assert same([second for _, second in both], list(one_by_one))


def test_an_old_iterator_that_is_used_on_does_not_move_the_new_one():
    loader = DataLoader(some_data(), 10, shuffle=True, generator=1)
    old = iter(loader)
    next(old)
    new = iter(loader)
    next(new)
    for _ in old:
        assert (loader.state_dict()["epoch"], loader.state_dict()["position"]) == (1, 1)
    assert (loader.state_dict()["epoch"], loader.state_dict()["position"]) == (1, 1)


def test_a_loader_can_be_set_back_in_the_middle_of_an_epoch():
    loader = DataLoader(some_data(), 5, shuffle=True, generator=1)
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    rest = list(batches)
    next(iter(loader))
    loader.load_state_dict(state)
    assert same(list(loader), rest)


def test_a_state_of_another_loader_is_refused():
    state = DataLoader(some_data(), 10, shuffle=True).state_dict()
    with pytest.raises(ValueError, match="batch_size 10 instead of 5, shuffle True instead of False"):
        DataLoader(some_data(), 5).load_state_dict(state)
    with pytest.raises(ValueError, match="samples 23 instead of 22"):
        DataLoader(some_data(22), 10, shuffle=True).load_state_dict(state)


def test_an_error_in_the_thread_arrives_with_its_traceback():
    class Broken(Dataset):
        def __getitem__(self, index):
            return self.look_up(index)

        def look_up(self, index):
            if index == 3:
                raise KeyError("sample 3 is torn")
            return index

        def __len__(self):
            return 10

    seen = []
    with pytest.raises(KeyError, match="sample 3 is torn") as caught:
        for batch in DataLoader(Broken(), num_workers=1):
            seen.append(batch.item())
    assert seen == [0, 1, 2]
    assert "look_up" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert no_threads()


def test_stopping_early_ends_the_thread():
    for _ in range(3):
        for _ in DataLoader(some_data(), num_workers=1):
            break
        assert no_threads()
    batches = iter(DataLoader(some_data(), num_workers=1))
    next(batches)
    assert not no_threads()
    batches.close()
    assert no_threads()


def test_an_error_of_the_consumer_ends_the_thread():
    def consume():
        for _ in DataLoader(some_data(), num_workers=1):
            raise RuntimeError("the loss is NaN")
    try:
        consume()
    except RuntimeError:
        pass
    gc.collect()
    assert no_threads()


def test_the_thread_works_while_the_consumer_does():
    made = []

    def numbers():
        for number in range(10):
            made.append(number)
            yield number

    for number in prefetch(numbers(), 1):
        wait_for(lambda number=number: len(made) > min(number + 1, 9))


def test_collate_fn_makes_the_batch_in_its_own_way():
    lengths = lambda samples: np.array([len(sample) for sample in samples])
    loader = DataLoader([[1], [2, 3], [4, 5, 6]], 2, collate_fn=lengths)
    assert [batch.numpy().tolist() for batch in loader] == [[1, 2], [3]]


def test_a_list_of_samples_is_a_dataset():
    [(x, y)] = DataLoader([(1.5, 2), (2.5, 3)], 2)
    assert x.numpy().tolist() == [1.5, 2.5] and y.numpy().tolist() == [2, 3]


def test_an_empty_dataset_has_no_batches_and_is_not_shuffled():
    assert list(DataLoader(Subset(some_data(), []), 4)) == []
    with pytest.raises(ValueError, match="dataset is empty"):
        DataLoader(Subset(some_data(), []), 4, shuffle=True)
    with pytest.raises(ValueError, match="batch_size is 0"):
        DataLoader(some_data(), 0)


def test_per_sample_numbers_are_uniform_and_independent():
    """100,000 samples: mean 1/2, variance 1/12, neighbours and later draws uncorrelated, to 5 deviations."""
    rng = PerSample(seed=0, epoch=0, indices=range(100_000))
    first, second = rng.random(100_000), rng.random((100_000, 3))
    for numbers in (first, *second.T):
        assert abs(numbers.mean() - 1 / 2) < 5 * (1 / 12 / 1e5) ** 0.5
        assert abs(numbers.var() - 1 / 12) < 5 * (1 / 180 / 1e5) ** 0.5     # 1/180: variance of (x - 1/2)^2
        assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 5 / 1e5 ** 0.5
    assert len(set(first * 2.0 ** 53 % 2 ** 26)) > 99_000, "all 53 bits are drawn"
    correlations = np.corrcoef([first, *second.T])[np.triu_indices(4, 1)]
    assert abs(correlations).max() < 5 / 1e5 ** 0.5
    counts = np.bincount(PerSample(0, 1, range(60_000)).integers(2, 8, 60_000))
    assert counts[:2].sum() == 0 and len(counts) == 8 and abs(counts[2:] - 10_000).max() < 5 * 10_000 ** 0.5


def test_per_sample_normal_numbers_are_normal():
    scipy_stats = pytest.importorskip("scipy.stats")
    numbers = PerSample(1, 0, range(20_000)).standard_normal((20_000, 2))
    assert scipy_stats.kstest(numbers.ravel(), "norm").pvalue > 0.001
    assert abs(np.corrcoef(numbers.T)[0, 1]) < 5 / 20_000 ** 0.5


def test_a_sample_has_the_same_stream_alone_and_among_others():
    many, alone = PerSample(7, 3, [4, 9, 2]), PerSample(7, 3, [9])
    for size in [(), (2,), (5, 3), ()]:
        np.testing.assert_array_equal(many.random((3, *size))[1], alone.random((1, *size))[0])
    assert PerSample(7, 3, [4, 9, 2]).only(1).random(1) == PerSample(7, 3, [9]).random(1)
    with pytest.raises(ValueError, match="size 2, but there are 3 samples"):
        many.random(2)


def no_threads():
    return not any(thread.name == "minidl-prefetch" for thread in threading.enumerate())


def wait_for(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)
