"""`docs/record.schema.json`: the JSON Schema of a record, made from its models; `--check` compares the file."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from responder.record import RECORD_SCHEMA, Record

PATH: Final = Path(__file__).parents[1] / "docs" / "record.schema.json"


def schema() -> dict[str, Any]:
    """The schema of the JSON that is written: every field is there, since nothing is left out when it is empty."""
    made = Record.model_json_schema(mode="serialization", by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": RECORD_SCHEMA} | made


def text() -> str:
    """The file's content."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Write the file, or compare it; 1 where it is not what the models say."""
    parser = argparse.ArgumentParser(prog="python -m responder.schema", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--path", type=Path, default=PATH)
    given = parser.parse_args(arguments)
    if not given.check:
        given.path.write_text(text(), encoding="utf-8")
        return 0
    if given.path.is_file() and given.path.read_text(encoding="utf-8") == text():
        return 0
    sys.stderr.write(f"{given.path} is not what the models say: run `python -m responder.schema`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
