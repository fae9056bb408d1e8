import pytest

from musicsync.providers import registry
from musicsync.records import Page
from tests.contract import told
from tests.contract.recordings import Tally, answer, has_adapter, read, unasked
from tests.contract.storable import unstorable


@pytest.mark.parametrize("provider", [*registry.ADAPTERS, "others"])
def test_every_recorded_answer_is_understood_or_refused_with_a_reason(
    request: pytest.FixtureRequest, tally: Tally, subtests: pytest.Subtests, provider: str
) -> None:
    folder = request.config.getoption("--recordings", default=None)
    if folder is None:
        pytest.skip("no --recordings DIR given: a folder with index.csv and recorded bodies")
    for recording in read(folder):
        if provider == "others" and not has_adapter(recording.provider):
            tally.not_covered[recording.provider] += 1
        if recording.provider != provider:
            continue
        with subtests.test(file=recording.file):
            adapter = registry.get(recording.provider)
            if reason := unasked(adapter, recording):
                tally.skip(recording.provider)
                pytest.skip(reason)
            outcome = answer(adapter, recording)
            tally.count(recording.provider, outcome)
            if isinstance(outcome, Page):
                assert all(item.path and item.reason for item in outcome.rejected)
                assert unstorable(outcome) == []
                whole = told.kind(recording.provider, recording.body)
                assert whole is None or outcome.rejected or whole in {record.kind for record in outcome.records}
            else:
                assert str(outcome)
                assert "\n" not in str(outcome)
