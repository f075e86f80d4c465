"""Data: sets of samples, what happens to images on the way, and batches of them."""
from minidl.utils.data import datasets, transforms
from minidl.utils.data.dataset import (
    ArrayDataset,
    DataError,
    Dataset,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
)
from minidl.utils.data.folder import ImageFolder
from minidl.utils.data.loader import DataLoader
from minidl.utils.data.pictures import picture_grid
from minidl.utils.data.segmentation import pixel_weights
