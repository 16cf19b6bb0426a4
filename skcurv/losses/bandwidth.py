r"""The width over which residuals are counted to estimate their density at 0 (Powell 1991; Koenker 2005, section 3.4).

With R residuals (n, k) at a quantile of level tau, z = Phi^-1(tau), Phi and phi the normal distribution and density,

    h = n^(-1/3) Phi^-1(0.975)^(2/3) [3/2 phi(z)^2 / (2 z^2 + 1)]^(1/3)                     (Hall & Sheather 1988)
    epsilon = min(sd R, IQR R / 1.34) (Phi^-1(tau + h) - Phi^-1(tau - h)) / 2,

and #(|R| <= epsilon) / (2 n epsilon) estimates the density: half the mean h'' of `quantile.py` with this epsilon. For
normal residuals these are the ones between the quantiles tau - h and tau + h, for which h is made.
"""

import numpy as np
from scipy.stats import norm

EDGE = 1e-3  # levels tau - h and tau + h stay this far inside (0, 1)


def bandwidth(R, w, levels):
    """epsilon (k,) for residuals R (n, k) and weights w (n,), h the mean over the levels."""
    z, share = norm.ppf(levels), w / np.sum(w)
    h = len(R) ** (-1 / 3) * norm.ppf(0.975) ** (2 / 3) * np.cbrt(1.5 * norm.pdf(z) ** 2 / (2 * z * z + 1))
    ends = norm.ppf(np.clip(levels + h, EDGE, 1 - EDGE)) - norm.ppf(np.clip(levels - h, EDGE, 1 - EDGE))
    low, high = np.quantile(R, [0.25, 0.75], axis=0, weights=w, method="inverted_cdf")
    deviation = np.sqrt(share @ (R - share @ R) ** 2)
    spread = np.minimum(deviation, (high - low) / 1.34)
    return 0.5 * np.mean(ends) * np.where(spread > 0, spread, deviation)
