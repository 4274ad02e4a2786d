"""Implementations of a layer's arithmetic with a custom gradient or kernel.

Each one implements a plain form in `layers/` with the same result, and its docstring states the
gain, the device and the jaxlib version. An implementation without a gain is removed.
"""
