"""Huffman's code of HPACK for many strings at once, one symbol of each a round."""

from typing import Final

import numpy as np

#: Bits of the code of each symbol from 0 to 255 and of the end (RFC 7541, appendix B), as characters from ``@`` (0)
#: on. The code is canonical: lengths are all there is to know.
_LENGTHS: Final = (
    *(
        ord(character) - ord("@")
        for character in (
            r"MW\\\\\\\X^\\^\\\\\\\\^\\\\\\\\\FJJLMFHKJJHKHFFFEEEFFFFFFFGHOFLJMFGGGGGGGGGGGGGGGGGGGGGGHGHMSMNF"
            r"OEFEFEFFFEGGFFFEFGFEEFGGGGGOKNM\TVTTVVVWVWWWWWXWXXVWXWWWWUVWVWWXVUTVVWWUWVVXUVWWUUVUWVWWTVVVWVV"
            r"WZZTSVWVYZZZ[[ZXYSUZ[[Z[XUUZZ\[[[TXTUVUUWVVYYXXZWZ[ZZ[[[[[\[[[[[Z^"
        )
    ),
)
#: Codes are looked up by so many bits; longer ones, of characters that hardly any header has, by where they lie.
_BITS: Final = 15
_LONGEST: Final = 30


def _tables() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Symbols in the order of their codes; where the code of each begins, of ``_LONGEST`` bits, and the bits of each;
    and for each beginning of ``_BITS`` bits the place of the code that it is, or begins, among these."""
    lengths = np.array(_LENGTHS)
    order = np.lexsort((np.arange(len(lengths)), lengths))
    widths = np.left_shift(1, _LONGEST - lengths[order])
    begins = np.cumsum(widths) - widths
    heads = np.arange(1 << _BITS) << (_LONGEST - _BITS)
    places = np.searchsorted(begins, heads, side="right") - 1
    return order, begins, lengths[order], places


_SYMBOLS, _BEGINS, _WIDTHS, _PLACES = _tables()
_END: Final = 256


def decode(data: np.ndarray, begins: np.ndarray, lengths: np.ndarray, most: int) -> np.ndarray:
    """The texts of strings, each in a row with zeros behind it.

    :param data: bytes, with eight more behind the last string; uint8.
    :param begins: where each string begins in them; shape (n,).
    :param lengths: in bytes.
    :param most: characters of each that are wanted.
    :return: shape (n, most), uint8.
    """
    texts = np.zeros((len(begins), most), np.uint8)
    bits, ends = begins.astype(np.int64) * 8, (begins + lengths).astype(np.int64) * 8
    active = np.arange(len(begins))
    for place in range(most):
        codes = _next_bits(data, bits)
        found = _PLACES[codes >> (_LONGEST - _BITS)]
        odd = np.flatnonzero(_WIDTHS[found] > _BITS)
        if len(odd):
            found[odd] = np.searchsorted(_BEGINS, codes[odd], side="right") - 1
        bits = bits + _WIDTHS[found]
        symbols = _SYMBOLS[found]
        there = (bits <= ends) & (symbols != _END)
        if not there.all():
            active, bits, ends, symbols = active[there], bits[there], ends[there], symbols[there]
        if not len(active):
            break
        texts[active, place] = symbols
    return texts


def _next_bits(data: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """The next ``_LONGEST`` bits from each place, as numbers; shape (n,), int64."""
    at = bits >> 3
    word = np.zeros(len(bits), np.int64)
    for byte in range(5):
        word = word << 8 | data[at + byte]
    return word >> (40 - _LONGEST - (bits & 7)) & ((1 << _LONGEST) - 1)


def encode(text: bytes) -> bytes:
    """One string in Huffman's code, filled up with ones."""
    place = {int(symbol): index for index, symbol in enumerate(_SYMBOLS)}
    code, bits = 0, 0
    for symbol in text:
        width = int(_WIDTHS[place[symbol]])
        code = code << width | int(_BEGINS[place[symbol]]) >> (_LONGEST - width)
        bits += width
    missing = -bits % 8
    return (code << missing | (1 << missing) - 1).to_bytes((bits + missing) // 8, "big")
