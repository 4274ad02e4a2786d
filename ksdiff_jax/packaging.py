"""The parts of building the wheel that `pyproject.toml` cannot state: including `configs/`, and a
README for an index.

setuptools loads this file alone, by its name in `[tool.setuptools.cmdclass]`; the package itself
never imports it.
"""

import re
import runpy
from pathlib import Path

from setuptools.command.build_py import build_py
from setuptools.command.egg_info import egg_info

ROOT = Path(__file__).parents[1]


class BuildWithConfigs(build_py):
    """Builds the folder `configs/` as a part of the package; an editable install reads the folder
    directly.
    """

    def finalize_options(self) -> None:
        """Add the package to those that pyproject.toml finds."""
        super().finalize_options()
        self.packages = [*self.packages, "ksdiff_jax.configs"]
        self.package_dir = {**(self.package_dir or {}), "ksdiff_jax.configs": "configs"}


class MetadataForAnIndex(egg_info):
    """The project's address and README for an index."""

    def finalize_options(self) -> None:
        """Set both before the metadata are written."""
        address = runpy.run_path(str(ROOT / "ksdiff_jax" / "__init__.py"))[
            "PROJECT_ADDRESS"
        ].rstrip("/")
        metadata = self.distribution.metadata
        metadata.long_description = for_an_index(
            (ROOT / "README.md").read_text(encoding="utf-8"), address
        )
        metadata.project_urls = {"Repository": address} if address else {}
        super().finalize_options()


def for_an_index(readme: str, address: str) -> str:
    """Return the README with its own pictures at `address`, or without them, because an index does
    not have the repository.
    """
    picture = re.compile(r"^(!\[[^\]]*\]\()(?!\w+:)([^)]+\))\n+", re.MULTILINE)
    return picture.sub(rf"\g<1>{address}/raw/HEAD/\g<2>\n\n" if address else "", readme)
