"""Makes wave.csv: a wave on the square, with noise, and one row in twenty wrong. `python wave.py` (needs numpy)."""

import numpy as np

rng = np.random.default_rng(1)
place, time = rng.uniform(-1, 1, (2, 400))
height = np.sin(4 * place - 2 * time) * (0.6 + 0.4 * time) + rng.normal(0, 0.02, 400)
wrong = rng.random(400) < 0.05
height[wrong] = rng.uniform(-5, 5, wrong.sum())
with open("wave.csv", "w") as file:
    file.write("place,time,height\n")
    for row in zip(place, time, height):
        file.write("{:.4f},{:.4f},{:.4f}\n".format(*row))
