"""Django's own ways to write what may be there already: ``update_or_create`` and ``bulk_create(update_conflicts)``."""

import os

from benchmarks.peers import common


def main() -> None:
    """Measure both, each in a table that is empty."""
    options = common.arguments()
    os.environ["BENCHMARK_DATABASE"] = options.database
    from benchmarks.peers.flat_model import Track, make_table  # noqa: PLC0415 - it connects to the database named above

    columns = [field.name for field in Track._meta.fields if not field.primary_key]

    def one_by_one() -> None:
        for items in common.pages(options.feed, options.tracks):
            for item in items:
                row = common.flat(item)
                Track.objects.update_or_create(id=row.pop("id"), defaults=row)

    def in_bulk() -> None:
        for items in common.pages(options.feed, options.tracks):
            rows = [Track(**common.flat(item)) for item in items]
            Track.objects.bulk_create(rows, update_conflicts=True, unique_fields=["id"], update_fields=columns)

    make_table()
    common.measure("Django update_or_create", options.tracks, one_by_one)
    Track.objects.all().delete()
    common.measure("Django bulk_create(update_conflicts)", options.tracks, in_bulk)


if __name__ == "__main__":
    main()
