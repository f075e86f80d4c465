"""What papers and short derivations say about gradients at initialisation: functions of numbers, without networks.

    plain.py        layers in a row: the length q of a signal, the rate chi of a gradient, the critical line
    batch_norm.py   the same with batch norm, where every plain network explodes
    residual.py     x + F(x) with and without batch norm, the shortcut's scale, the branch's share
    reflected.py    ReLU after the addition: a random walk with a floor
    paths.py        how long the paths are that a gradient takes through a residual network
    correlation.py  the gradients of two inputs: how a deep network shatters them
    spectra.py      singular values of the Jacobian
    finite.py       what few units and zero padding change
    gaussian.py     E f(Z) for a standard normal Z, and the activations

Words used throughout. z_l is the output of weight layer l, delta_l the gradient of the loss in it, and the *rate* the
factor of E|delta|^2 from one layer to the layer below: above 1 gradients explode toward the input, below 1 they vanish.
Norms change by its square root. Weights are normal with variance sigma_w^2 / fan_in, biases with variance sigma_b^2.
"""
