"""Apache Beam gives the same outcomes as local processes."""

import importlib.util

import pytest

from ksdiff_jax.data.prepare.ledger import Ledger
from ksdiff_jax.data.prepare.run import finish_sources
from ksdiff_jax.data.prepare.source import Settings
from ksdiff_jax.errors import InputError
from tests.data.prepare.fakes import calls, fake_work
from tests.data.prepare.test_run import finish, sources_named


@pytest.mark.skipif(
    importlib.util.find_spec("apache_beam") is not None, reason="Apache Beam is installed"
)
def test_without_beam_one_line_says_what_to_install():
    from ksdiff_jax.data.prepare.beam import beam_runner

    with pytest.raises(InputError, match=r"install ksdiff-jax\[beam\]"):
        beam_runner("direct")


def test_beam_finishes_what_local_processes_finish_and_goes_on(tmp_path):
    pytest.importorskip("apache_beam")
    from ksdiff_jax.data.prepare.beam import beam_runner

    sources = sources_named(tmp_path, "a", "b-rejected", "c-crash", "d-tail")
    runner = beam_runner("direct", work=fake_work)
    first = finish_sources(sources[:2], Settings(), Ledger(str(tmp_path / "beam")), runner=runner)
    by_beam = finish_sources(sources, Settings(), Ledger(str(tmp_path / "beam")), runner=runner)
    assert (first.kept, by_beam.kept) == (0, 2) and calls(tmp_path / "a.mp4") == 1
    local = finish(sources, tmp_path)
    assert [entry._replace(work_s=0) for entry in by_beam.entries] == [
        e._replace(work_s=0) for e in local.entries
    ]
