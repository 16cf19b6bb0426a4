import numpy as np
import pytest

from skcurv.backend import passes


@pytest.fixture
def both(monkeypatch):
    """function -> what it gives by its array expression and by its compiled pass."""

    def results(function):
        found = []
        for large in (2**62, 1):
            monkeypatch.setattr(passes, "LARGE", large)
            with np.errstate(invalid="ignore"):  # infinity less infinity, 0 times infinity
                found.append(function())
        return found

    return results
