"""Imports every module of the installed package, apart from those that need an optional one."""

import importlib
import pkgutil

import ksdiff_jax

OPTIONAL = {"torch", "setuptools", "mediapipe", "cv2", "apache_beam", "bpy", "grpc"}

imported = 0
for module in pkgutil.walk_packages(ksdiff_jax.__path__, "ksdiff_jax."):
    try:
        importlib.import_module(module.name)
        imported += 1
    except ModuleNotFoundError as error:
        if error.name.split(".")[0] not in OPTIONAL:
            raise
print(f"{imported} modules imported")
