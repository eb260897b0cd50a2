"""Synthetic chest X-rays with several findings: the projection of a phantom's anatomy, with exact truth of one finding.

A frontal film adds up attenuation along the beam, so that a finding changes it by its path through denser matter:
nothing is cut out or pasted. Geometry lives in a square film, x and v (downwards) from -1 to 1; path lengths are in the
same unit, attenuation is that of soft tissue times a factor.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from heatproof.core.draws import generator
from heatproof.data.sources.records import Facts, Image, Record
from heatproof.data.synthetic.phantom import Anatomy, draw_anatomy, draw_lesion

CLASSES = ("No finding", "Nodule", "Consolidation", "Effusion", "Cardiomegaly")
SHARE = 0.3  # of the patients that have a finding, independently of the others
_LUNG, _BONE = 0.25, 1.9  # attenuation, of soft tissue's
_HEIGHT, _CENTRE = 0.68, -0.08  # of a lung: half of it, and where its middle is
_SEEN = 0.02  # of path through soft tissue: less is lost in the noise, and no part of a finding


def list_records(study: str, seed: int, patients: int, slices: int, size: int, varied: bool = False) -> list[Record]:
    """List the records of an X-ray phantom: `slices` films of each patient, from slightly different directions.

    A record's label are the indices of its findings, or that of `No finding`; `marks` is the one of them that its mask
    shows, drawn evenly, so that every label is explained on images where its own truth is known.

    Args:
        varied: exposure, noise and position of the patient vary.

    Example:
        >>> first = list_records("xray_pretrain", 0, patients=3, slices=1, size=64)[0]
        >>> [CLASSES[label] for label in first.label], first.read().pixels.shape
        (['Consolidation', 'Effusion'], (64, 64))
    """
    records = []
    for patient in range(patients):
        rng = generator("xray", study, seed, "findings", patient)
        findings = tuple(label for label in range(1, len(CLASSES)) if rng.random() < SHARE)
        marked = findings[int(rng.integers(len(findings)))] if findings else None
        for index in range(slices):
            read = _Film(study, seed, patient, index, size, varied, findings, marked)
            name, source = f"p{patient:04d}_f{index:02d}", f"xray_phantom:{seed}:{patient}:{index}"
            marks = () if marked is None else (marked,)
            records.append(Record(name, source, findings or (0,), f"p{patient:04d}", read, marks=marks))
    return records


@dataclass(frozen=True)
class _Film:
    """Renders one film when it is called."""

    study: str
    seed: int
    patient: int
    index: int
    size: int
    varied: bool
    findings: tuple[int, ...]
    marked: int | None

    def __call__(self) -> Image:
        key = ("xray", self.study, self.seed)
        anatomy = draw_anatomy(generator(*key, "anatomy", self.patient))
        drawn = {label: generator(*key, CLASSES[label], self.patient) for label in self.findings}
        film = generator(*key, "film", self.patient, self.index)
        pixels, masks = render(anatomy, drawn, self.size, film, varied=self.varied)
        facts, digest = Facts(self.size, self.size, "L", "phantom"), hashlib.sha256(pixels.tobytes()).hexdigest()
        if self.marked is None:
            return Image(pixels, None, facts, digest)
        return Image(pixels, masks[self.marked], facts, digest, "mask")


def render(
    anatomy: Anatomy,
    findings: dict[int, np.random.Generator],
    size: int,
    rng: np.random.Generator,
    *,
    varied: bool = False,
) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Render a frontal film.

    Args:
        anatomy: of a phantom.
        findings: index of `CLASSES` -> what its place, size and density are drawn from.
        size: side of the film in pixels.
        rng: of direction, exposure and noise; an equal one gives the same film but for the findings.
        varied: exposure, noise and position vary.

    Returns:
        pixels: uint8 [size, size], bone white.
        masks: index of a finding -> bool [size, size], where it adds visibly to the film.
    """
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    x, v = np.meshgrid(axis, axis)
    turn, zoom, shift = (rng.uniform(-1, 1) * limit for limit in ((0.1, 0.08, 0.06) if varied else (0.02, 0.02, 0.02)))
    x, v = (
        (x * np.cos(turn) + v * np.sin(turn)) * (1 + zoom) + shift,
        (v * np.cos(turn) - x * np.sin(turn)) * (1 + zoom),
    )
    lungs = [_lung(anatomy, side, x, v) for side in (0, 1)]
    path = _body(anatomy, lungs, x, v)
    added = {label: _ADDED[label](draw, anatomy, lungs, x, v) for label, draw in findings.items()}
    light = path + sum(added.values())
    noise = rng.uniform(0.004, 0.03) if varied else 0.012
    low, high = (rng.uniform(0.05, 0.25), rng.uniform(1.5, 2.1)) if varied else (0.15, 1.8)
    grain = ndimage.gaussian_filter(rng.normal(size=light.shape), 0.6)
    light = light + noise * grain / grain.std()
    pixels = np.round(np.clip((light - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    return pixels, {label: values > _SEEN for label, values in added.items()}


def _chord(x: np.ndarray, v: np.ndarray, centre: tuple[float, float], half: tuple[float, float, float]) -> np.ndarray:
    """Length of the beam's path through an ellipsoid: centre in x and v, half axes in x, v and along the beam."""
    inside = 1 - ((x - centre[0]) / half[0]) ** 2 - ((v - centre[1]) / half[1]) ** 2
    return 2 * half[2] * np.sqrt(np.maximum(inside, 0))


def _lung(anatomy: Anatomy, side: int, x: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Path through a lung, which ends on the dome of its diaphragm."""
    middle, _, width, depth, _ = anatomy.lungs[side]
    dome = 0.42 + 0.25 * ((x - middle) / width) ** 2
    above = np.clip((dome - v) / 0.03, 0, 1)
    return above * _chord(x, v, (middle, _CENTRE), (width, _HEIGHT, depth))


def _body(anatomy: Anatomy, lungs: Sequence[np.ndarray], x: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Path through a patient without findings, as that of soft tissue which attenuates as much."""
    width, depth = anatomy.body
    chest = 2 * depth * np.sqrt(np.maximum(1 - (x / (width - 0.1 * np.clip(-v - 0.5, 0, 1))) ** 2, 0))
    heart = _heart(anatomy, x, v, 1.0)
    air = np.maximum(lungs[0] + lungs[1] - heart, 0)
    path = chest - (1 - _LUNG) * air
    path += (_BONE - 1) * 0.5 * _chord(x, np.zeros_like(v), (0, 0), (1.2 * anatomy.spine[1], 1, anatomy.spine[1]))
    path += 0.12 * np.exp(-((x / 0.035) ** 2)) * np.clip(-v, 0, 1)  # trachea's walls and the mediastinum above
    for rib, (_, radius) in enumerate(anatomy.ribs[:7]):
        line = -0.75 + 1.25 * rib / 7 + 0.55 * (np.abs(x) / width) ** 2 + 0.05 * np.sin(3 * np.abs(x))
        path += 0.16 * np.exp(-(((v - line) / (0.7 * radius)) ** 2)) * (chest > 0)
    for vessel_x, vessel_y, angle, length, thick in anatomy.vessels:
        side = 0 if vessel_x < 0 else 1
        dx, dv = x - vessel_x, v - 1.3 * vessel_y
        along = np.clip(dx * np.cos(angle) + dv * np.sin(angle), -length, length)
        distance = np.hypot(dx - along * np.cos(angle), dv - along * np.sin(angle))
        path += 3 * thick * np.exp(-((distance / (1.5 * thick)) ** 2)) * (lungs[side] > 0)
    return np.maximum(path, 0)


def _heart(anatomy: Anatomy, x: np.ndarray, v: np.ndarray, scale: float) -> np.ndarray:
    middle, _, radius = anatomy.heart
    return _chord(x, v, (middle + 0.06, 0.2), (scale * 1.1 * radius, scale * 1.2 * radius, radius))


def _nodule(
    rng: np.random.Generator, anatomy: Anatomy, lungs: Sequence[np.ndarray], x: np.ndarray, v: np.ndarray
) -> np.ndarray:
    """A dense nodule, as large as a benign one of the slices."""
    lesion = draw_lesion(rng, anatomy, "benign")
    return (1 - _LUNG) * 1.2 * _chord(x, v, (lesion.x, lesion.y), (lesion.radius, lesion.radius, lesion.radius))


def _consolidation(
    rng: np.random.Generator, anatomy: Anatomy, lungs: Sequence[np.ndarray], x: np.ndarray, v: np.ndarray
) -> np.ndarray:
    """A part of a lung whose air is replaced by half and more, with a lobed outline and soft edges."""
    side = int(rng.integers(2))
    middle, _, width, _, _ = anatomy.lungs[side]
    centre = middle + rng.uniform(-0.4, 0.4) * width, rng.uniform(-0.35, 0.25)
    angle, distance = np.arctan2(v - centre[1], x - centre[0]), np.hypot(x - centre[0], v - centre[1])
    outline = 1 + sum(rng.uniform(0.05, 0.2) * np.cos(k * angle + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 5))
    radius = rng.uniform(0.16, 0.28) * outline
    return rng.uniform(0.35, 0.6) * (1 - _LUNG) * lungs[side] * np.clip((radius - distance) / 0.08, 0, 1)


def _effusion(
    rng: np.random.Generator, anatomy: Anatomy, lungs: Sequence[np.ndarray], x: np.ndarray, v: np.ndarray
) -> np.ndarray:
    """Fluid at the bottom of a lung, higher along the chest wall."""
    side = int(rng.integers(2))
    middle, _, width, _, _ = anatomy.lungs[side]
    outwards = np.clip((x - middle) / width * np.sign(middle), -1, 1)
    level = rng.uniform(0.12, 0.3) - 0.14 * outwards
    return 0.9 * (1 - _LUNG) * lungs[side] * np.clip((v - level) / 0.03, 0, 1)


def _cardiomegaly(
    rng: np.random.Generator, anatomy: Anatomy, lungs: Sequence[np.ndarray], x: np.ndarray, v: np.ndarray
) -> np.ndarray:
    """A heart that takes up more than half of the chest's width: what it has more than a normal one."""
    air = np.maximum(lungs[0] + lungs[1] - _heart(anatomy, x, v, 1.0), 0)
    more = np.maximum(_heart(anatomy, x, v, rng.uniform(1.5, 1.8)) - _heart(anatomy, x, v, 1.0), 0)
    return (1 - _LUNG) * np.minimum(more, air)


_ADDED = {1: _nodule, 2: _consolidation, 3: _effusion, 4: _cardiomegaly}
