#!/usr/bin/env python3
"""make_characters.py -- writes runtime/characters.def: what Python's texts know of characters, as ranges.

    python3 tests/oracles/make_characters.py > runtime/characters.def

Made by Python 3.11, whose Unicode is version 14."""
import unicodedata


def chars():
    return (c for c in range(0x110000) if not 0xD800 <= c < 0xE000)


def ranges(kind, holds):
    """Ranges of every character, or every other one."""
    found = [c for c in chars() if holds(chr(c))]
    rows, i = [], 0
    while i < len(found):
        step = found[i + 1] - found[i] if i + 1 < len(found) else 1
        step = step if step in (1, 2) else 1
        k = i
        while k + 1 < len(found) and found[k + 1] - found[k] == step:
            k += 1
        if step == 2 and k - i < 2:
            step, k = 1, i
        rows.append((found[i], found[k], step))
        i = k + 1
    for first, last, step in rows:
        print(f"RANGE({kind}, 0x{first:x}, 0x{last:x}, {step})")


def maps(kind, to):
    pairs = [(c, ord(to(chr(c))) - c) for c in chars() if len(to(chr(c))) == 1 and to(chr(c)) != chr(c)]
    i = 0
    while i < len(pairs):
        c, delta = pairs[i]
        step = pairs[i + 1][0] - c if i + 1 < len(pairs) and pairs[i + 1][1] == delta else 1
        step = step if step in (1, 2) else 1
        k = i
        while k + 1 < len(pairs) and pairs[k + 1] == (pairs[k][0] + step, delta):
            k += 1
        print(f"MAP({kind}, 0x{c:x}, 0x{pairs[k][0]:x}, {step}, {delta})")
        i = k + 1


def specials(kind, to):
    for c in chars():
        t = to(chr(c))
        if len(t) > 1:
            codes = [ord(x) for x in t] + [0, 0]
            print(f"SPECIAL({kind}, 0x{c:x}, 0x{codes[0]:x}, 0x{codes[1]:x}, 0x{codes[2]:x})")


print(f"""/* characters.def -- what Python's texts know of characters, by Unicode {unicodedata.unidata_version}. Made by tests/oracles/make_characters.py.
 *
 * RANGE(kind, first, last, step): every character, or every other one, is of a kind
 * MAP(kind, first, last, step, delta): becomes another in upper, lower or title case
 * SPECIAL(kind, from, a, b, c): becomes two, or three */
#ifndef RANGE
#define RANGE(kind, first, last, step)
#endif
#ifndef MAP
#define MAP(kind, first, last, step, delta)
#endif
#ifndef SPECIAL
#define SPECIAL(kind, from, a, b, c)
#endif""")
ranges("space", str.isspace)
ranges("hidden", lambda c: not c.isprintable())
ranges("alpha", str.isalpha)
ranges("decimal", str.isdecimal)
ranges("digit", lambda c: c.isdigit() and not c.isdecimal())
ranges("numeric", lambda c: c.isnumeric() and not c.isdigit())
ranges("lower", str.islower)
ranges("upper", lambda c: c.isupper())
ranges("titled", lambda c: unicodedata.category(c) == "Lt")
# Between a capital sigma and the end of its word these do not count: 'A' + c + 'Σ' ends in a final sigma all the same.
ranges("ignored", lambda c: ("A" + c + "Σ").lower().endswith("ς") and not c.lower() != c and not ("." + c + "Σ").lower().endswith("ς"))
for kind, to in (("upper", str.upper), ("lower", str.lower), ("title", str.title)):
    maps(kind, to)
    specials(kind, to)
print("#undef RANGE\n#undef MAP\n#undef SPECIAL")
