"""minidl step: a network, some images, and a page that steps through what it computes of them."""
import json
import zlib
from base64 import b64decode

import numpy as np
import pytest

import minidl
from minidl.cli import main
from minidl.utils.data import datasets


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with minidl.use_kernels("reference"):
        yield


def content(path):
    data = zlib.decompress(b64decode(path.read_text().split('id="minidl-trace">')[1].split("</script>")[0]))
    end = 4 + int.from_bytes(data[:4], "little")
    return json.loads(data[4:end]), data[end:]


def test_it_writes_a_page_about_random_images_from_a_seed(tmp_path, capsys):
    for seed, name in ((0, "a"), (0, "b"), (1, "c")):
        assert main(["step", "lenet5", "--batch", "3", "--seed", str(seed), "--html", f"{name}.html"]) == 0
    assert "lenet5, 13 ops and 61 moments, is in a.html" in capsys.readouterr().out
    a, b, c = [(tmp_path / f"{name}.html").read_bytes() for name in "abc"]
    assert a == b != c
    trace, _ = content(tmp_path / "a.html")
    assert trace["title"] == "lenet5" and trace["nodes"][0][2] == "c1" and not trace["error"] and not trace["faults"]
    assert trace["snapshots"][trace["leaves"][0][2]][0] == [3, 1, 32, 32]


def test_it_takes_images_of_a_data_set_as_the_recipe_prepares_them(tmp_path):
    assert main(["step", "lenet5", "--data", "mnist", "--index", "4", "--html", "page.html"]) == 0
    trace, numbers = content(tmp_path / "page.html")
    (name, kind, index), *_ = trace["leaves"]
    shape, *_, starts, sizes, offset, scale, part = trace["snapshots"][index]
    assert (name, kind, shape[0]) == ("x", "input", 2)
    labels = next(leaf[2] for leaf in trace["leaves"] if leaf[0] == "target")
    offset = trace["snapshots"][labels][7]
    test = datasets.load("mnist", train=False)
    np.testing.assert_array_equal(np.frombuffer(numbers, np.float32, 2, offset), [test[4][1], test[5][1]])


@pytest.mark.parametrize("args, said", [
    (["lenet"], "there is no network 'lenet', did you mean lenet5"),
    (["lenet5"], "minidl step lenet5 --html page.html"),
    (["lenet5", "--html", "page.txt"], "page.txt should end in .html"),
    (["lenet5", "--index", "3", "--html", "page.html"], "--index is of an image of a data set"),
    (["lenet5", "--data", "mnist", "--index", "49", "--html", "page.html"], "50 test images; 2 from number 49 on are more"),
    (["lenet5", "--data", "mnst", "--html", "page.html"], "mnst"),
    (["lenet5", "--batch", "0", "--html", "page.html"], "--batch"),
])
def test_what_is_wrong_is_one_line(args, said, capsys, tmp_path):
    args = ["--html", "page.html", *args] if args == ["lenet"] else args
    assert main(["step", *args]) == 2
    error = capsys.readouterr().err
    assert error.startswith("minidl: ") and error.count("\n") == 1 and said in error
    assert not list(tmp_path.glob("*.html"))
