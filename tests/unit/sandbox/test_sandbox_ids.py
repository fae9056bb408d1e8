import uuid
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from musicsync.identifiers import is_gtin, is_isrc
from sandbox import ids
from sandbox.ids import Kind

indexes = st.integers(0, 14_000_000 * ids.SLOTS // 1000)
kinds = st.sampled_from(["artist", "label", "release", "release-group", "track", "recording", "medium"])


@given(seed=st.integers(), kind=kinds, index=indexes)
def test_mbids_are_version_4_uuids_and_lead_back(seed: int, kind: Kind, index: int) -> None:
    mbids = ids.Mbids(seed)
    mbid = mbids.encode(kind, index)
    assert uuid.UUID(mbid).version == 4
    assert uuid.UUID(mbid).variant == uuid.RFC_4122
    assert mbids.decode(kind, mbid) == index
    assert mbids.decode(kind, mbid.upper()) == index


@given(kind=kinds, index=indexes)
def test_numbers_lead_back_and_stand_for_one_kind(kind: Kind, index: int) -> None:
    number = str(ids.encode_number(kind, index))
    assert ids.decode_number(kind, number) == index
    assert ids.decode_number("label" if kind != "label" else "track", number) is None


@given(index=indexes, year=st.integers(1900, 2099))
def test_isrcs_are_valid_and_lead_back(index: int, year: int) -> None:
    isrc = ids.encode_isrc(index, "GB", year)
    assert is_isrc(isrc)
    assert ids.decode_isrc(isrc) == index


@given(index=indexes, digits=st.sampled_from([12, 13]))
def test_barcodes_have_a_right_or_a_wrong_check_digit_and_lead_back(index: int, digits: Literal[12, 13]) -> None:
    right = ids.encode_barcode(index, digits)
    wrong = ids.encode_barcode(index, digits, valid=False)
    assert len(right) == len(wrong) == digits
    assert is_gtin(right.zfill(14))
    assert not is_gtin(wrong.zfill(14))
    assert ids.decode_barcode(right) == ids.decode_barcode(right.zfill(14)) == ids.decode_barcode(wrong) == index


def test_foreign_ids_lead_nowhere() -> None:
    mbids = ids.Mbids(1)
    artist = mbids.encode("artist", 7)
    assert mbids.decode("release", artist) is None
    assert ids.Mbids(2).decode("artist", artist) is None
    assert mbids.decode("artist", "00000000-1111-2222-3333-444444444444") is None
    assert mbids.decode("artist", "nonsense") is None
    assert ids.decode_number("artist", "-1") is None
    assert ids.decode_number("artist", "7") is None
    assert ids.decode_isrc("us-rc1-76-07839") is None
    assert ids.decode_barcode("12") is None
