import jax
import numpy as np
from jax.sharding import Sharding

from ksdiff_jax.parallel.placement import bytes_per_device, parts


class Device:
    def __init__(self, number):
        self.id = number


class Rows(Sharding):
    """What `devices_indices_map` gives for a matrix whose rows lie on two groups of devices."""

    def devices_indices_map(self, shape):
        half = shape[0] // 2
        first, second = (slice(None, half), slice(None)), (slice(half, None), slice(None))
        return {Device(3): second, Device(0): first, Device(2): second, Device(1): first}


def test_parts_are_in_order_with_all_their_devices():
    assert parts((4, 6), Rows()) == {((0, 2), (0, 6)): (0, 1), ((2, 4), (0, 6)): (2, 3)}


def test_one_device_has_all():
    array = jax.device_put(np.zeros((3, 5), np.float32))
    (device,) = array.devices()
    assert parts(array.shape, array.sharding) == {((0, 3), (0, 5)): (device.id,)}
    # Abstract arrays count as those that are there.
    tree = {"a": array, "b": jax.ShapeDtypeStruct((7,), np.int8, sharding=array.sharding)}
    assert bytes_per_device(tree) == {device.id: 4 * 15 + 7}
