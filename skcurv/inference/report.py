"""A readable report of a fit."""

import numpy as np
from scipy import stats

STRONG = 0.9  # correlations at least this large are listed
MOST = 6  # of them


def report(title, facts, labels, values, notes, stderr, degrees):
    """A table of the parameters under a head of facts.

    Parameters
    ----------
    title : str
    facts : list of (str, str)
    labels : list of str
    values : (P,)
    notes : list of str
        A word for each parameter that has no standard error, else "".
    stderr : (P,)
        NaN where there is none.
    degrees : int or None
        Of Student's t; None for a normal distribution.

    Returns
    -------
    str
    """
    letter = "t" if degrees else "z"
    width = max(len("parameter"), *(len(label) for label in labels))
    lines = [title, "=" * len(title)]
    lines += [f"{name + ':':<{max(len(n) for n, _ in facts) + 2}}{value}" for name, value in facts]
    lines += ["", f"{'parameter':<{width}}  {'estimate':>13}  {'std. error':>11}  {letter:>9}  {f'P > |{letter}|':>8}"]
    for label, value, note, error in zip(labels, values, notes, stderr, strict=True):
        line = f"{label:<{width}}  {value:>13.7g}"
        if note:
            lines.append(f"{line}  {note}")
            continue
        t = value / error if error > 0 else np.inf * np.sign(value)
        p = 2 * (stats.t.sf(abs(t), degrees) if degrees else stats.norm.sf(abs(t)))
        lines.append(f"{line}  {error:>11.5g}  {t:>9.3g}  {p:>8.2g}")
    return "\n".join(lines)


def strong_correlations(labels, matrix):
    """The largest correlations in words, largest first.

    Parameters
    ----------
    labels : list of str
    matrix : (p, p)
        Covariance; entries that are no finite numbers are passed over.
    """
    error = np.sqrt(np.diagonal(matrix))
    with np.errstate(invalid="ignore", divide="ignore"):
        R = matrix / np.outer(error, error)
    pairs = [(abs(R[i, j]), i, j) for i in range(len(R)) for j in range(i) if np.isfinite(R[i, j])]
    strong = sorted((pair for pair in pairs if pair[0] >= STRONG), reverse=True)[:MOST]
    return [f"{labels[j]}, {labels[i]}: {R[i, j]:+.4f}" for _, i, j in strong]
