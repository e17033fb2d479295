#!/usr/bin/env python3
"""Makes scalers.json: what scikit-learn's scalers keep of a table, and what they make of other rows.

Usage: `pip install scikit-learn`, then `python make.py` in this folder. Nothing here reads anything of nnc.
"""

import json
import pathlib

import numpy as np
import sklearn
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler


def table(rng, rows):
    """Features of several scales: one with values far out, one that never varies, one that hardly ever does."""
    far = rng.normal(0.0, 1.0, rows)
    far[:: rows // 3] *= 1000
    features = [
        rng.normal(100.0, 3.0, rows),
        rng.uniform(-1e-3, 1e-3, rows),
        far,
        np.full(rows, 7.25),
        (np.arange(rows) == 4) * 1.0,
    ]
    # f32 holds them exactly, so that both start from the same numbers.
    return np.stack(features, axis=1).astype(np.float32).astype(np.float64)


def kept(scaler):
    """The two figures that nnc keeps, under its names."""
    if isinstance(scaler, StandardScaler):
        return {"mean": scaler.mean_, "std": scaler.scale_}
    if isinstance(scaler, RobustScaler):
        return {"median": scaler.center_, "iqr": scaler.scale_}
    return {"min": scaler.data_min_, "max": scaler.data_max_}


def entry(call, scaler, train, others):
    """`per = all` is the same scaler over a table of one column."""
    over_all = "per = all" in call
    shape = (lambda rows: rows.reshape(-1, 1)) if over_all else (lambda rows: rows)
    scaler.fit(shape(train))
    scaled = scaler.transform(shape(others)).reshape(others.shape)
    return {"call": call, **{name: list(found) for name, found in kept(scaler).items()}, "output": scaled.tolist()}


def main():
    rng = np.random.default_rng(41)
    files = []
    # 5 and 9 rows: quartiles that are rows; 22: between two.
    for rows in (5, 9, 22):
        train, others = table(rng, rows), table(rng, 6)
        entries = [
            entry("normalize", StandardScaler(), train, others),
            entry("normalize(per = all)", StandardScaler(), train, others),
            entry("min_max", MinMaxScaler(), train, others),
            entry("min_max(per = all)", MinMaxScaler(), train, others),
            entry("min_max(low = -1, high = 1)", MinMaxScaler((-1, 1)), train, others),
            entry("min_max(low = 0.5, high = 3)", MinMaxScaler((0.5, 3)), train, others),
            entry("robust", RobustScaler(), train, others),
            entry("robust(per = all)", RobustScaler(), train, others),
        ]
        files.append({"train": train.tolist(), "input": others.tolist(), "scalers": entries})
    lines = [json.dumps(item, separators=(",", ":"), allow_nan=False) for item in files]
    text = f'{{\n"scikit_learn":"{sklearn.__version__}",\n"tables":[\n' + ",\n".join(lines) + "\n]\n}\n"
    (pathlib.Path(__file__).parent / "scalers.json").write_text(text)


if __name__ == "__main__":
    main()
