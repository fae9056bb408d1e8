"""What a record says, in the form that is stored and compared."""

import json

from musicsync.records import Credit, TrackRecord
from musicsync.sync import sources


def test_fields_of_a_record_equal_those_that_come_back_from_storage() -> None:
    record = TrackRecord(external_id="1", title="T", isrcs=("USRC17607839",), credits=(Credit("A", "7", " & "),))
    fields = sources.fields_of(record)
    assert json.loads(json.dumps(fields)) == fields
    assert fields["credits"] == [{"name": "A", "artist_id": "7", "join_phrase": " & "}]
