"""What pyproject.toml cannot state: `configs/` inside the wheel, and a README that a package index can show."""

import re
import runpy
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


class BuildWithConfigs(build_py):
    """Builds the folder `configs/` as if it lay in the package; the package of an editable install reads the folder."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.packages = [*self.packages, "ksdiff_jax.configs"]
        self.package_dir = {**(self.package_dir or {}), "ksdiff_jax.configs": "configs"}


def for_an_index(readme: str, address: str) -> str:
    """The README with its own pictures at `address`, or without them: an index does not hold the repository."""
    picture = re.compile(r"^(!\[[^\]]*\]\()(?!\w+:)([^)]+\))\n+", re.MULTILINE)
    return picture.sub(rf"\g<1>{address}/raw/HEAD/\g<2>\n\n" if address else "", readme)


if __name__ == "__main__":
    address = runpy.run_path(str(ROOT / "ksdiff_jax" / "__init__.py"))["PROJECT_ADDRESS"].rstrip("/")
    setup(
        cmdclass={"build_py": BuildWithConfigs},
        long_description=for_an_index((ROOT / "README.md").read_text(encoding="utf-8"), address),
        long_description_content_type="text/markdown",
        project_urls={"Repository": address} if address else {},
    )
