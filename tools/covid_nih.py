"""One folder of two archives of chest X-rays: the COVID-19 image data collection, and images of NIH ChestX-ray14.

    python tools/covid_nih.py downloads/covid-chestxray-dataset.zip downloads/nih_cxr.zip  # writes downloads/covid_nih

arXiv:2006.02570 extended the collection, which has hardly a healthy patient, with healthy and pneumonia images of
another source. The folder has the images and a table of all, whose column `source` tells the archives apart: within
one, a network cannot tell labels by the hospital.
"""

import csv
import io
import sys
import zipfile
from pathlib import Path, PurePosixPath

TARGET = Path("downloads/covid_nih")
FINDINGS = {"No finding": "No Finding", "Pneumonia": "Pneumonia"}  # NIH's folder: the collection's word
KEPT = ("patientid", "finding", "view", "modality", "folder", "filename", "license")  # of the collection's columns
FRONTAL = "frontal"  # ChestX-ray14 holds AP and PA alone, and the archive does not tell which


def collection(archive: zipfile.ZipFile) -> tuple[list[dict], dict[str, str]]:
    """Return rows of the collection's table whose image is in the archive, and file -> member of the archive.

    Raises:
        ValueError: the archive has no metadata.csv.
    """
    members = {name for name in archive.namelist() if not name.endswith("/")}
    tables = [name for name in members if PurePosixPath(name).name == "metadata.csv"]
    if not tables:
        raise ValueError(
            f"{archive.filename}: no metadata.csv in it; it must be the archive of covid-chestxray-dataset"
        )
    root = PurePosixPath(tables[0]).parent
    rows, files = [], {}
    for row in csv.DictReader(io.StringIO(archive.read(tables[0]).decode("utf-8-sig"))):
        member = str(root / row["folder"] / row["filename"])
        if member in members:
            rows.append({name: row[name] for name in KEPT} | {"folder": "collection", "source": "collection"})
            files[f"collection/{row['filename']}"] = member
    return rows, files


def nih(archive: zipfile.ZipFile) -> tuple[list[dict], dict[str, str]]:
    """Return a row for each image of ChestX-ray14, and file -> member of the archive.

    Raises:
        ValueError: the archive has no image in a folder that is named as a class.
    """
    rows, files = [], {}
    for member in sorted(archive.namelist()):
        path = PurePosixPath(member)
        if path.suffix.lower() not in (".jpg", ".png") or path.parent.name not in FINDINGS:
            continue
        row = {"patientid": f"nih-{path.name.split('_')[0]}", "finding": FINDINGS[path.parent.name], "view": FRONTAL}
        rows.append(
            row
            | {
                "modality": "X-ray",
                "folder": "nih",
                "filename": path.name,
                "license": "NIH Clinical Center",
                "source": "nih",
            }
        )
        files[f"nih/{path.name}"] = member
    if not rows:
        raise ValueError(f"{archive.filename}: no images in folders {' and '.join(FINDINGS)}; it must be NIH's archive")
    return rows, files


def main(first: str, second: str, target: Path = TARGET) -> None:
    """Write the images of both archives and `metadata.csv` below `target`."""
    rows: list[dict] = []
    for path, listed in ((first, collection), (second, nih)):
        with zipfile.ZipFile(path) as archive:
            found, files = listed(archive)
            rows += found
            for name, member in files.items():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                (target / name).write_bytes(archive.read(member))
    with (target / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [*KEPT, "source"])
        table.writeheader()
        table.writerows(rows)
    print(f"{target}: {len(rows)} rows")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:3])
    except (TypeError, OSError, ValueError, zipfile.BadZipFile) as error:
        sys.exit(f"covid_nih: {error}" if len(sys.argv) == 3 else (__doc__ or "").partition("\n\n")[2])
