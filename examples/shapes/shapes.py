"""Makes the folder `images`: discs, squares and crosses of 12 by 12 pixels. `python shapes.py` (needs nothing)."""

import os
import random
import struct
import zlib

SIZE, EACH = 12, 12


def disc(y, x, radius):
    return y * y + x * x <= radius * radius


def square(y, x, radius):
    return max(abs(y), abs(x)) <= radius - 0.5


def cross(y, x, radius):
    return min(abs(y), abs(x)) <= 1 and max(abs(y), abs(x)) <= radius


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def save(path, rows):
    data = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows), 9)
    head = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 0, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


random.seed(1)
for shape in (cross, disc, square):
    os.makedirs(f"images/{shape.__name__}", exist_ok=True)
    for n in range(EACH):
        top, left = random.uniform(4, 7), random.uniform(4, 7)
        radius, light = random.uniform(2.5, 4), random.randint(120, 250)
        pixel = lambda y, x: light if shape(y - top, x - left, radius) else 16 * random.randint(0, 2)
        save(f"images/{shape.__name__}/{n:02}.png", [[pixel(y, x) for x in range(SIZE)] for y in range(SIZE)])
