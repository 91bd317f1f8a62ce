"""`python -m config.embedded DATA_DIR [throwaway]`: becomes the guardian of `DATA_DIR` in the background.

It leaves the process that started it, so that no zombie stays with that one.
"""

import os
import sys
from pathlib import Path

from config.embedded.guardian import guard

if __name__ == "__main__":
    if os.fork():
        os._exit(0)
    guard(Path(sys.argv[1]), throwaway=sys.argv[2:] == ["throwaway"])
