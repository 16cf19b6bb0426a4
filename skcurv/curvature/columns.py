"""What curvature: columns S (n, k, c) in output space, unweighted; the curvature is sum_i w_i J_i' S_i S_i' J_i.

* exact generalised Gauss-Newton: S S' = the loss Hessian or its stated surrogate (Schraudolph 2002);
* Monte-Carlo Fisher: gradients at targets drawn from the model, E[S S'] = the Fisher; for a loss that is no density
  random columns with E[S S'] = the first (`losses/draws.py`);
* empirical Fisher: gradients at the true targets; another matrix unless the model is right (Kunstner et al. 2019).
"""

from ..losses.draws import drawn


def ggn(here, rng):
    """A factor of the loss Hessian, c = k; nothing is drawn."""
    return here.objective.loss.factor(here.tape.F, here.batch.Y)


def sampled_fisher(here, rng):
    """One draw from the model, c = 1."""
    return drawn(here.objective.loss, here.tape.F, here.batch.Y, 1, rng)


def empirical_fisher(here, rng):
    """The loss gradient at the true targets, c = 1; nothing is drawn."""
    return here.objective.loss.grad(here.tape.F, here.batch.Y)[:, :, None]
