"""The choice of `lm-newton` between the Gauss-Newton matrix G and the Hessian H of a network, step by step.

The next step takes the one whose model was closer to the last step's change of f (Dennis, Gay & Welsch 1981, with an
estimate in the place of H),

    |f(theta + d) - f(theta) - g'd - d'(C + D)d / 2|,        C = G or H,

G at first, and where H + D + lambda M is not positive definite, which is found by trying: after the m-th time in a row
H is left aside for 2^m - 1 steps. Near a minimum with residuals G converges linearly, H quadratically; far from one H
is mostly indefinite, and the damping that would mend it makes small steps.
"""

from typing import NamedTuple

from ..backend.namespace import dot, namespace


class Turn(NamedTuple):
    """Whether the Hessian was closer, how often in a row it was not positive definite, and steps that it is left aside.

    The last two are those before a step.
    """

    closer: bool = False
    failures: int = 0
    rest: int = 0

    @property
    def hessian(self):
        """Whether the step tries the Hessian."""
        return self.closer and not self.rest

    def after(self, here, there, curvature):
        """The turn of the next step, from the matrix that this one took, "ggn" or "hessian"."""
        closer = self.closer if there is here else _closer(here, there)
        if not self.hessian:
            return Turn(closer, self.failures, max(self.rest - 1, 0))
        failures = 0 if curvature == "hessian" else self.failures + 1
        return Turn(closer, failures, 2**failures - 1)


def _closer(here, there):
    """Whether the Hessian's model was, its bend and that of G from derivatives of the outputs along the step."""
    (xp, loss, Y), d = (namespace(here.theta), here.objective.loss, here.batch.Y), there.theta - here.theta
    F, (first, second), w = here.tape.F, here.objective.network.derivatives(here.tape, d), here.batch.weights[:, None]
    G = dot(xp, first, w * loss.ggnp(F, Y, first))
    H = dot(xp, first, w * loss.hessp(F, Y, first)) + dot(xp, here.loss_grad, second)
    left = there.value - here.value - dot(xp, here.grad + 0.5 * here.objective.shift(here.theta) * d, d)
    return abs(left - 0.5 * H) < abs(left - 0.5 * G)
