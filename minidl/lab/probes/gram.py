"""The spectrum of the Gram matrix of gradients: do they point everywhere, or all in one direction?"""
from typing import NamedTuple

import numpy as np

from minidl.lab.observe import observe
from minidl.lab.probes.similarity import unit_rows


class Gram(NamedTuple):
    """Of the Gram matrix K = U U^T of examples' gradients, each of length 1: K is (N, N), its trace N.

    eigenvalues    : the largest first
    effective_rank : exp(-sum p log p) with p = eigenvalues / N: Roy & Vetterli 2007, "The effective rank"
    whiteness      : (sum of eigenvalues)^2 / (N sum of their squares): 1 if the gradients are orthogonal, as those of white
                     noise in many dimensions nearly are; 1/N if they are all parallel
    """
    layer: str
    kind: str
    eigenvalues: np.ndarray
    effective_rank: float
    whiteness: float


def gram_spectra(model, x, **how):
    """The Gram of each layer's activation gradients, for a batch x; `how` are options of `observe`.

    All examples start from the same random cotangent, as in `cosines`. Balduzzi et al. 2017, arXiv 1702.08591, figures 1
    and 2, compare gradients of plain networks with white noise and of residual ones with brown noise. Costs one
    observation, and O(N^2 D + N^3) for each layer with D numbers an example.
    """
    if len(x) < 2:
        raise ValueError(f"gram_spectra: the gradients of two examples or more are compared, and the batch has {len(x)}")
    seen = observe(model, x, shared=True, **how)
    return [Gram(layer.name, layer.kind, *spectrum(layer.gy)) for layer in seen.layers if layer.gy is not None]


def spectrum(rows):
    """(eigenvalues, effective rank, whiteness) of the Gram matrix of the rows of an array (N, ...)."""
    units = unit_rows(rows)
    if not len(units):
        return np.zeros(0), float("nan"), float("nan")
    eigenvalues = np.clip(np.linalg.eigvalsh(units @ units.T)[::-1], 0, None)
    p = eigenvalues / eigenvalues.sum()
    entropy = -float((p[p > 0] * np.log(p[p > 0])).sum())
    return eigenvalues, float(np.exp(entropy)), float(1 / (len(p) * np.square(p).sum()))
