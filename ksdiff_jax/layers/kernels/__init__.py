"""Forms of a layer's arithmetic with a gradient, or a kernel, of their own.

Each stands behind a plain form in `layers/`, computes the same, and states what it gains, on which
device, with which jaxlib. One that gains nothing any more goes.
"""
