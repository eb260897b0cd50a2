"""Two archives of chest X-rays as one folder with a table (`tools/covid_nih.py`)."""

import csv
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


TABLE = """patientid,finding,view,modality,folder,filename,license,notes
5,COVID-19,PA,X-ray,images,a.png,CC BY,"told, at length"
6,No Finding,L,X-ray,images,gone.png,CC BY,
"""


@pytest.fixture
def archives(tmp_path):
    for name, files in {
        "covid.zip": {"covid-master/metadata.csv": TABLE, "covid-master/images/a.png": "one"},
        "nih.zip": {
            "nih/No finding/00000001_000.jpg": "two",
            "nih/Pneumonia/00000001_001.jpg": "three",
            "nih/README.txt": "x",
        },
    }.items():
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for member, text in files.items():
                archive.writestr(member, text)
    return tmp_path


def run(folder: Path, *paths: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "tools/covid_nih.py"), *paths]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_images_of_both_stand_in_one_table(archives):
    assert run(archives, "covid.zip", "nih.zip").stdout == "downloads/covid_nih: 3 rows\n"
    made = archives / "downloads/covid_nih"
    rows = list(csv.DictReader((made / "metadata.csv").open()))
    told = [(row["patientid"], row["finding"], row["view"], row["source"]) for row in rows]
    assert told == [
        ("5", "COVID-19", "PA", "collection"),  # without an image, a row is left out
        ("nih-00000001", "No Finding", "frontal", "nih"),
        ("nih-00000001", "Pneumonia", "frontal", "nih"),
    ]
    assert [(made / row["folder"] / row["filename"]).read_text() for row in rows] == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (("nih.zip", "nih.zip"), "covid_nih: nih.zip: no metadata.csv in it"),
        (("covid.zip", "covid.zip"), "covid_nih: covid.zip: no images in folders No finding and Pneumonia"),
        (("gone.zip", "nih.zip"), "No such file or directory: 'gone.zip'"),
        ((), "python tools/covid_nih.py downloads/"),
    ],
)
def test_other_archives_get_one_line(archives, paths, told):
    done = run(archives, *paths)
    assert done.returncode == 1 and told in done.stderr and "Traceback" not in done.stderr
