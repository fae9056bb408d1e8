"""What people are shown of one answer."""

from musicsync.providers import sample
from musicsync.records import Page, Request


def test_the_next_page_is_named_so_that_a_wrong_way_of_paging_is_seen() -> None:
    following = Request(path="songs", params={"after": "c2"})
    assert sample.leads_to(Page(following=following)) == "leads to GET /songs?after=c2"


def test_of_several_requests_the_first_is_named_and_the_others_are_counted() -> None:
    page = Page(follow_ups=(Request(path="albums/1"), Request(path="albums/2"), Request(path="albums/3")))
    assert sample.leads_to(page) == "leads to GET /albums/1 and 2 more"


def test_an_answer_that_leads_nowhere_says_so() -> None:
    assert sample.leads_to(Page()) == "leads to no other request"
