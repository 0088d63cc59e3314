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
