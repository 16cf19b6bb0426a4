import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """The matrices here are small: a second thread of BLAS only waits, and much longer where other work runs."""
    import scipy.linalg  # noqa: F401 - the pools to limit must be loaded

    with threadpool_limits(1):
        yield
