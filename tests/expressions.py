"""Expressions that every kernel set must be able to compute in one pass."""


def operations(k, a, b):
    """Arithmetic, choices and bounds, all at once."""
    return [(2 - a) * b / (3.5 + a * a) - 1 / (2 + b * b) + (-a),
            k.where((a > b) & (a != 0) | ~(b >= 0.5), a, k.where(b == a, 2.0, b)),
            k.clip(a, -0.5, None) + k.clip(b, None, 0.25) * k.clip(a, -1, 1),
            k.maximum(a, b) + 2 * k.minimum(b, a) + k.maximum(0.1, a) + k.minimum(a, 0.2)]
