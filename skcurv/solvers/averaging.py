"""The average of the iterates by polynomial decay (Shamir & Zhang 2013, section 4, arXiv:1212.1824).

    theta_bar <- theta_bar + (1 + TAIL) / (t + TAIL) (theta - theta_bar)    in step t = 1, 2, ...

On mini-batches it is what counts, for theta itself keeps the noise of a batch. It takes in the theta that a step starts
from, so that an untested step never reaches it unseen, and it ends with them.
"""

from ..backend.passes import combined

TAIL = 5  # its weights grow like t^TAIL, so that it spans a sixth of the steps


def with_iterate(average, theta, t):
    """theta_bar of step t; an average of None starts anew."""
    share = 1.0 if average is None else (1 + TAIL) / (t + TAIL)
    return theta if share >= 1 else combined(1 - share, average, share, theta)
