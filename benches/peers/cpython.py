"""n! by CPython, as a program: `cpython.py N digits|product`."""

import math
import sys

n, what = int(sys.argv[1]), sys.argv[2]
product = math.factorial(n)
if what == "product":
    print(product.bit_length())
else:
    # Python 3.10 and older have no limit to lift.
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)
    print(product)
