"""How the parameters of a multilayer perceptron lie in one flat vector."""

from itertools import pairwise

from ..backend.namespace import namespace


class Layout:
    """One block (i + 1, o) a layer, bias last row, row-major, in one flat vector theta (p,).

    With a_bar = [a, 1] the layer computes a_bar @ block, a row of the Jacobian is vec(a_bar g') and the
    layer's curvature block is A (x) G in this order, A from inputs (i + 1, i + 1), G from outputs (o, o).

    Parameters
    ----------
    sizes : sequence of int
        Widths from input to output, (d, h_1, ..., k).
    """

    def __init__(self, sizes):
        self.sizes = tuple(int(size) for size in sizes)
        self.shapes = tuple((i + 1, o) for i, o in pairwise(self.sizes))
        starts = [0]
        for rows, columns in self.shapes:
            starts.append(starts[-1] + rows * columns)
        self.slices = tuple(slice(a, b) for a, b in pairwise(starts))
        self.size = starts[-1]

    @property
    def output(self):
        """The output layer's slice, None where there is no other layer."""
        return self.slices[-1] if len(self.slices) > 1 else None

    def block(self, theta, layer):
        """The layer's block (i + 1, o), a view of theta."""
        return namespace(theta).reshape(theta[self.slices[layer]], self.shapes[layer])

    def blocks(self, theta):
        """All blocks, input to output."""
        return [self.block(theta, layer) for layer in range(len(self.shapes))]

    def join(self, blocks):
        """One flat vector from one block a layer."""
        xp = namespace(blocks[0])
        return xp.concat([xp.reshape(block, (-1,)) for block in blocks])

    def weight_means(self, v):
        """One number a layer (L,): the mean of v (p,) over its weights."""
        return namespace(v).stack([namespace(v).mean(block[:-1, :]) for block in self.blocks(v)])

    def repeated(self, values):
        """One number a layer (L,) as one a parameter (p,)."""
        xp = namespace(values)
        return xp.concat([xp.full(i * o, values[layer]) for layer, (i, o) in enumerate(self.shapes)])

    def penalised(self, theta):
        """A vector (p,) like theta: 1 at weights, 0 at biases."""
        xp = namespace(theta)
        blocks = []
        for i, o in pairwise(self.sizes):
            blocks += [xp.ones(i * o, dtype=theta.dtype), xp.zeros(o, dtype=theta.dtype)]
        return xp.concat(blocks)
