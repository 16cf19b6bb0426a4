import numpy as np
import pytest
import scipy.sparse

from skcurv.data import Data, chunks

from ..cases import LOSSES, assert_close, case, problem

N = 12
forms = pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_matrix], ids=["dense", "csr"])


def _data(form=np.asarray, n=N, v=None, dtype=np.float64):
    X = np.arange(1.0, 2 * n + 1).reshape(n, 2)  # the first column names the row
    return Data(form(X.astype(dtype)), X[:, 1:].astype(dtype), np.ones(n) if v is None else v)


def _first(X):
    return X[:, :1].toarray()[:, 0] if scipy.sparse.issparse(X) else X[:, 0].copy()


def _epoch(data, size, seed=3, epoch=0):
    return [(_first(b.X), b.Y[:, 0].copy(), b.w.copy(), b.scale) for b in data.batches(size, seed, epoch)]


@forms
@pytest.mark.parametrize("size", [1, 4, 5, 11])
def test_an_epoch_covers_every_row_once(form, size):
    data = _data(form, v=np.linspace(1, 2, N))
    batches = _epoch(data, size)
    sizes = [len(b[0]) for b in batches]
    assert len(sizes) == np.ceil(N / size)
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1
    rows, Y, w = (np.concatenate(parts) for parts in list(zip(*batches, strict=True))[:3])
    order = np.argsort(rows)
    np.testing.assert_array_equal(rows[order], _first(data.X))
    np.testing.assert_array_equal(Y, rows + 1)  # targets and weights travel with their rows
    np.testing.assert_array_equal(w[order], data.w)


@forms
def test_scale_is_one_over_the_rows_of_the_batch(form):
    for rows, _, _, scale in _epoch(_data(form), 5):
        assert scale == 1 / len(rows)


@forms
@pytest.mark.parametrize("size", [N, N + 1])
def test_one_batch_is_everything_in_its_order(form, size):
    data = _data(form)
    (batch,) = data.batches(size, 0, 0)
    assert batch is data.all()
    np.testing.assert_array_equal(_first(batch.X), _first(data.X))
    assert batch.scale == 1 / N


@forms
def test_order_is_a_function_of_seed_and_epoch(form):
    def order(seed, epoch):
        return np.concatenate([b[0] for b in _epoch(_data(form), 5, seed, epoch)]).tolist()

    assert order(3, 0) == order(3, 0)
    assert len({tuple(order(seed, epoch)) for seed in (3, 4) for epoch in (0, 1, 2)}) == 6


@forms
def test_rows_of_weight_zero_are_dropped_first(form):
    v = np.where(np.arange(N) % 3 == 0, 0, 2.0)
    data = _data(form, v=v)
    assert data.n == 8
    assert data.total_weight == 16
    np.testing.assert_array_equal(data.w, 1)
    np.testing.assert_array_equal(_first(data.all().X), np.arange(1.0, 2 * N, 2)[v > 0])
    assert sum(len(b[0]) for b in _epoch(data, 3)) == 8


def test_weights_have_mean_one():
    v = np.random.default_rng(0).uniform(0.1, 9, N)
    batch = _data(v=v).all()
    assert_close(batch.w.mean(), 1.0, N)
    assert_close(batch.weights, v / v.sum(), N)


@pytest.mark.parametrize("loss", LOSSES)
def test_batches_of_one_size_are_unbiased(loss):
    p = problem(case("tanh", loss), n=14)
    f = p.objective()
    values = [f.point(p.theta, b).value for b in f.data.batches(4, seed=1, epoch=2)]
    grads = [f.point(p.theta, b).grad for b in f.data.batches(4, seed=1, epoch=2)]
    assert f.data.n == 12
    assert len(values) == 3
    full, terms = f.point(p.theta), 20 * p.theta.size * p.Y.size
    assert_close(np.mean(values), full.value, terms)
    assert_close(np.mean(grads, axis=0), full.grad, terms, scale=1 + np.abs(full.grad).max())


def test_dense_batches_share_one_buffer_and_leave_the_data_alone():
    data = _data()
    before = data.X.copy()
    first, second = list(data.batches(6, 0, 0))
    assert np.shares_memory(first.X, second.X)
    second.X[:] = -1
    np.testing.assert_array_equal(data.X, before)


def test_read_only_input_is_accepted_and_the_whole_is_owned():
    X = np.arange(24.0).reshape(12, 2)
    X.flags.writeable = False
    data = Data(X, np.ones((12, 1)), np.ones(12))
    assert data.all().owned
    assert data.all().X.flags.writeable
    assert all(batch.owned and batch.X.flags.writeable for batch in data.batches(5, 0, 0))


@pytest.mark.parametrize("order", ["C", "F"])
def test_owned_batches_are_contiguous_and_of_the_dtype_of_the_targets(order):
    X = np.asarray(np.random.default_rng(0).normal(size=(12, 3)), dtype=np.float64, order=order)
    data = Data(X, np.ones((12, 1), np.float32), np.ones(12))
    for batch in (data.all(), *data.batches(5, 0, 0)):
        assert batch.w.dtype == np.float32
        assert not batch.owned or (batch.X.dtype == np.float32 and batch.X.flags.c_contiguous)
    assert data.all().owned


def test_csr_is_not_owned():
    data = _data(scipy.sparse.csr_matrix)
    assert not data.all().owned
    assert not any(batch.owned for batch in data.batches(5, 0, 0))


def test_part_keeps_its_share_and_alone_is_a_batch_of_its_own():
    batch = _data(v=np.linspace(1, 2, N)).all()
    part, alone = batch.part(slice(2, 5)), batch.alone(slice(2, 5))
    np.testing.assert_array_equal(part.X, batch.X[2:5])
    np.testing.assert_array_equal(part.weights, batch.weights[2:5])
    assert alone.scale == 1 / 3
    for ours, whole in zip(alone[:3], batch[:3], strict=True):
        np.testing.assert_array_equal(ours, whole[2:5])


@pytest.mark.parametrize(("n", "rows"), [(7, 3), (6, 3), (2, 5), (1, 1)])
def test_chunks_cover_all_rows_in_order(n, rows):
    parts = [np.arange(n)[part] for part in chunks(n, rows)]
    np.testing.assert_array_equal(np.concatenate(parts), np.arange(n))
    assert all(0 < len(part) <= rows for part in parts)
