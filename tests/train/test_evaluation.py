"""Loss, top-1 and top-5."""
import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.train import evaluate, hits, predictions
from minidl.utils.data import DataLoader, TensorDataset


class Passes(nn.Module):
    """Scores are the input; remembers its mode and whether ops were recorded."""

    def __init__(self):
        super().__init__()
        self.part, self.seen = nn.Dropout(0.5), []

    def forward(self, x):
        self.seen.append((self.training, self.part.training, minidl.is_grad_enabled()))
        return x


def test_loss_and_accuracies_are_means_over_images_not_over_batches():
    rng = np.random.default_rng(0)
    scores, labels = rng.standard_normal((23, 9)).astype("f"), rng.integers(0, 9, 23)
    result = evaluate(Passes(), DataLoader(TensorDataset(scores, labels), batch_size=10))
    order = np.argsort(-scores, 1)
    log_p = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    assert result.loss == pytest.approx(-log_p[np.arange(23), labels].mean(), rel=1e-5)
    assert result.top1 == np.mean(order[:, 0] == labels)
    assert result.top5 == np.mean([label in five for label, five in zip(labels, order[:, :5])])
    assert result.images == 23


def test_of_equal_scores_the_first_wins_as_in_argmax():
    scores = minidl.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    assert [hits(scores, minidl.tensor([i, j])) for i, j in ((1, 0), (2, 0), (2, 1))] == [2, 1, 0]
    assert hits(scores, minidl.tensor([2, 1]), k=2) == 2
    assert hits(scores, minidl.tensor([0, 2]), k=2) == 0


def test_a_network_of_nans_recognises_nothing():
    assert hits(minidl.full((4, 10), float("nan")), minidl.tensor([0, 3, 5, 9]), k=5) == 0
    assert hits(minidl.tensor([[0.0, float("nan"), -1.0]]), minidl.tensor([0])) == 0


def test_evaluation_runs_in_eval_mode_without_a_graph_and_leaves_the_modes_as_they_were():
    model = Passes()
    model.part.eval()                                                     # a frozen part
    loader = DataLoader(TensorDataset(np.zeros((4, 3), "f"), np.zeros(4, int)), batch_size=2)
    evaluate(model, loader)
    assert model.seen == [(False, False, False)] * 2
    assert (model.training, model.part.training) == (True, False)


def test_a_pause_between_predictions_holds_no_mode():
    model = Passes()
    loader = DataLoader(TensorDataset(np.zeros((4, 3), "f"), np.zeros(4, int)), batch_size=2)
    results = predictions(model, loader)
    next(results)
    assert minidl.is_grad_enabled()
    results.close()
    assert model.training


def test_a_loader_without_batches_is_an_error():
    with pytest.raises(ValueError, match="no batches"):
        evaluate(Passes(), DataLoader(TensorDataset(np.zeros((0, 3), "f"), np.zeros(0, int))))
