"""Spectra of curvature operators, a report on conditioning, rows that matter, checks of derivatives and losses."""

from .gradcheck import GradientCheck, check_network, gradcheck
from .influence import Influence, influence
from .loss_report import LossReport, check_loss
from .report import Diagnosis, diagnose
from .spectrum import (
    ConditionNumber,
    Estimate,
    Extremes,
    SpectralDensity,
    condition_number,
    extreme_eigenvalues,
    spectral_density,
)
from .traces import effective_n_parameters, trace

__all__ = [
    "ConditionNumber",
    "Diagnosis",
    "Estimate",
    "Extremes",
    "GradientCheck",
    "Influence",
    "LossReport",
    "SpectralDensity",
    "check_loss",
    "check_network",
    "condition_number",
    "diagnose",
    "effective_n_parameters",
    "extreme_eigenvalues",
    "gradcheck",
    "influence",
    "spectral_density",
    "trace",
]
