"""An entry's own example: its few invented rows, written as upstream ships them, converted, and compared."""

import io
import json
import pickle
import re
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.sax.saxutils import escape

from care_data.entries import Entry, File, Output
from care_data.errors import CareError
from care_data.parts import read_frames
from care_data.stages.cleaning import cleaning_steps
from care_data.stages.conversion import ConvertTask, convert_part


def check_example(entry: Entry) -> list[str]:
    """What differs between an entry's example and what its files become; empty where nothing does.

    Each problem is one line that names the output. It cannot prove the encoding or the counts of upstream's own bytes.
    """
    problems = []
    for output in entry.outputs.values():
        try:
            cleaning_steps(output)
        except CareError as error:
            problems.append(f"outputs.{output.name}.clean: {error}")
    with TemporaryDirectory(prefix="care-example-") as folder:
        files = {
            name: _write_file(entry.files[name], text, Path(folder)) for name, text in entry.example["files"].items()
        }
        for name, expected in entry.example["records"].items():
            if name not in entry.outputs:
                problems.append(f"example.records.{name}: no such output")
                continue
            rejects = entry.example.get("rejects", {}).get(name, {})
            problems += [
                f"example.records.{name}: {p}"
                for p in _compare(entry, entry.outputs[name], files, expected, rejects, folder)
            ]
    return problems + [
        f"outputs.{name} has no example" for name in entry.outputs if name not in entry.example["records"]
    ]


def convert_example(entry: Entry, output: Output) -> list[dict[str, Any]]:
    """The records that an output makes of its entry's example; CareError where it makes none."""
    with TemporaryDirectory(prefix="care-example-") as folder:
        texts = entry.example["files"].items()
        files = {name: _write_file(entry.files[name], text, Path(folder)) for name, text in texts}
        return _convert(entry, output, files, folder)[0]


def _convert(
    entry: Entry, output: Output, files: dict[str, Path], folder: str
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The records that the example's files become, and how many rows were dropped by reason."""
    absent = [name for name in (output.rows, *(join.file for join in output.joins)) if name not in files]
    if absent:
        raise CareError(f"example.files has no {absent[0]}")
    task = ConvertTask(
        corpus=entry.name,
        license_id=entry.license["id"],
        output=output,
        file=entry.files[output.rows],
        paths=[(files[output.rows].name, files[output.rows])],
        joined={join.name: (entry.files[join.file], [files[join.file]]) for join in output.joins},
        part=Path(folder) / f"{output.name}.parquet",
        max_bad=1.0,
    )
    part = convert_part(task)
    return [record for frame in read_frames(part.path) for record in frame.to_dicts()], part.counts["dropped"]


def _compare(
    entry: Entry,
    output: Output,
    files: dict[str, Path],
    expected: list[dict[str, Any]],
    rejects: dict[str, int],
    folder: str,
) -> list[str]:
    try:
        made, dropped = _convert(entry, output, files, folder)
    except CareError as error:
        return [str(error)]
    problems = []
    if len(made) != len(expected):
        problems.append(f"{len(made)} records where {len(expected)} are shown")
    for number, (record, shown) in enumerate(zip(made, expected, strict=False), start=1):
        differing = [field for field, value in shown.items() if record.get(field) != value]
        problems += [f"record {number}: {field} is {record.get(field)!r}, not {shown[field]!r}" for field in differing]
    if dropped != rejects:
        problems.append(f"rejects are {dropped}, not {rejects}")
    return problems


def _write_file(file: File, text: str, folder: Path) -> Path:
    """The example's text under a name that fits the path, in the file's encoding, zipped where upstream zips."""
    name = _concrete(file.path.rsplit("/", 1)[-1])
    path = folder / file.name / name
    path.parent.mkdir()
    data = _PACKED[file.format](text) if file.format in _PACKED else text.encode(file.encoding)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(_concrete(file.member) if file.member else f"{path.stem}.{file.format}", data)
    else:
        path.write_bytes(data)
    return path


def _docx(text: str) -> bytes:
    """The smallest docx with a paragraph for each line."""
    paragraphs = "".join(f"<w:p><w:r><w:t>{escape(line)}</w:t></w:r></w:p>" for line in text.strip("\n").split("\n"))
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(
            "word/document.xml", f'<w:document xmlns:w="{space}"><w:body>{paragraphs}</w:body></w:document>'
        )
    return packed.getvalue()


def _pickle(text: str) -> bytes:
    """The JSON text's value as a pickle."""
    return pickle.dumps(json.loads(text), protocol=2)


_PACKED = {"docx": _docx, "pickle": _pickle}
"""Formats whose example is written as text and packed here."""


def _concrete(pattern: str) -> str:
    """A name the glob fits: the first of each brace, a word for each star."""
    text = re.sub(r"\{([^,}]*)[^}]*\}", r"\1", pattern.replace("**/", ""))
    return text.replace("*", "example").replace("?", "x")
