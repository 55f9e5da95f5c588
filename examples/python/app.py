"""words: counts the lines, words and bytes of standard input, and prints the ten most
frequent words. `words factorials` prints 0! to 10!.
"""

import math
import sys
from collections import Counter

from wit_world import exports
from wit_world.imports import environment

# The number of words in the list.
FREQUENT = 10
# Bytes for each read.
BLOCK_BYTES = 64 << 10

# Lower-case letters for letters, and spaces for the rest. All bytes of a character beyond
# ASCII are letters.
LETTERS = bytes(
    byte if byte >= 0x80 or chr(byte).isalpha() else ord(" ")
    for byte in bytes(range(256)).lower()
)


def count_words(source, out):
    lines = words = length = 0
    each = Counter()
    # The last word so far, which the next block may continue.
    rest = b""
    while block := source.read1(BLOCK_BYTES):
        lines += block.count(b"\n")
        length += len(block)
        text = rest + block.translate(LETTERS)
        complete, _, rest = text.rpartition(b" ")
        found = complete.split()
        words += len(found)
        each.update(found)
    if rest:
        words += 1
        each[rest] += 1
    out.write(b"lines %d\nwords %d\nbytes %d\n" % (lines, words, length))
    order = sorted(each.items(), key=lambda entry: (-entry[1], entry[0]))
    for word, count in order[:FREQUENT]:
        out.write(b"%d %s\n" % (count, word))


def print_factorials(out):
    for n in range(11):
        out.write(b"%d! = %d\n" % (n, math.factorial(n)))


class Run(exports.Run):
    def run(self):
        match environment.get_arguments()[1:]:
            case []:
                count_words(sys.stdin.buffer, sys.stdout.buffer)
            case ["factorials"]:
                print_factorials(sys.stdout.buffer)
            case _:
                sys.exit("usage: words [factorials]")
        sys.stdout.flush()
