"""Writes spirals.csv: two arms of three half turns, with a little noise."""

import math
import random

random.seed(1)
rows = ["x,y,arm"]
for n in range(600):
    arm = n % 2
    turn = 0.5 + 3 * math.pi * random.random()
    angle = turn + arm * math.pi
    x = turn * math.cos(angle) + random.gauss(0, 0.15)
    y = turn * math.sin(angle) + random.gauss(0, 0.15)
    rows.append(f"{x:.3f},{y:.3f},{'one' if arm else 'other'}")
open("spirals.csv", "w").write("\n".join(rows) + "\n")
