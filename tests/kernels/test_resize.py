import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal


def test_pixels_come_from_where_the_scale_says(k):
    assert_array_equal(k.nearest_index(3, 6, 0.5), [0, 0, 1, 1, 2, 2])
    assert_array_equal(k.nearest_index(5, 3, 5 / 3), [0, 1, 3])
    assert_array_equal(k.nearest_index(5, 3, 5 / 3, exact=True), [0, 2, 4])
    corners = [[1, 0], [2 / 3, 1 / 3], [1 / 3, 2 / 3], [0, 1]]
    assert_allclose(k.linear_weights(2, 4, None, True, np.float64), corners)
    edges = [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]
    assert_allclose(k.linear_weights(2, 4, 0.5, False, np.float32), edges)


@pytest.mark.parity
def test_resizing_is_pytorchs(k, rng):
    torch = pytest.importorskip("torch")
    resize = torch.nn.functional.interpolate
    for size, out in (5, 3), (3, 7), (4, 4), (1, 3), (6, 1):
        x = rng.standard_normal((1, 1, size))
        for mode, exact in ("nearest", False), ("nearest-exact", True):
            wanted = resize(torch.tensor(x), out, mode=mode)[0, 0].numpy()
            assert_array_equal(x[0, 0][k.nearest_index(size, out, size / out, exact)], wanted)
        for align_corners in True, False:
            wanted = resize(torch.tensor(x), out, mode="linear", align_corners=align_corners)[0, 0].numpy()
            A = k.linear_weights(size, out, size / out, align_corners, np.float64)
            assert_allclose(A @ x[0, 0], wanted, atol=1e-14)
