"""Make this checkout importable in its environment and put `mirix` on its path.

A `.pth` file and a launcher do what an editable install does, without a build back end to download.
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAUNCHER = """#!{python}
import sys

from cluster.cli import main

if __name__ == "__main__":
    sys.exit(main())
"""


def link() -> None:
    """Write the path file and the launcher of the running environment."""
    (Path(sysconfig.get_path("purelib")) / "mirix.pth").write_text(f"{ROOT}\n", encoding="utf-8")
    launcher = Path(sys.executable).parent / "mirix"
    launcher.write_text(LAUNCHER.format(python=sys.executable), encoding="utf-8")
    launcher.chmod(0o755)


if __name__ == "__main__":
    link()
