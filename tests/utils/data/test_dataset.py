import numpy as np
import pytest

import minidl
from minidl.utils.data import (
    ArrayDataset,
    DataError,
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
)


def some_images(n=10):
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (n, 3, 5, 4), dtype=np.uint8), rng.integers(0, 7, n)


def test_a_sample_of_an_array_dataset_is_its_image_and_its_label():
    images, labels = some_images()
    dataset = ArrayDataset(images, labels)
    image, label = dataset[-1]
    assert (image == images[9]).all() and label == labels[9] and type(label) is int
    assert len(dataset) == 10
    with pytest.raises(IndexError):
        dataset[10]


def test_a_for_loop_over_a_dataset_ends():
    assert len(list(ArrayDataset(*some_images(4)))) == 4


@pytest.mark.parametrize("images, labels, classes, words", [
    ((10, 5, 4), np.zeros(10, int), None, r"shape \(10, 5, 4\); \(images, channels, height, width\)"),
    ((10, 3, 5, 4), np.zeros(9, int), None, r"10 images, but labels of shape \(9,\)"),
    ((10, 3, 5, 4), np.zeros((10, 1), int), None, r"labels of shape \(10, 1\)"),
    ((10, 3, 5, 4), np.zeros(10), None, "labels are float64; whole numbers"),
    ((10, 3, 5, 4), np.arange(10) % 8, "abcdefg", "labels run from 0 to 7, but the 7 classes are 0 to 6"),
    ((10, 3, 5, 4), np.arange(10) - 1, "abcdefghij", "labels run from -1 to 8"),
])
def test_images_and_labels_that_do_not_fit_are_refused(images, labels, classes, words):
    with pytest.raises(DataError, match=words):
        ArrayDataset(np.zeros(images, np.uint8), labels, classes=classes)


def test_with_transform_shares_the_images():
    dataset = ArrayDataset(*some_images())
    other = dataset.with_transform(lambda images, rng: images * 0)
    assert other.images is dataset.images
    assert other[3][0].max() == 0 and dataset[3][0].max() > 0


def test_a_subset_numbers_its_samples_anew_and_subsets_nest():
    images, labels = some_images()
    outer = Subset(ArrayDataset(images, labels, classes="abcdefg"), [8, 2, 5])
    inner = Subset(outer, [2, 0])
    assert len(inner) == 2 and inner.classes == "abcdefg"
    for sample, row in zip(inner, [5, 8], strict=True):
        assert (sample[0] == images[row]).all() and sample[1] == labels[row]
    [(batch, numbers)] = DataLoader(inner, 2)
    np.testing.assert_array_equal(batch.numpy(), images[[5, 8]])
    np.testing.assert_array_equal(numbers.numpy(), labels[[5, 8]])
    with pytest.raises(ValueError, match="indices from 0 to 3, but the dataset has 3"):
        Subset(outer, [0, 3])


def test_random_split_deals_out_every_sample_once():
    dataset = list(range(103))
    for lengths, expected in [([3, 60, 40], [3, 60, 40]), ([0.5, 0.25, 0.25], [52, 26, 25])]:
        # PyTorch's lengths for these fractions: 51 + 25 + 25, and what is left over from the first on
        parts = random_split(dataset, lengths, generator=1)
        assert [len(part) for part in parts] == expected
        assert sorted(sample for part in parts for sample in part) == dataset
    assert list(parts[0]) != sorted(parts[0])
    with pytest.raises(ValueError, match=r"lengths \[50, 50\], but the dataset has 103"):
        random_split(dataset, [50, 50])


def test_random_split_is_decided_by_its_generator():
    split = lambda seed: list(random_split(range(50), [10, 40], minidl.Generator().manual_seed(seed))[0])
    assert split(1) == split(1) != split(2)


def test_a_tensor_dataset_gives_rows_of_each_tensor():
    x, y = minidl.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([7, 8, 9])
    dataset = TensorDataset(x, y)
    first, second = dataset[1]
    assert first.numpy().tolist() == [3, 4] and second == 8
    [(a, b), _] = DataLoader(dataset, 2)
    assert a.numpy().tolist() == [[1, 2], [3, 4]] and b.numpy().tolist() == [7, 8]
    with pytest.raises(ValueError, match=r"lengths \[3, 2\]"):
        TensorDataset(x, y[:2])


class Squares(Dataset):
    """As a PyTorch user writes one."""
    def __getitem__(self, index):
        return {"x": minidl.tensor([index, index ** 2]), "half": index / 2, "name": f"number {index}"}

    def __len__(self):
        return 5


def test_a_dataset_of_ones_own_is_collated_by_kind():
    # What torch.utils.data.default_collate makes of these: a stack, float64 numbers, and a list of strings.
    batch = list(DataLoader(Squares(), batch_size=3))[1]
    assert batch["x"].numpy().tolist() == [[3, 9], [4, 16]]
    assert batch["half"].dtype == np.float64 and batch["half"].numpy().tolist() == [1.5, 2]
    assert batch["name"] == ["number 3", "number 4"]


def test_samples_of_different_shapes_make_no_batch():
    with pytest.raises(ValueError, match=r"sample 0 of a batch has shape \(2,\), sample 1 has \(3,\)"):
        default_collate([np.zeros(2), np.zeros(3)])


def test_a_dataset_without_getitem_says_so():
    class Empty(Dataset):
        pass
    with pytest.raises(NotImplementedError, match="Empty needs a method __getitem__"):
        Empty()[0]
