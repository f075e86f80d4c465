"""What every test can rely on: fixed seeds, pictures without a screen, no GPU tests where there is no GPU."""

import os
import shutil
import sys

import numpy as np
import pytest
from hypothesis import settings

# Also for the programs that tests start. A thread that is out of work sleeps: OpenMP would rather keep it awake, on the
# core that another worker of pytest-xdist is waiting for, and a training took six times as long.
os.environ["MPLBACKEND"] = "Agg"
os.environ["OMP_WAIT_POLICY"] = "passive"

# Numba compiles at the first call, which is no slowness of the example at hand.
settings.register_profile("minidl", deadline=None, derandomize=True)
settings.load_profile("minidl")


@pytest.fixture(autouse=True)
def same_seed_for_every_test():
    """A test's random numbers do not depend on the tests before it."""
    np.random.seed(0)
    if "minidl" in sys.modules:
        sys.modules["minidl"].manual_seed(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def browser():
    """Chromium, which pages are tested in. Tests that use it are slow ones: `make test` needs none."""
    from playwright.sync_api import sync_playwright
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.fail("there is no browser to test the page in: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def pytest_collection_modifyitems(items):
    for item in items:
        if "browser" in item.fixturenames:
            item.add_marker(pytest.mark.slow)
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked and not gpu_is_there():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no NVIDIA GPU, or no CuPy"))


def gpu_is_there():
    try:
        import cupy
        return cupy.cuda.runtime.getDeviceCount() > 0
    except Exception:
        return False
