"""Counting collectives: HLO text in each notation, against sums computed by hand."""

import pytest

from ksdiff_jax.parallel.collectives import Traffic, collectives


def program(*lines: str) -> str:
    body = "\n".join(f"  {line}" for line in lines)
    return f"HloModule jit_step\n\nENTRY %main.1 (p: f32[8]) -> f32[8] {{\n{body}\n}}\n"


@pytest.mark.parametrize(
    "groups",
    [
        "replica_groups={{0,1,2,3},{4,5,6,7}}",
        "replica_groups=[2,4]<=[4,2]T(1,0)",
        "replica_groups=mesh['a'=2,'b'=4,'c'=1], device_ids=([4,2]T(1,0)) {'b'}",
        "replica_groups=mesh['a'=8] {'a':(2)4}",
    ],
)
def test_an_all_reduce_among_four_sends_one_and_a_half_times_its_payload(groups):
    line = (
        f"%all-reduce.1 = (f32[8,16]{{1,0}}, bf16[3]{{0}}, f32[]) all-reduce(%a, %b, %c), "
        f"channel_id=1, {groups}"
    )
    payload = 4 * 8 * 16 + 2 * 3 + 4
    assert collectives(program(line)) == {"all-reduce": Traffic(1, payload, round(1.5 * payload))}


def test_gathering_and_scattering_count_the_whole_array():
    groups = "replica_groups={{0,1,2,3}}"
    found = collectives(
        program(
            f"%all-gather.1 = f32[16]{{0}} all-gather(%a), {groups}, dimensions={{0}}",
            f"%reduce-scatter.1 = f32[4]{{0}} reduce-scatter(%b), {groups}, dimensions={{0}}",
            "%collective-permute.1 = f32[10]{0} collective-permute(%c), "
            "source_target_pairs={{0,1},{1,0}}",
        )
    )
    assert found == {
        "all-gather": Traffic(1, 64, 48),
        "reduce-scatter": Traffic(1, 64, 48),
        "collective-permute": Traffic(1, 40, 40),
    }


def test_an_asynchronous_collective_counts_once():
    groups = "replica_groups={{0,1}}"
    found = collectives(
        program(
            f"%all-gather-start.1 = (f32[8]{{0}}, f32[16]{{0}}) all-gather-start(%a), {groups}",
            "%all-gather-done.1 = f32[16]{0} all-gather-done(%all-gather-start.1)",
            f"%all-reduce-start.1 = f32[8]{{0}} all-reduce-start(%b), {groups}",
            "%all-reduce-done.1 = f32[8]{0} all-reduce-done(%all-reduce-start.1)",
        )
    )
    assert found == {"all-gather": Traffic(1, 64, 32), "all-reduce": Traffic(1, 32, 32)}


def test_the_body_of_a_loop_counts_as_often_as_it_runs():
    loop = (
        "%body.1 (p: f32[8]) -> f32[8] {\n"
        "  ROOT %all-reduce.1 = f32[8]{0} all-reduce(%p), replica_groups={{0,1}}, to_apply=%add\n"
        "}\n\n"
    )
    call = (
        "%while.1 = f32[8]{0} while(%x), condition=%c, body=%body.1, "
        'backend_config={"known_trip_count":{"n":"5"}}'
    )
    assert collectives(loop + program(call)) == {"all-reduce": Traffic(5, 160, 160)}


def test_a_program_of_one_device_says_nothing():
    assert collectives(program("%add.1 = f32[8]{0} add(%p, %p)")) == {}
