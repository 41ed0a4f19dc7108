"""Golden maps of 8-bit moments: bitsandbytes' own create_dynamic_map.

    python dynamic_map.py        (bitsandbytes 0.50.2, torch 2.13.0)
"""

import json
from pathlib import Path

from bitsandbytes.functional import create_dynamic_map

maps = {
    name: [float(f"{value:.9g}") for value in create_dynamic_map(signed=signed).tolist()]
    for name, signed in (("signed", True), ("unsigned", False))
}
Path(__file__).with_suffix(".json").write_text(json.dumps(maps) + "\n")
