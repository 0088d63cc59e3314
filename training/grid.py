"""The cells of the detectors' maps: strides 8, 16 and 32, row by row, the same in student and teacher."""

import numpy as np

STRIDES = (8, 16, 32)


def grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Column and row of each cell (cells, 2), and its stride (cells,)."""
    at, strides = [], []
    for s in STRIDES:
        y, x = np.divmod(np.arange((side // s) ** 2), side // s)
        at.append(np.stack([x, y], 1))
        strides.append(np.full((side // s) ** 2, s))
    return np.concatenate(at).astype(np.float32), np.concatenate(strides).astype(np.float32)


def candidates(small: int, large: int) -> np.ndarray:
    """(cells of the small side, 4) those of the large side whose centres lie in each, repeated where there are fewer than four."""
    out, base = [], 0
    for s in STRIDES:
        n, m = small // s, large // s
        home = ((np.arange(m) + 0.5) * n / m).astype(int)
        axis = np.array([[np.flatnonzero(home == i)[0], np.flatnonzero(home == i)[-1]] for i in range(n)])
        pairs = axis[:, None, :, None] * m + axis[None, :, None, :]
        out.append(base + pairs.reshape(n * n, 4))
        base += m * m
    return np.concatenate(out)


def mirror(side: int) -> np.ndarray:
    """For each cell, the cell at its place in the mirrored picture."""
    out, base = [], 0
    for s in STRIDES:
        n = side // s
        out.append(base + np.arange(n * n).reshape(n, n)[:, ::-1].reshape(-1))
        base += n * n
    return np.concatenate(out)
