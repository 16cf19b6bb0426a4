"""``alpha="evidence"``: what it needs, and what a fit by it leaves behind in the target's units."""

import numpy as np

from ..backend.namespace import total
from ..solvers.evidence import Evidence, train_by_evidence
from ..solvers.protocol import check_fields

FITTED = (
    *("alpha_", "effective_n_parameters_", "feature_relevances_", "leave_one_out_score_", "log_evidence_"),
    *("noise_variance_", "precisions_"),
)


def asked(estimator, solver, loss):
    """The object that ``alpha`` names or is, None for a number; raises where the evidence cannot set it."""
    alpha = Evidence() if isinstance(estimator.alpha, str) else estimator.alpha
    for name in FITTED:
        estimator.__dict__.pop(name, None)
    if not isinstance(alpha, Evidence):
        return None
    check_fields(alpha, alpha.domains)
    curvature = getattr(solver, "curvature", None)
    for name, given, allowed in (
        ("solver", solver.name, "lm-newton"),
        ("the solver's curvature", curvature, "ggn"),
        ("loss", loss.name, "squared_error"),
        ("target_scaling", estimator.target_scaling, "auto"),
        ("batch_size", estimator.batch_size, "auto"),
        ("early_stopping", bool(estimator.early_stopping), False),
    ):
        if given != allowed:
            raise ValueError(
                f"alpha='evidence' was given with {name}={given!r}. Allowed is {allowed!r}, for which the posterior is "
                f"at hand. Set {name}={allowed!r}, or give alpha a number."
            )
    return alpha


def trained(estimator, evidence, solver, objective, theta, budget, started):
    """Train, and set the fitted attributes of the evidence: the Result."""
    prior, tell = (
        evidence.prior(objective.network.layout, objective.data.total_weight),
        print if estimator.verbose else None,
    )
    result, (prior, terms) = train_by_evidence(
        solver, objective, theta, prior, budget, estimator.seed_, started, tell=tell
    )
    data, scale = objective.data, estimator.targets_.scale
    estimator.alpha_ = prior.alpha
    estimator.precisions_ = dict(zip(prior.names, prior.a.tolist(), strict=True))
    estimator.effective_n_parameters_ = float(np.sum(terms.gamma))
    noise = scale**2 / prior.beta
    estimator.noise_variance_ = float(noise[0]) if estimator.targets_.one_dimensional else noise
    jacobian = total(np, np.log(scale))
    estimator.log_evidence_ = terms.log_evidence - data.total_weight * jacobian
    estimator.leave_one_out_score_ = terms.score - jacobian
    if evidence.precisions == "feature":
        relevances = 1 / prior.a[: data.X.shape[1]]
        estimator.feature_relevances_ = relevances / relevances.sum()
    return result
