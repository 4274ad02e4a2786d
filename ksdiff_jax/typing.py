"""The letters of shapes: one letter per axis, the same in every annotation of the package.

| letter | axis |
|---|---|
| b | batch |
| s | waveform samples at 16 kHz |
| f | speech feature frames at 50 Hz (f = 2t) |
| t | motion frames at 25 Hz |
| l | transcript tokens |
| d | hidden width |
| h | attention heads |
| e | expression coefficients (50) |
| p | pose coefficients (rotation 3, jaw 3, camera 3) |
| m | motion coefficients: expression then pose (59) |
| v | face vertices |
| a | named face actions |

Masks are `Bool`, True where valid, with the rank of the masked array.

Only tests check the annotations. Without jaxtyping, `Float[Array, "b t"]` is plain `Array`, so that
`ksdiff-jax bench device` runs on a machine with JAX alone.
"""

import numpy as np

try:
    from jaxtyping import Array, Bool, Complex, Float, Int, Key, PyTree, Shaped, UInt, UInt8
except ModuleNotFoundError:
    from jax import Array

    class Bool:
        """`Bool[kind, shape]` is `kind`: an annotation that is not checked."""

        def __class_getitem__(cls, kind_and_shape: tuple):
            return kind_and_shape[0]

    Complex = Float = Int = Key = Shaped = UInt = UInt8 = Bool
    PyTree = object

AnyArray = Array | np.ndarray  # of JAX, or NumPy arrays that are constants during tracing

__all__ = [
    "AnyArray",
    "Array",
    "Bool",
    "Complex",
    "Float",
    "Int",
    "Key",
    "PyTree",
    "Shaped",
    "UInt",
    "UInt8",
]
