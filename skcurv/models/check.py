"""A user's Jacobian against differences, before a fit relies on it.

With D_h the Jacobian by differences of step h, |D_2h - D_h| bounds the error of truncation, and ROUNDINGS eps^(2/3) |F|
/ s that of rounding (see `network.differences`), for outputs F and a parameter of size s.
"""

import numpy as np

from ..network import differences

ROUNDINGS = 60
SLACK = 1e-5  # of a column's largest entry, that any derivative may be off


def check_jacobian(network, labels, theta, X, given):
    """Raise ValueError where J at theta is not the derivative of the model.

    Parameters
    ----------
    network : Parametric
    labels : list of str
        A word for each entry of theta.
    theta : (p,)
    X : (n, d)
    given : str
        What the message calls the derivative.
    """
    tape, derivative = network.forward(theta, X), network.derivative
    sizes = differences.scale(theta, derivative.size)
    fine, coarse = (
        differences.jacobian(
            "3-point", network.function, theta, X, tape.F, far * sizes / differences.SMALL, derivative.box
        )
        for far in (1, 2)
    )
    F = np.max(np.abs(tape.F), initial=0.0)
    rounding = ROUNDINGS * differences.ERRORS["3-point"] * F / sizes
    largest = np.max(np.abs(fine), axis=(0, 1), initial=0.0)
    excess = np.abs(tape.J - fine) - (2 * np.abs(coarse - fine) + SLACK * largest + rounding)
    place = np.unravel_index(np.argmax(np.where(np.isnan(excess), np.inf, excess)), excess.shape)
    if not excess[place] <= 0:
        row, output, j = (int(i) for i in place)
        raise ValueError(
            f"{given} is wrong for parameter {labels[j]!r}: in row {row}, output {output} it gives "
            f"{tape.J[place]:.6g}, where differences of the model give {fine[place]:.6g}. Allowed is the derivative of "
            "the model. Correct it, or pass jac='3-point'; check_jac=False skips this check."
        )
    _check_adjoint(network, tape, given)


def _check_adjoint(network, tape, given):
    """V'(J u) = (J'V)'u for a random pair, u in units that make the columns of J alike."""
    rng = np.random.default_rng(0)
    largest = np.max(np.abs(tape.J), axis=(0, 1))
    V, u = rng.standard_normal(tape.F.shape), rng.standard_normal(tape.theta.shape) / np.where(largest > 0, largest, 1)
    forward, backward = float(np.sum(V * (tape.J @ u))), float(network.pullback(tape, V).total() @ u)
    scale = float(np.sum(np.abs(V) * (np.abs(tape.J) @ np.abs(u))))
    if not abs(forward - backward) <= SLACK * scale:
        raise ValueError(
            f"{given} is not consistent: V'(J u) = {forward:.6g}, where (J'V)'u = {backward:.6g} for the same V and u. "
            "Allowed is a product with J and one with its transpose. Correct the second function."
        )
