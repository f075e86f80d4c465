"""A small data set where the commands find MNIST."""
import pytest

from tests.small_mnist import write_mnist


@pytest.fixture(autouse=True)
def small_mnist(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("data")
    write_mnist(folder)
    monkeypatch.setenv("MINIDL_DATA", str(folder))
