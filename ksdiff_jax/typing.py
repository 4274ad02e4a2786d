"""The vocabulary of shapes: one letter per axis, the same in every annotation of the package.

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

Masks are `Bool`, True where valid, of the rank of what they mask.
"""

import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PyTree, Shaped, UInt, UInt8

AnyArray = Array | np.ndarray  # of JAX, or known already when a program is traced

__all__ = ["AnyArray", "Array", "Bool", "Float", "Int", "Key", "PyTree", "Shaped", "UInt", "UInt8"]
