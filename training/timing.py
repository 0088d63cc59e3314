"""Time of one inference beside YOLOX-Nano's, taken in turns: python -m training.timing MODEL.onnx..."""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from training.predict import OpenVino, named
from training.settings import shared


def in_turns(sessions: dict[str, OpenVino], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each inference; the sessions take turns, so that what else the machine does falls on all alike."""
    rng = np.random.default_rng(0)
    images = {name: rng.uniform(0, 255, (1, 3, s.side, s.side)).astype(np.float32) for name, s in sessions.items()}
    taken: dict[str, list[float]] = {name: [] for name in sessions}
    for k in range(rounds + 5):
        for name, session in sessions.items():
            began = time.perf_counter()
            session.run(images[name])
            if k >= 5:
                taken[name].append((time.perf_counter() - began) * 1000)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="+")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    sessions = {"YOLOX-Nano": OpenVino(args.teacher or shared("models", "yolox-nano", "yolox_nano.onnx"), args.threads)}
    sessions |= {name: OpenVino(path, args.threads) for name, path in named(args.model).items()}
    taken = in_turns(sessions, args.rounds)
    rows = {
        n: {"side": sessions[n].side, "median_ms": float(np.median(t)), "least_ms": min(t), "threads": args.threads}
        for n, t in taken.items()
    }
    base = rows["YOLOX-Nano"]
    for name, row in rows.items():
        ratios = f"{row['median_ms'] / base['median_ms']:.2f}x (least {row['least_ms'] / base['least_ms']:.2f}x)"
        print(f"{name} at {row['side']}: median {row['median_ms']:.2f} ms, least {row['least_ms']:.2f} ms, {ratios}")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
