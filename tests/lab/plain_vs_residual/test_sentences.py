"""The sentences, from made-up numbers: one for every verdict, and none says more than its numbers."""
import math

import pytest

from minidl.lab.plain_vs_residual import sentences
from minidl.lab.plain_vs_residual.profile import Rate

EXPLODING, VANISHING, EVEN = Rate(1.2046, 1.2, 1.2092), Rate(0.707, 0.7, 0.714), Rate(0.997, 0.99, 1.004)


@pytest.mark.parametrize("verdict, law, rate, total, theory, zeros, said", [
    ("explodes", "exponential", EXPLODING, Rate(31416, 3e4, 4e4), 1.2112, 0,
     "the gradient explodes by 1.205 per layer (95 %: 1.200 to 1.209, 4 nets); theory 1.211. From the last block to the "
     "input that is a factor of 31,000."),
    ("vanishes", "exponential", VANISHING, Rate(7.4e-9, 7e-9, 8e-9), 0.7071, 0,
     "the gradient vanishes, by 0.707 per layer (95 %: 0.700 to 0.714, 4 nets); theory 0.707. From the last block to the "
     "input that is a factor of 7.4e-09."),
    ("vanishes", "exponential", Rate(0.0321, 0.03, 0.034), Rate(7.4e-9, 7e-9, 8e-9), None, 0,
     "the gradient vanishes, by 0.0321 per layer (95 %: 0.03 to 0.034, 4 nets); no law is drawn beside it. From the last "
     "block to the input that is a factor of 7.4e-09."),
    ("neither", "undecided", EVEN, Rate(0.53, 0.4, 0.7), 1.0, 0,
     "the gradient neither explodes nor vanishes: 0.997 per layer (95 %: 0.990 to 1.004, 4 nets); theory 1.000. From the "
     "last block to the input that is a factor of 0.53."),
    ("neither", "power", Rate(1.068, 1.06, 1.07), Rate(38, 36, 40), 1.07, 0,
     "the gradient neither explodes nor vanishes at a steady rate: it grows, as a power of depth, which fits every net "
     "better than a factor per layer. From the last block to the input that is a factor of 38. The mean factor is 1.068 per "
     "layer; theory 1.070."),
    ("neither", "undecided", Rate(0.9, 0.8, 1.01), Rate(0.01, 0.001, 0.09), None, 0,
     "the gradient neither explodes nor vanishes at a steady rate: it shrinks, by which law these nets do not say. From the "
     "last block to the input that is a factor of 0.01. The mean factor is 0.900 per layer; no law is drawn beside it."),
    ("underflows", "exponential", Rate(0.236, 0.23, 0.24), Rate(1e-34, 5e-35, 2e-34), 0.236, 0.981,
     "the gradient underflows: 98 % of what reaches the input is exactly 0 in float32, and not in float64. From the last "
     "block to the input that is a factor of 1.0e-34. It changes by 0.236 per layer (95 %: 0.230 to 0.240, 4 nets); "
     "theory 0.236.")])
def test_of_a_gradient_at_the_start(verdict, law, rate, total, theory, zeros, said):
    assert sentences.gradient("net", verdict, law, rate, total, 4, theory, zeros) == f"net: {said}"


def test_of_gradients_of_weights():
    assert sentences.weights("net", VANISHING, EXPLODING) == (
        "net: ||dL/dx|| changes by a factor of 0.71 from the last block to the input, and the largest ||dL/dW|| of a layer "
        "is 1.2 times the smallest.")


@pytest.mark.parametrize("losses, errors, edge, diverged, said", [
    ([0.0041, 0.0093], [0.016, 0.022], False, 0, "trains: training loss 0.004 to 0.009 in the last epoch (guessing costs "
     "2.30), test error 1.6 to 2.2 %, learning rate 0.1."),
    ([2.0, 2.2], [0.8, 0.8], True, 0, "fails to train: training loss 2.000 to 2.200 in the last epoch (guessing costs "
     "2.30), test error 80.0 %, learning rate 0.1, at the edge of those tried."),
    ([0.5, 2.2], [0.1, 0.8], False, 0, "trains or not, depending on the seed: training loss 0.500 to 2.200 in the last "
     "epoch (guessing costs 2.30), test error 10.0 to 80.0 %, learning rate 0.1."),
    ([2.2, math.inf], [0.8, 0.9], False, 1, "fails to train: training loss 2.200, and no number in 1 in the last epoch "
     "(guessing costs 2.30), test error 80.0 to 90.0 %, learning rate 0.1. 1 of 2 seeds diverged at every learning rate."),
    ([math.inf, math.inf], [0.9, 0.9], True, 2, "all 2 seeds diverged at every learning rate.")])
def test_of_a_training(losses, errors, edge, diverged, said):
    assert sentences.training("net", losses, errors, 0.1, edge, diverged) == f"net: {said}"


@pytest.mark.parametrize("plain, residual, said", [
    ([2.0, 2.1, 2.2], [0.004, 0.005, 0.009], "At 56 layers the residual network's training loss is lower in every seed: "
     "0.004 to 0.009 against 2.000 to 2.200 (by chance alone, 0.1 of the time)."),
    ([0.001, 0.002, 0.003], [0.004, 0.005, 0.006], "At 56 layers the residual network's training loss is higher in every "
     "seed: 0.004 to 0.006 against 0.001 to 0.003 (by chance alone, 0.1 of the time)."),
    ([1.3, 1.4, 1.5], [math.inf] * 3, "At 56 layers the residual network diverges in 3 of 3 seeds, the plain one in 0 of 3; "
     "training loss no number against 1.300 to 1.500."),
    ([1.3, math.inf], [0.1, 0.2], "At 56 layers the residual network diverges in 0 of 2 seeds, the plain one in 1 of 2; "
     "training loss 0.100 to 0.200 against 1.300, and no number in 1."),
    ([0.001, 0.005], [0.004, 0.009], "At 56 layers the seeds do not tell the two apart: training loss 0.004 to 0.009 "
     "against 0.001 to 0.005.")])
def test_of_plain_beside_residual(plain, residual, said):
    assert sentences.comparison(56, plain, residual) == said


@pytest.mark.parametrize("few, many, said", [
    ([0.02, 0.03], [2.0, 2.2], "degrades: the training loss is higher with more layers in every seed: 0.020 to 0.030 with 8 "
     "layers, 2.000 to 2.200 with 56 (by chance alone, 0.33 of the time)."),
    ([0.02, 0.03], [0.001, 0.01], "does not degrade: the training loss is lower with more layers in every seed: 0.020 to "
     "0.030 with 8 layers, 0.001 to 0.010 with 56 (by chance alone, 0.33 of the time)."),
    ([0.02, 0.03], [0.001, 0.025], "the seeds do not say that depth costs training loss: 0.020 to 0.030 with 8 layers, "
     "0.001 to 0.025 with 56.")])
def test_of_depth(few, many, said):
    assert sentences.deeper("net", 8, 56, few, many) == f"net: {said}"


@pytest.mark.parametrize("ratios, losses, said", [
    ([0.5, 0.53], [2.29, 2.3], "the norms are healthy, ||dL/dx_0|| / ||dL/dx_L|| is 0.500 to 0.530; still it fails to "
     "train: training loss 2.290 to 2.300."),
    ([0.5, 0.53], [0.002, 0.003], "the norms are healthy, ||dL/dx_0|| / ||dL/dx_L|| is 0.500 to 0.530; it trains: training "
     "loss 0.002 to 0.003."),
    ([0.5, 0.53], [0.002, 2.3], "the norms are healthy, ||dL/dx_0|| / ||dL/dx_L|| is 0.500 to 0.530; it trains or not, "
     "depending on the seed: training loss 0.002 to 2.300."),
    ([0.09, 0.53], [2.29, 2.3], "the norms are not even in every seed, ||dL/dx_0|| / ||dL/dx_L|| is 0.090 to 0.530; it "
     "fails to train: training loss 2.290 to 2.300.")])
def test_of_healthy_norms(ratios, losses, said):
    assert sentences.healthy("net", ratios, losses) == f"net: at the start {said}"


@pytest.mark.parametrize("before, after, end, said", [
    ([5.1e4, 3e4], [0.11, 0.2], [0.013, 0.02], "the gradient evens out in the first epoch, in every seed: 30,000 to 51,000 "
     "at the start, 0.110 to 0.200 after one epoch, 0.013 to 0.020 at the end."),
    ([5.1e4, 3e4], [4e4, 2e4], [], "the gradient does not even out in the first epoch: 30,000 to 51,000 at the start, "
     "20,000 to 40,000 after one epoch."),
    ([5.1e4, 3e4], [4e4, 0.2], [], "whether the gradient evens out in the first epoch depends on the seed: 30,000 to 51,000 "
     "at the start, 0.200 to 40,000 after one epoch."),
    ([2.0, 3.0], [1.0, 1.5], [], "first and last gradient are less than 10 times apart from the start: 2.000 to 3.000 at "
     "the start, 1.000 to 1.500 after one epoch."),
    ([2.0, math.nan], [1.0, 2.0], [], "in a seed the gradient is exactly 0, and has no first by last."),
    ([2.0, 3.0], [1.0], [], "not all seeds came to the end of an epoch.")])
def test_of_evening_out(before, after, end, said):
    assert sentences.evening("net", before, after, end) == f"net: {said}"


@pytest.mark.parametrize("cut, said", [
    ([0.021, 0.055], "no single block matters much on average: test error 2.0 % whole, 3.8 % on average with one block left "
     "out, 5.5 % at worst."),
    ([0.06, 0.24], "each block matters, on average: test error 2.0 % whole, 15.0 % on average with one block left out, 24.0 "
     "% at worst."),
    ([0.8, 0.9], "it breaks without any one block, on average: test error 2.0 % whole, 85.0 % on average with one block "
     "left out, 90.0 % at worst.")])
def test_of_a_lesion(cut, said):
    assert sentences.lesion("net", "block", [0.018, 0.022], cut) == f"net: {said}"


@pytest.mark.parametrize("x, text", [(31416, "31,000"), (0.5312, "0.53"), (1.3e-10, "1.3e-10"), (2.34e7, "2.3e+07"),
                                     (0, "0"), (9.96, "10"), (math.nan, "nan"), (123, "120")])
def test_numbers_have_two_figures(x, text):
    assert sentences.number(x) == text
