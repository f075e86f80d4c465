"""minidl lab probe: a table of layers, a CSV with all digits, a picture; and one line for what is wrong."""
import csv

import pytest

from minidl.cli import main


def test_a_network_on_random_images_is_a_table(capsys):
    assert main(["lab", "probe", "lenet5", "--batch", "4"]) == 0
    out = capsys.readouterr().out
    assert "lenet5 at its first weights (seed 0), 4 random images, gradients of a random cotangent N(0, 1)" in out
    assert "RMS dL/dy" in out and "Conv2d" in out


def test_a_table_is_written_as_csv_and_the_loss_of_data_is_differentiated(capsys, tmp_path):
    path = tmp_path / "layers.csv"
    assert main(["lab", "probe", "resnet20", "--data", "digits", "--batch", "4", "--loss", "--out", str(path)]) == 0
    assert "4 images of digits, gradients of the loss" in capsys.readouterr().out
    rows = list(csv.DictReader(path.open()))
    by_name = {row["layer"]: row for row in rows}
    assert len(by_name) == len(rows)
    assert by_name["layer1.0.relu (2)"]["shape"].startswith("16x") and float(by_name["conv1"]["weight_gradient"]) > 0
    assert by_name["layer1.0.relu"]["weight_gradient"] == ""


def test_a_picture_is_written(capsys, tmp_path):
    path = tmp_path / "layers.png"
    assert main(["lab", "probe", "lenet5", "--batch", "4", "--out", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("arguments, sentence", [
    (["lenet6"], "there is no network 'lenet6'"),
    (["lenet5", "--out", "x.txt"], "should end in .csv, .png, .svg or .pdf"),
    (["lenet5", "--loss"], "--loss is of the labels of a data set"),
    (["lenet5", "--batch", "1"], "--batch"),
    (["lenet5", "--data", "nowhere"], "there is no data set 'nowhere'"),
])
def test_bad_input_is_one_line(capsys, arguments, sentence):
    assert main(["lab", "probe", *arguments]) == 2
    error = capsys.readouterr().err
    assert sentence in error and len(error.strip().splitlines()) == 1
