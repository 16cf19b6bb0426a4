import os

import pytest
from threadpoolctl import threadpool_limits

from skcurv.curvature import dense_blocks

os.environ.setdefault("MPLBACKEND", "agg")  # no window for a picture


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """The matrices here are small: a second thread of BLAS only waits, and much longer where other work runs."""
    import scipy.linalg  # noqa: F401 - the pools to limit must be loaded

    with threadpool_limits(1):
        yield


@pytest.fixture(params=[0, 2**10], ids=["sums", "rows"])
def dense_by(request, monkeypatch):
    """The dense matrix made from sums by layers, and from its rows, as it is for few parameters."""
    monkeypatch.setattr(dense_blocks, "ROWS", request.param)
