import inspect
import os
import subprocess
import sys

import numpy as np
import pytest

import minidl.kernels
from minidl.kernels import cpu, kernels_for, reference, use_kernels
from minidl.kernels.cpu.jit import jit


def functions(kernels):
    return {name: f for name, f in vars(kernels).items() if callable(f) and not name.startswith("_")}


def test_the_sets_have_the_same_functions_with_the_same_arguments():
    assert functions(cpu).keys() == functions(reference).keys()
    for name, f in functions(reference).items():
        if inspect.isfunction(f):
            assert inspect.signature(functions(cpu)[name]) == inspect.signature(f), name


def test_the_first_array_chooses_and_numbers_have_no_say(monkeypatch):
    class Other:
        pass
    monkeypatch.setitem(minidl.kernels._set_of, Other, "others")
    x = np.zeros(2)
    assert kernels_for(x) is kernels_for(1.0, x) is kernels_for(np.float32(1), None) is kernels_for() is cpu
    assert kernels_for(2, Other(), x) == "others"
    assert kernels_for(np.zeros(2).view(np.recarray)) is cpu


def test_the_set_of_numpy_arrays_is_switched_for_a_block_or_for_good():
    with use_kernels("reference") as k:
        assert k is kernels_for(np.zeros(1)) is reference
        use_kernels("cpu")
        assert kernels_for(np.zeros(1)) is cpu
    assert kernels_for(np.zeros(1)) is cpu
    with pytest.raises(ValueError, match="no kernel set 'gpu'; there are reference, cpu"):
        use_kernels("gpu")


def test_importing_the_kernels_loads_nothing_heavy():
    run("import sys, minidl.kernels\n"
        "assert not {'numba', 'scipy', 'matplotlib', 'threadpoolctl'} & set(sys.modules)")


def test_without_the_compiler_the_kernels_are_loops_to_step_through():
    run("import numpy as np\n"
        "from minidl.kernels import cpu, reference\n"
        "rng = np.random.default_rng(0)\n"
        "x, w = rng.standard_normal((2, 4, 5, 6)), rng.standard_normal((4, 2, 3, 3))\n"
        "where = (2, 1), (1, 0), (1, 2), 2\n"
        "for k in cpu, reference:\n"
        "    y = k.conv2d(x, w, None, *where)\n"
        "    gx, gw = k.conv2d_gradient_x(y, w, x.shape, *where), k.conv2d_gradient_w(y, x, (3, 3), *where)\n"
        "    top, index = k.max_pool(x, (3, 2), (2, 2), (1, 1), (1, 1), True)\n"
        "    got = y, gx, gw, top, index, k.batch_norm(x, None, None, 0.1)[0], k.dropout_mask(1, (9,), 0.5, 'f')\n"
        "    if k is cpu: kept = got\n"
        "for a, b in zip(kept, got): np.testing.assert_allclose(a, b, atol=1e-12)\n"
        "assert type(cpu.columns._fill).__name__ == 'function'\n", NUMBA_DISABLE_JIT="1")


def test_a_kernel_that_cannot_be_cached_is_compiled_all_the_same():
    file = {"jit": jit}
    exec("@jit\ndef double(x):\n    return 2 * x", file)     # a function without a file has no place for a cache
    assert file["double"](21) == 42
    assert file["double"].signatures                         # the compiled one has taken its place


def run(program, **environment):
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ | environment)
