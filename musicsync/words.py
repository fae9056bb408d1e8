"""How counts are said to people. Pure: values in, text out."""


def counted(number: int, one: str, several: str = "") -> str:
    """Return a count of things as people say it; ``several`` is for what does more than take an s.

    >>> counted(1, "request")
    '1 request'
    >>> counted(2_000, "request is", "requests are")
    '2,000 requests are'
    """
    return f"{number:,} {one if number == 1 else several or one + 's'}"
