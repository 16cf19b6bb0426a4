"""Spectra of curvature operators, a report on conditioning, and checks of derivatives."""

from .gradcheck import GradientCheck, check_loss, check_network, gradcheck
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
    "SpectralDensity",
    "check_loss",
    "check_network",
    "condition_number",
    "diagnose",
    "effective_n_parameters",
    "extreme_eigenvalues",
    "gradcheck",
    "spectral_density",
    "trace",
]
