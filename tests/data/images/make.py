"""Makes the images of this folder, which the tests of the runtime read. `python make.py` (needs pillow, for the JPEG alone).

Every PNG is written by hand, so that no other decoder has a say: one picture of 9 by 7 pixels, in each kind of PNG.
Pixel (y, x) is red 20 y + 3 x, green 255 - 25 x, blue 5 x y, and its grey is 30 y + 5 x.
"""

import struct
import zlib

HEIGHT, WIDTH = 7, 9
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def color(y, x):
    return [20 * y + 3 * x, 255 - 25 * x, 5 * x * y]


def grey(y, x):
    return [30 * y + 5 * x]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed(rows, depth):
    """Rows of samples as bytes, each behind the filter 0; samples of less than a byte from the left."""
    out = b""
    for row in rows:
        out += b"\0"
        if depth == 16:
            out += b"".join(struct.pack(">H", value) for value in row)
        else:
            bits = "".join(format(value, f"0{depth}b") for value in row)
            bits += "0" * (-len(bits) % 8)
            out += bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    return out


def png(name, kind, depth, pixel, palette=None, transparent=None, is_interlaced=False):
    """`pixel(y, x)` gives the samples of a pixel."""
    flat = lambda ys, xs: [[value for x in xs for value in pixel(y, x)] for y in ys]
    if is_interlaced:
        data = b"".join(
            packed(flat(range(y, HEIGHT, dy), range(x, WIDTH, dx)), depth)
            for x, y, dx, dy in ADAM7
            if x < WIDTH and y < HEIGHT
        )
    else:
        data = packed(flat(range(HEIGHT), range(WIDTH)), depth)
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, kind, 0, 0, int(is_interlaced))
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
    if palette:
        out += chunk(b"PLTE", bytes(value for entry in palette for value in entry))
    if transparent:
        out += chunk(b"tRNS", bytes(transparent))
    with open(name, "wb") as file:
        file.write(out + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b""))


wide = lambda pixel: lambda y, x: [value * 257 for value in pixel(y, x)]
png("grey8.png", GREY, 8, grey)
png("grey8_interlaced.png", GREY, 8, grey, is_interlaced=True)
png("grey16.png", GREY, 16, wide(grey))
png("grey1.png", GREY, 1, lambda y, x: [(y + x) % 2])
png("grey4.png", GREY, 4, lambda y, x: [(y + x) % 16])
png("rgb8.png", RGB, 8, color)
png("rgb8_interlaced.png", RGB, 8, color, is_interlaced=True)
png("rgb16.png", RGB, 16, wide(color))
png("grey_alpha8.png", GREY_ALPHA, 8, lambda y, x: grey(y, x) + [255])
png("rgba8.png", RGBA, 8, lambda y, x: color(y, x) + [255])
png("rgba8_clear.png", RGBA, 8, lambda y, x: color(y, x) + [255 - 10 * x])
# Every color of the picture once; then one of four, in two bits.
colors = [color(y, x) for y in range(HEIGHT) for x in range(WIDTH)]
png("palette8.png", PALETTE, 8, lambda y, x: [WIDTH * y + x], palette=colors)
png("palette8_interlaced.png", PALETTE, 8, lambda y, x: [WIDTH * y + x], palette=colors, is_interlaced=True)
png("palette2.png", PALETTE, 2, lambda y, x: [(y + x) % 4], palette=colors[:4])
png("palette8_clear.png", PALETTE, 8, lambda y, x: [WIDTH * y + x], palette=colors, transparent=[0, 128])

if __name__ == "__main__":
    from PIL import Image

    # Half red, half blue, in blocks of 8: JPEG keeps them nearly as they are.
    image = Image.new("RGB", (16, 8), (200, 30, 40))
    image.paste((20, 60, 220), (8, 0, 16, 8))
    image.save("rgb.jpg", quality=95, subsampling=0)
    image.save("rgb_progressive.jpg", quality=95, subsampling=0, progressive=True)
    Image.new("L", (16, 8), 77).save("grey.jpg", quality=95)
