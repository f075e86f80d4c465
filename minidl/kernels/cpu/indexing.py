"""Gradients of reading by index: rows of a table, as an embedding reads them, without NumPy's general path."""
import numpy as np

from minidl.kernels.cpu.jit import jit
from minidl.kernels.reference import indexing as reference


def getitem_gradient(gy, shape, index):
    if not (isinstance(index, np.ndarray) and index.dtype.kind == "i" and len(shape) > 1):
        return reference.getitem_gradient(gy, shape, index)
    gx = np.zeros(shape, gy.dtype)
    row = gx[0].size if len(gx) else 0
    _add_rows(np.ascontiguousarray(gy).reshape(index.size, row), np.ascontiguousarray(index).reshape(-1),
              gx.reshape(len(gx), row))
    return gx


@jit
def _add_rows(rows, index, table):
    for i in range(len(rows)):
        for j in range(rows.shape[1]):
            table[index[i], j] += rows[i, j]             # an index below 0 counts from the end
