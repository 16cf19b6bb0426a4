"""What a fit has seen: one row an epoch (a step for full batches), columns by name."""

import numpy as np

EVIDENCE = ("log_evidence", "leave_one_out")
COLUMNS = (
    *("iteration", "epoch", "seconds", "loss", "validation_score", "step_length", "damping", "gain_ratio"),
    *EVIDENCE,
)


class History:
    """Rows that grow during a fit, the objective at its start, and the rows a batch needed there if that was asked."""

    def __init__(self, start):
        self.start, self.rows, self.noise = start, [], 0.0

    def add(self, *row):
        """One row, in the order of COLUMNS, NaN in those that are not given."""
        self.rows.append(row + (np.nan,) * (len(COLUMNS) - len(row)))

    def evidence(self, log_evidence, score):
        """The log evidence and the score of the last row."""
        self.rows[-1] = (*self.rows[-1][: -len(EVIDENCE)], log_evidence, score)

    def last(self, name):
        """The last entry of a column, 0 before the first."""
        return self.column(name)[-1] if self.rows else 0

    def column(self, name):
        """One column as a list."""
        place = COLUMNS.index(name)
        return [row[place] for row in self.rows]

    def arrays(self):
        """The arrays by name; columns without a single number are left out, iteration and epoch are integers."""
        arrays = {}
        for name in COLUMNS:
            column = np.asarray(self.column(name), dtype=int if name in ("iteration", "epoch") else float)
            if name in COLUMNS[:4] or not np.isnan(column).all():
                arrays[name] = column
        return arrays
