"""dlt: its REST API source, merged by id into PostgreSQL, without child tables; a first load and a reload."""

import os
import tempfile
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from benchmarks.peers import common

# Before it is imported: no telemetry, and its state in a folder that goes away.
_folder = tempfile.TemporaryDirectory(prefix="musicsync-bench-dlt-")
os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": _folder.name, "RUNTIME__LOG_LEVEL": "ERROR"}

import dlt  # noqa: E402 - see above
from dlt.sources.rest_api import rest_api_source  # noqa: E402 - see above


def main() -> None:
    """Measure both."""
    options = common.arguments()
    destination = dlt.destinations.postgres(credentials=as_dlt_takes_it(options.database))
    pipeline = dlt.pipeline("benchmark", destination=destination, dataset_name="benchmark")
    for name in ("first load", "reload, nothing changed"):
        source = rest_api_source(
            {
                "client": {
                    "base_url": options.feed,
                    "paginator": {"type": "cursor", "cursor_path": "next", "cursor_param": "cursor"},
                },
                "resources": [
                    {
                        "name": "tracks",
                        "primary_key": "id",
                        "write_disposition": "merge",
                        "endpoint": {
                            "path": "feed/tracks",
                            "params": {"limit": common.PAGE},
                            "data_selector": "items",
                        },
                    }
                ],
            },
            max_table_nesting=0,
        ).add_limit(options.tracks // common.PAGE)
        common.measure(f"dlt merge: {name}", options.tracks, lambda source=source: load(pipeline, source))


def load(pipeline: dlt.Pipeline, source: Any) -> None:
    """Load by CSV files and COPY: twice as fast as the default, INSERT statements."""
    pipeline.run(source, loader_file_format="csv")


def as_dlt_takes_it(url: str) -> str:
    """Return the URL of a database on a socket with a password, which dlt wants, and the socket's folder as host."""
    parts = urlsplit(url)
    folder = quote(parse_qs(parts.query)["host"][0], safe="")
    return f"postgresql://{parts.username}:none@{folder}{parts.path}"


if __name__ == "__main__":
    main()
