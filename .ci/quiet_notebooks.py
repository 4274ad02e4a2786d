"""Checks that no cell of an executed notebook wrote to standard error, where warnings appear;
prints the cells that did.
"""

import json
import sys
from pathlib import Path

loud = []
for path in map(Path, sys.argv[1:]):
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                loud.append(f"{path.name}, cell {number}: {''.join(output['text'])[:500]}")
sys.exit("\n".join(loud) or None)
