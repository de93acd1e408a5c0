"""AES as the C library of OpenSSL has it.

Python's own ``ssl`` and ``hashlib`` load that library and offer no AES; the packages that do (cryptography,
pycryptodome) weigh megabytes for the two operations that are wanted. The kernel's AF_ALG has them, but not where it
was built without (``EAFNOSUPPORT``), nor in a service that may only open the socket families it needs. So OpenSSL's
EVP interface, stable since 1.1.0, is called by ctypes. Only packets come here that everybody can open: a fault in
constant-time code would tell nobody anything.
"""

import ctypes
import ctypes.util
from functools import cache
from typing import Final

_GET_TAG, _SET_TAG, _TAG_BYTES = 0x10, 0x11, 16
#: Its names, newest first; a program that loads it has it by one of them.
_NAMES: Final = ("libcrypto.so.3", "libcrypto.so.1.1")


class NoCryptoError(Exception):
    """There is no such library here."""


class Aes128:
    """AES-128, one block or a packet with its tag.

    :raises NoCryptoError: if there is no OpenSSL.
    """

    def __init__(self) -> None:
        self._library = _library()
        self._ecb, self._gcm = self._library.EVP_aes_128_ecb(), self._library.EVP_aes_128_gcm()
        self._context = ctypes.c_void_p(self._library.EVP_CIPHER_CTX_new())
        self._out = ctypes.create_string_buffer(65536)
        self._length = ctypes.c_int()

    def block(self, key: bytes, block: bytes) -> bytes:
        """One block of 16 bytes, encrypted."""
        library, context = self._library, self._context
        library.EVP_EncryptInit_ex(context, self._ecb, None, key, None)
        library.EVP_EncryptUpdate(context, self._out, ctypes.byref(self._length), block, 16)
        return self._out.raw[:16]

    def opened(self, key: bytes, nonce: bytes, head: bytes, sealed: bytes) -> bytes | None:
        """What was sealed (AEAD_AES_128_GCM); None if the tag says that it was not sealed so.

        :param sealed: at most 65,535 bytes, with the tag at their end.
        """
        library, context, length = self._library, self._context, ctypes.byref(self._length)
        text, tag = sealed[:-_TAG_BYTES], sealed[-_TAG_BYTES:]
        if len(tag) < _TAG_BYTES or not library.EVP_DecryptInit_ex(context, self._gcm, None, key, nonce):
            return None
        done = (
            library.EVP_DecryptUpdate(context, None, length, head, len(head))
            and library.EVP_DecryptUpdate(context, self._out, length, text, len(text))
            and library.EVP_CIPHER_CTX_ctrl(context, _SET_TAG, _TAG_BYTES, tag)
            and library.EVP_DecryptFinal_ex(context, ctypes.byref(self._out, len(text)), length) > 0
        )
        return self._out.raw[: len(text)] if done else None

    def sealed(self, key: bytes, nonce: bytes, head: bytes, text: bytes) -> bytes:
        """The contrary: what traffic of tests is made with."""
        library, context, length = self._library, self._context, ctypes.byref(self._length)
        library.EVP_EncryptInit_ex(context, self._gcm, None, key, nonce)
        library.EVP_EncryptUpdate(context, None, length, head, len(head))
        library.EVP_EncryptUpdate(context, self._out, length, text, len(text))
        sealed = self._out.raw[: len(text)]
        library.EVP_EncryptFinal_ex(context, self._out, length)
        tag = ctypes.create_string_buffer(_TAG_BYTES)
        library.EVP_CIPHER_CTX_ctrl(context, _GET_TAG, _TAG_BYTES, tag)
        return sealed + tag.raw

    def close(self) -> None:
        """Gives its memory back."""
        self._library.EVP_CIPHER_CTX_free(self._context)


@cache
def _library() -> ctypes.CDLL:
    for name in _NAMES:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        _declare(library)
        return library
    raise NoCryptoError(f"none of {', '.join(_NAMES)} can be loaded")


def _declare(library: ctypes.CDLL) -> None:
    pointer, text, number, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.POINTER(ctypes.c_int)
    for name in ("EVP_aes_128_ecb", "EVP_aes_128_gcm", "EVP_CIPHER_CTX_new"):
        getattr(library, name).restype = pointer
        getattr(library, name).argtypes = []
    library.EVP_CIPHER_CTX_free.argtypes = [pointer]
    library.EVP_CIPHER_CTX_free.restype = None
    library.EVP_CIPHER_CTX_ctrl.argtypes = [pointer, number, number, pointer]
    for way in ("Encrypt", "Decrypt"):
        getattr(library, f"EVP_{way}Init_ex").argtypes = [pointer, pointer, pointer, text, text]
        getattr(library, f"EVP_{way}Update").argtypes = [pointer, pointer, size, text, number]
        getattr(library, f"EVP_{way}Final_ex").argtypes = [pointer, pointer, size]
