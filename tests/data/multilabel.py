"""A small synthetic collection of chest X-rays, in the form of the COVID-19 image data collection.

A bright disc in the left half of an image is COVID-19, one in the right half a bacterial pneumonia; both may be there,
or none.
"""

import csv
import io
from pathlib import Path

import numpy as np
from data.making import array, write_zip

COLUMNS = ("patientid", "sex", "age", "finding", "view", "modality", "date", "folder", "filename", "url", "license")
LABELS = {
    "No finding": "No Finding",
    "Pneumonia": "Pneumonia",
    "Viral": "Viral",
    "COVID-19": "COVID-19",
    "Bacterial": "Bacterial",
    "Streptococcus": "Streptococcus",
}
PARENTS = {"COVID-19": "Viral", "Viral": "Pneumonia", "Streptococcus": "Bacterial", "Bacterial": "Pneumonia"}
# what a patient has, in both forms that the versions of the collection write it in
FINDINGS = (
    ("COVID-19", "Pneumonia/Viral/COVID-19"),
    ("Streptococcus", "Pneumonia/Bacterial/Streptococcus"),
    ("COVID-19, Streptococcus", "Pneumonia/Viral/COVID-19, Pneumonia/Bacterial/Streptococcus"),
    ("No Finding", "No Finding"),
)
KEPT = ("PA", "AP", "AP Supine")

# a study of it, as short as studies/tiny.yaml; SOURCE stands for the path of the archive
STUDY = """task: multilabel
models: [test_resnet, test_vit]
seeds: [0, 1]

compute: {device: cpu, threads: 1}

data:
  kind: table
  source: SOURCE
  table: metadata.csv
  columns: {path: filename, folder: folder, label: finding, patient: patientid, license: license}
  keep: {modality: [X-ray], view: [PA, AP, AP Supine]}
  leave_out: [todo, Unknown]
  classes:
    No finding: No Finding
    Pneumonia: Pneumonia
    Viral: Viral
    COVID-19: COVID-19
    Bacterial: Bacterial
    Streptococcus: Streptococcus
  parents: {COVID-19: Viral, Viral: Pneumonia, Streptococcus: Bacterial, Bacterial: Pneumonia}
  synonyms: {E.Coli: Bacterial}
  size: 64
  split: {train: 0.5, val: 0.2, test: 0.3, tolerance: 0.3}
  audit: {draws: 10, bootstrap: 100, folds: 3, sweep: [0.95]}

train:
  weights: scratch
  epochs: 2
  lr: 1.0e-3

explain:
  methods: [gradcam]
  images_per_group: 1
  variants: {images: 3, sensitivity: {draws: 2}, randomize: {layers: 2}, random_labels: true}

score:
  families: [localization, faithfulness, consistency]
  faithfulness:
    images: 6
    steps: 4
    road: {images: 3, percentiles: [30, 70]}
    naopc: {images: 2, cells: 3}
    infidelity: {images: 3, samples: 4}

stats: {alpha: 0.05, competence_margin: 0}

report: {gallery: 2}
"""


def study(source: Path) -> str:
    """The text of a study file of the collection at `source`."""
    return STUDY.replace("SOURCE", str(source))


def rows(patients: int = 24, seed: int = 0) -> list[dict[str, str]]:
    """The rows of metadata.csv: 1 to 3 X-rays a patient, some with a lateral view or a CT slice, and a row to do.

    Patients have the findings of `FINDINGS` in turn, every second round in the second form; the second and every
    twelfth after it has E.Coli in the place of Streptococcus. Every seventh licence is blank.
    """
    rng = np.random.default_rng(seed)
    found: list[dict[str, str]] = []

    def add(patient: int, finding: str, view: str, modality: str = "X-ray") -> None:
        number = len(found)
        found.append(
            dict.fromkeys(COLUMNS, "")
            | {
                "patientid": str(patient),
                "finding": finding,
                "view": view,
                "modality": modality,
                "folder": "images",
                "filename": f"p{patient}-{number}.png",
                "license": "" if number % 7 == 6 else ("CC BY-NC-SA", "CC BY 4.0")[patient % 2],
            }
        )

    for patient in range(patients):
        finding = FINDINGS[patient % 4][patient // 4 % 2]
        if patient % 12 == 1:
            finding = "E.Coli"
        for _ in range(rng.integers(1, 4)):
            add(patient, finding, KEPT[rng.integers(3)])
        if patient % 3 == 0:
            add(patient, finding, "L")
        if patient % 5 == 0:
            add(patient, finding, "Axial", "CT")
    add(patients, "todo", "PA")
    return found


def picture(finding: str, rng: np.random.Generator) -> bytes:
    """A PNG of 96 by 72 to 96 pixels: a body with two lungs, noise, and the discs that the finding asks for."""
    height, width = int(rng.integers(72, 97)), 96
    y, x = np.mgrid[:height, :width] / np.array([height, width])[:, None, None]
    image = np.where((np.abs(x - 0.5) < 0.42) & (y > 0.05), 120.0, 8.0)
    for middle in (0.32, 0.68):
        image[((x - middle) / 0.13) ** 2 + ((y - 0.5) / 0.36) ** 2 < 1] = 50
    for shown, middle in (("COVID" in finding, 0.32), (any(w in finding for w in ("Strep", "Coli")), 0.68)):
        if shown:
            across, down = middle + rng.uniform(-0.04, 0.04), rng.uniform(0.35, 0.65)
            image[((x - across) * width) ** 2 + ((y - down) * height) ** 2 < 8**2] = 230
    return array(np.clip(image + rng.normal(0, 6, image.shape), 0, 255))


def collection(folder: Path, patients: int = 24, seed: int = 0) -> Path:
    """Write the collection as an archive in `folder`, with one top folder as GitHub's archives have."""
    rng, listed = np.random.default_rng([seed, 1]), rows(patients, seed)
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(listed)
    files = {f"{row['folder']}/{row['filename']}": picture(row["finding"], rng) for row in listed}
    files["metadata.csv"] = text.getvalue().encode()
    folder.mkdir(parents=True, exist_ok=True)
    return write_zip(folder / "collection.zip", {f"collection-master/{name}": files[name] for name in sorted(files)})
