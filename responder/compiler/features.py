"""Step 1: the programs that configure scripts compile in order to ask a compiler a question, by their names. Pure.

autoconf names them `conftest` (https://www.gnu.org/software/autoconf/manual/), cmake `cmTC_…` below
`CMakeFiles/CMakeScratch` (https://cmake.org/cmake/help/latest/command/try_compile.html).
"""

from __future__ import annotations

import re
from typing import Final

from responder.compiler.build import Draft

# Names that configure scripts give to the programs that they compile in order to ask a compiler a question.
_TEST_NAME: Final = re.compile(
    r"conftest[0-9]*\.|_configtest\.|cmTC_[0-9a-f]{5}|CMakeC(?:XX)?Compiler(?:Id|ABI)\.|testC(?:XX)?Compiler\.c",
)
_TEST_PLACE: Final = (
    "CMakeFiles/CMakeTmp/",
    "CMakeFiles/CMakeScratch/",
    "TryCompile-",
    "CompilerIdC",
    "meson-private/",
)
_TEMPFILE: Final = re.compile(r"(?:.*/)?tmp[a-z0-9_]{8}\.(?:c|cpp|o)\Z", re.DOTALL)
_TEST_NAMES_READ: Final = 8
_LONGEST_PATH: Final = 4096


def is_feature_test(draft: Draft) -> bool:
    """Whether the names are those that configure scripts, cmake, meson and distutils give to their questions.

    distutils' and setuptools' `has_function` compiles `tmpXXXXXXXX.c` to an object and links that: two commands. One
    command from such a source to a program is not theirs, and not taken for it.
    """
    names = (*draft.sources[:_TEST_NAMES_READ], *draft.objects[:_TEST_NAMES_READ], *draft.outputs[:1])
    names = tuple(name[-_LONGEST_PATH:] for name in names)
    if any(_TEST_NAME.match(name.rpartition("/")[2]) for name in names):
        return True
    if any(place in name for name in names for place in _TEST_PLACE):
        return True
    if draft.outputs == ["/dev/null"] and (draft.stdin_source or draft.sources == ["/dev/null"]):
        return True
    if draft.sources:
        two_steps = draft.outputs and draft.outputs[0].endswith(".o")
        return bool(two_steps) and all(_TEMPFILE.match(name) for name in names)
    return bool(draft.objects) and all(_TEMPFILE.match(name[-_LONGEST_PATH:]) for name in draft.objects)
