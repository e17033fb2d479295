"""Makes the arrays of this folder, which the tests of the runtime read. `python make.py` (needs numpy).

Element (n, i, j) of an array of 4 by 2 by 3 is 6 n + 3 i + j, less 5 where there are signs, and 1 for odd ones of truth
values.
"""

import numpy as np

x = np.arange(24).reshape(4, 2, 3)
for dtype in ("f4", "f8", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"):
    np.save(dtype, (x if dtype[0] == "u" else x - 5).astype(dtype))
np.save("b1", x % 2 == 1)
np.save("f4_big", (x - 5).astype(">f4"))
np.save("i2_big", (x - 5).astype(">i2"))
np.save("f8_fortran", np.asfortranarray(x - 5.0))
np.save("i4_fortran", np.asfortranarray((x - 5).astype("i4")))
np.save("empty", np.zeros((0, 2, 3), "f4"))
np.save("number", np.float32(7))
np.save("complex", x.astype("c8"))
np.save("half", x.astype("f2"))
np.save("record", np.zeros(4, [("a", "f4"), ("b", "i4", 2)]))
np.save("text", np.array(["a", "b"]))
np.save("object", np.array([1, "b"], dtype=object), allow_pickle=True)
with open("version2.npy", "wb") as file:
    np.lib.format.write_array(file, x.astype("f4") - 5, version=(2, 0))

y = np.array([0, 2, 1, 2])
np.save("y", y)
np.save("y_float", y.astype("f4"))
np.save("y_values", np.stack([y, -y], 1) / 2)
np.savez("stored", x=x - 5.0, y=y, z=np.arange(3))
np.savez_compressed("packed", x_train=x - 5.0, y_train=y, x_test=x[:2] - 5.0, y_test=y[:2])
np.savez("one", images=(x - 5).astype("f4"))
