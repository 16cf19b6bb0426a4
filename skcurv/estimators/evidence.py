"""``alpha="evidence"``: what it needs, and what a fit by it leaves behind in the target's units."""

import numpy as np

from ..solvers.evidence import Evidence
from ..solvers.evidence_runs import train_by_evidence
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
    normal, whole = loss.name == "squared_error", solver.name == "lm-newton"
    if alpha.precisions == "feature" and not whole:
        raise ValueError(
            f"Evidence(precisions='feature') was given to solver={solver.name!r}. Allowed are 'layer' and 'one' there, "
            "whose Kronecker products take one precision a layer, and 'feature' with 'lm-newton'. Set "
            "solver='lm-newton', or precisions='layer'."
        )
    for name, given, allowed in (
        ("solver", solver.name, ("lm-newton", "kfac")),
        ("the solver's curvature", getattr(solver, "curvature", "ggn"), ("auto", "ggn")),
        ("target_scaling", getattr(estimator, "target_scaling", "auto") if normal else "auto", ("auto",)),
        ("batch_size", estimator.batch_size if whole else "auto", ("auto",)),
        ("early_stopping", bool(estimator.early_stopping), (False,)),
    ):
        if given not in allowed:
            words = " or ".join(map(repr, allowed))
            raise ValueError(
                f"alpha='evidence' was given with {name}={given!r}. Allowed is {words}, for which the posterior is at "
                f"hand. Set {name} to that, or give alpha a number."
            )
    return alpha


def trained(estimator, evidence, solver, objective, theta, budget, started):
    """Train, and set the fitted attributes of the evidence: the Result."""
    layout, data, loss = objective.network.layout, objective.data, objective.loss
    if loss.name != "squared_error" and loss.likelihood != "exact":
        raise ValueError(
            f"alpha='evidence' was given with loss={loss.name!r}. Allowed are 'squared_error' and losses that are a "
            "density, such as 'log_loss', 'poisson' and 'gaussian_nll'. Use one of them, or give alpha a number."
        )
    prior, tell = evidence.prior(layout, data.total_weight), print if estimator.verbose else None
    result, found = train_by_evidence(solver, objective, theta, prior, budget, estimator.seed_, started, tell=tell)
    prior, terms, scale = found.prior, found.terms, getattr(estimator.targets_, "scale", 1.0)
    estimator.alpha_ = prior.alpha
    estimator.precisions_ = dict(zip(prior.names, prior.a.tolist(), strict=True))
    estimator.effective_n_parameters_ = float(np.sum(terms.gamma))
    if terms.numbers:
        noise = scale**2 / prior.beta
        estimator.noise_variance_ = float(noise[0]) if estimator.targets_.one_dimensional else noise
    jacobian = float(np.sum(np.log(scale)))
    estimator.log_evidence_ = terms.log_evidence - data.total_weight * jacobian
    estimator.leave_one_out_score_ = terms.score - jacobian
    if evidence.precisions == "feature":
        relevances = 1 / prior.a[: data.X.shape[1]]
        estimator.feature_relevances_ = relevances / relevances.sum()
    return result
