"""`ksdiff-jax bench train --plan`: expected time of a training step on many hosts, from counts and
stated assumptions.

    compute = FLOPs of a device's clips / (MFU assumed · peak of the device)
    inside  = gradient all-reduced among the devices of one fast network:
              2 (n - 1) / n · bytes / its bandwidth
    between = the part of the gradient that each device then exchanges with other nodes or slices,
              likewise
    latency = messages · (start + hop · log2 hosts)
    step    = compute + inside + between + latency, if nothing overlaps;
              max(compute, the rest), if all does

Counted: FLOPs by `train/report/step_flops.py`, and collectives by `parallel/collectives.py`. Data
parallelism sums every gradient once, in float32, and sends nothing else that grows with the model.
Assumed: everything in `ASSUMED` and `NETWORKS`, makers' figures times the share that large
all-reduces reach. Efficiency is the step on one device over this step at the same number of clips
per device. No line of this table was measured on more than one device.
"""

import math
from typing import NamedTuple

ASSUMED = {"mfu": 0.28, "share_of_bandwidth": 0.75, "messages": 24, "start_s": 20e-6, "hop_s": 8e-6}
CLIPS_PER_DEVICE, FRAMES = 32, 250
HOSTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Network(NamedTuple):
    """How the devices of a kind are connected; bandwidths in bytes/s, one direction, per device."""

    device: str  # key in train/report/utilisation.py
    devices_per_host: int
    inside: int  # devices on one fast network
    inside_bytes_per_s: float
    between_bytes_per_s: float  # to the next such network


NETWORKS = {
    # 8 GPUs on NVLink 4 (450 GB/s each way); one 400 Gb/s adapter per GPU between nodes.
    "H100": Network("NVIDIA H100", 8, 8, 450e9, 50e9),
    "H200": Network("NVIDIA H200", 8, 8, 450e9, 50e9),
    # 4 chips a host; a torus of 2 axes at 2 x 45 GB/s, slices of up to 256 chips; 25 GB/s per host
    # between slices.
    "TPU v5e": Network("TPU v5e", 4, 256, 180e9, 6.25e9),
    # 4 chips a host; a torus of 3 axes at 2 x 90 GB/s, slices of thousands of chips.
    "TPU v5p": Network("TPU v5p", 4, 4096, 540e9, 6.25e9),
}


class Expected(NamedTuple):
    """One cell of the table."""

    devices: int
    step_s: float  # nothing overlaps
    overlapped_s: float  # everything overlaps
    compute_s: float

    @property
    def efficiency(self) -> float:
        """Efficiency without overlap."""
        return self.compute_s / self.step_s


def expected_step(
    kind: str, hosts: int, *, clip_flops: float, parameters: int, clips: float
) -> Expected:
    """Return the step on this many hosts with `clips` per device."""
    from ksdiff_jax.train.report.utilisation import peak_flops_per_s

    network = NETWORKS[kind]
    devices = hosts * network.devices_per_host
    compute_s = clips * clip_flops / (ASSUMED["mfu"] * peak_flops_per_s(network.device, "bfloat16"))
    inside = min(devices, network.inside)
    networks = math.ceil(devices / network.inside)
    gradient = 4.0 * parameters  # float32
    inside_s = _all_reduce_s(gradient, inside, network.inside_bytes_per_s)
    # After the reduce-scatter inside, each device sends its share of the gradient.
    between_s = _all_reduce_s(gradient / inside, networks, network.between_bytes_per_s)
    latency_s = (
        ASSUMED["messages"] * (ASSUMED["start_s"] + ASSUMED["hop_s"] * math.log2(hosts))
        if devices > 1
        else 0.0
    )
    exchange_s = inside_s + between_s + latency_s
    return Expected(devices, compute_s + exchange_s, max(compute_s, exchange_s), compute_s)


def _all_reduce_s(size: float, members: int, bytes_per_s: float) -> float:
    return 2 * (members - 1) / members * size / (ASSUMED["share_of_bandwidth"] * bytes_per_s)


def paper_counts() -> tuple[float, int]:
    """Return the FLOPs of one clip of 10 s with stored features, and the number of trainable
    parameters, of the paper's configuration.
    """
    import jax

    from ksdiff_jax.bench.workload import made_up_batch, paper_config
    from ksdiff_jax.models.frozen import part
    from ksdiff_jax.models.ksdiff.system import KSDiff
    from ksdiff_jax.train.report.step_flops import step_flops
    from ksdiff_jax.tree import parameter_count

    config = paper_config()
    shapes = jax.eval_shape(KSDiff(config).init, jax.random.key(0))
    flops = step_flops(KSDiff(config), made_up_batch(config, clips=1, frames=FRAMES)[0])
    return flops, parameter_count(part(shapes, config).trainable)


def plan(*, clip_flops: float, parameters: int) -> str:
    """Return the table as Markdown: 32 clips per device, and the paper's own batch of 32 clips in
    all.
    """
    lines = [
        "| hosts | "
        + " | ".join(f"{kind}: devices, ms/step, efficiency" for kind in NETWORKS)
        + " |",
        "|---|" + "---|" * len(NETWORKS),
    ]
    counts = {"clip_flops": clip_flops, "parameters": parameters}
    for hosts in HOSTS:
        cells = [
            _cell(expected_step(kind, hosts, clips=float(CLIPS_PER_DEVICE), **counts))
            for kind in NETWORKS
        ]
        lines.append(f"| {hosts} | " + " | ".join(cells) + " |")
    lines += ["", "The paper's batch of 32 clips in all:", "", *lines[:2]]
    for hosts in (hosts for hosts in HOSTS if 4 * hosts <= CLIPS_PER_DEVICE):
        cells = []
        for kind, network in NETWORKS.items():
            clips = CLIPS_PER_DEVICE / (hosts * network.devices_per_host)
            cells.append(
                _cell(expected_step(kind, hosts, clips=clips, **counts)) if clips >= 1 else "–"
            )
        lines.append(f"| {hosts} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(expected: Expected) -> str:
    step, overlapped = 1000 * expected.step_s, 1000 * expected.overlapped_s
    return f"{expected.devices}, {overlapped:.1f}–{step:.1f}, {100 * expected.efficiency:.0f} %"
