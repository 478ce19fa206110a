"""The references beside the tests can be imported: `from references import judge`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
