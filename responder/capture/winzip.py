"""Step 5: pyzipper's AES zip, with OpenSSL's SHA-1 under it. Needs the extra `capture`; touches what it is handed.

pyzipper hashes in pycryptodome's portable C, which took two fifths of all that sealing costs; `hashlib` has the
processor's own instructions. The format is WinZip's AE-2 (https://www.winzip.com/en/support/aes-encryption/): the keys
by PBKDF2-HMAC-SHA1 with 1,000 rounds, AES-256 in counter mode, and ten bytes of an HMAC-SHA1 over what was encrypted.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Any

import pyzipper
from Cryptodome.Cipher import AES
from Cryptodome.Util import Counter
from pyzipper.zipfile_aes import WZ_AES_V2, AESZipEncrypter

_ROUNDS, _SALT, _KEY, _STRENGTH = 1000, 16, 32, 3
_VERIFIER = 2  # bytes by which a reader knows a wrong password


class Zip(pyzipper.AESZipFile):  # type: ignore[misc] # the package ships no types
    """A zip to be written, each member of it encrypted with AES-256."""

    def get_encrypter(self) -> Any:
        """For one member: a salt of its own, so no two have one key."""
        return Encrypter(self.pwd)


class Encrypter(AESZipEncrypter):  # type: ignore[misc] # the same
    """Its parent sets the same fields from its own hashes, and uses them."""

    def __init__(self, password: bytes) -> None:
        self.force_wz_aes_version, self.aes_strength = WZ_AES_V2, _STRENGTH
        self.salt = os.urandom(_SALT)
        keys = hashlib.pbkdf2_hmac("sha1", password, self.salt, _ROUNDS, 2 * _KEY + _VERIFIER)
        self.encpwdverify = keys[2 * _KEY :]
        self.encrypter = AES.new(keys[:_KEY], AES.MODE_CTR, counter=Counter.new(nbits=128, little_endian=True))
        self.hmac = hmac.new(keys[_KEY : 2 * _KEY], digestmod="sha1")
