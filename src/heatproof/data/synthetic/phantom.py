"""Synthetic thorax CT slices in which the lesion is the only evidence for the class.

Anatomy, noise and lesion of a patient come from three independent seeds, so that the same
anatomy can be rendered with and without its lesion and the two images differ inside the
lesion's mask alone. Geometry lives in a square field of view, x and y from -1 to 1; densities
are Hounsfield units (HU).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from heatproof.core.draws import generator
from heatproof.data.sources.records import Facts, Image, Record

CLASSES = ("normal", "benign", "malignant")
WINDOW = (-1000.0, 400.0)
_OVERSAMPLING = 2


@dataclass(frozen=True)
class Lesion:
    """A nodule: centre and radius in field-of-view units, density in HU, outline as Fourier terms."""

    x: float
    y: float
    radius: float
    density: float
    waves: tuple[tuple[int, float, float], ...]  # order, amplitude, phase of the outline
    spikes: tuple[tuple[float, float], ...]  # angle, length in radii

    def inside(self, x: np.ndarray, y: np.ndarray, scale: float) -> np.ndarray:
        """Boolean map of the points inside the nodule, its radius multiplied by `scale`."""
        dx, dy = x - self.x, y - self.y
        angle = np.arctan2(dy, dx)
        distance = np.hypot(dx, dy)
        outline = np.ones_like(angle)
        for order, amplitude, phase in self.waves:
            outline += amplitude * np.cos(order * angle + phase)
        shape = distance < self.radius * scale * outline
        for direction, length in self.spikes:
            along = dx * np.cos(direction) + dy * np.sin(direction)
            across = np.abs(dy * np.cos(direction) - dx * np.sin(direction))
            reach = self.radius * scale * length
            shape |= (along > 0) & (across < 0.22 * self.radius * (1 - along / reach))
        return shape


@dataclass(frozen=True)
class Anatomy:
    """What one patient's thorax looks like; `z` in [-1, 1] moves through the slices."""

    body: tuple[float, float]
    lungs: tuple[tuple[float, float, float, float, float], ...]  # x, y, half-width, half-height, tilt
    heart: tuple[float, float, float]
    spine: tuple[float, float]
    ribs: tuple[tuple[float, float], ...]  # angle on the body wall, radius
    vessels: tuple[tuple[float, float, float, float, float], ...]  # x, y, angle, length, width
    lung_density: float
    tissue_density: float


@dataclass(frozen=True)
class Look:
    """How posture and scanner show a patient: turn in radians, zoom, noise and lung texture in HU, window in HU."""

    turn: float = 0.0
    zoom: float = 1.0
    noise: float = 28.0
    texture: float = 0.0
    window: tuple[float, float] = WINDOW


PLAIN = Look()


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """Draw a patient."""
    body = (rng.uniform(0.84, 0.94), rng.uniform(0.64, 0.74))
    lungs = tuple(
        (
            side * rng.uniform(0.40, 0.46),
            rng.uniform(-0.05, 0.05),
            rng.uniform(0.27, 0.33),
            rng.uniform(0.42, 0.52),
            side * rng.uniform(-0.15, 0.15),
        )
        for side in (-1.0, 1.0)
    )
    vessels = []
    for lung_x, lung_y, half_width, half_height, _ in lungs:
        for _ in range(int(rng.integers(5, 9))):
            radius, angle = np.sqrt(rng.uniform(0, 0.8)), rng.uniform(0, 2 * np.pi)
            vessels.append(
                (
                    lung_x + half_width * radius * np.cos(angle),
                    lung_y + half_height * radius * np.sin(angle),
                    rng.uniform(0, np.pi),
                    rng.uniform(0.0, 0.14),
                    rng.uniform(0.006, 0.014),
                )
            )
    return Anatomy(
        body=body,
        lungs=lungs,
        heart=(rng.uniform(0.02, 0.10), rng.uniform(-0.18, -0.05), rng.uniform(0.20, 0.26)),
        spine=(rng.uniform(0.40, 0.46), rng.uniform(0.09, 0.12)),
        ribs=tuple(
            (angle + rng.uniform(-0.06, 0.06), rng.uniform(0.03, 0.05))
            for angle in np.linspace(0.15, 2 * np.pi + 0.15, 14, endpoint=False)
        ),
        vessels=tuple(vessels),
        lung_density=rng.uniform(-880, -800),
        tissue_density=rng.uniform(20, 60),
    )


def draw_lesion(rng: np.random.Generator, anatomy: Anatomy, kind: str) -> Lesion:
    """Draw a benign (small, smooth, dense) or malignant (large, lobed, spiculated) nodule in a lung."""
    if kind == "benign":
        radius, density = rng.uniform(0.08, 0.11), rng.uniform(200, 350)
        waves: tuple = ((2, rng.uniform(0, 0.08), rng.uniform(0, 2 * np.pi)),)
        spikes: tuple = ()
    elif kind == "malignant":
        radius, density = rng.uniform(0.15, 0.20), rng.uniform(-20, 60)
        waves = tuple((order, rng.uniform(0.05, 0.14), rng.uniform(0, 2 * np.pi)) for order in (2, 3, 5))
        count = int(rng.integers(5, 9))
        start = rng.uniform(0, 2 * np.pi)
        spikes = tuple(
            (start + 2 * np.pi * i / count + rng.uniform(-0.3, 0.3), rng.uniform(1.5, 2.1)) for i in range(count)
        )
    else:
        raise ValueError(f"a lesion is benign or malignant, not {kind!r}")
    lung_x, lung_y, half_width, half_height, _ = anatomy.lungs[int(rng.integers(2))]
    room_x, room_y = max(half_width - 1.3 * radius, 0.02), max(half_height - 1.3 * radius, 0.02)
    distance, angle = np.sqrt(rng.uniform(0, 0.8)), rng.uniform(0, 2 * np.pi)
    return Lesion(
        x=lung_x + room_x * distance * np.cos(angle),
        y=lung_y + room_y * distance * np.sin(angle),
        radius=radius,
        density=density,
        waves=waves,
        spikes=spikes,
    )


def vary(rng: np.random.Generator, anatomy: Anatomy, kind: str) -> tuple[Anatomy, Lesion | None, Look]:
    """Draw what makes phantoms differ as real slices do: for networks that are to learn from real ones afterwards.

    Lungs from small to large, from emphysematous to dense and of uneven density; vessels thick enough to pass for a
    small nodule; lesions from half their size on, from faint to calcified; posture, noise and window of the scanner.
    Anatomy and look are drawn before the lesion, so that they know nothing of the class.
    """
    share, density = rng.uniform(0.7, 1.05, 2), rng.uniform(-930, -700)
    lungs = tuple((x, y, width * share[0], height * share[1], tilt) for x, y, width, height, tilt in anatomy.lungs)
    vessels = [
        (x + rng.normal(0, 0.06), y + rng.normal(0, 0.06), angle, length * rng.uniform(0, 1.5), width * thick)
        for x, y, angle, length, width in anatomy.vessels
        for thick in rng.uniform(0.7, 2.2, rng.integers(1, 3))
    ]
    body = anatomy.body[0] * rng.uniform(0.95, 1.05), anatomy.body[1] * rng.uniform(0.9, 1.15)
    anatomy = replace(anatomy, body=body, lungs=lungs, vessels=tuple(vessels), lung_density=density)
    low = rng.uniform(-1050, -950)
    look = Look(
        turn=rng.uniform(-0.15, 0.15),
        zoom=rng.uniform(0.9, 1.1),
        noise=rng.uniform(8, 50),
        texture=rng.uniform(0, 60),
        window=(low, low + rng.uniform(1200, 1700)),
    )
    if kind == "normal":
        return anatomy, None, look
    lesion = draw_lesion(rng, anatomy, kind)
    lesion = replace(lesion, radius=lesion.radius * rng.uniform(0.5, 1), density=density + rng.uniform(300, 1000))
    return anatomy, lesion, look


def _ellipse(x, y, centre_x, centre_y, half_width, half_height, tilt=0.0):
    dx, dy = x - centre_x, y - centre_y
    u = dx * np.cos(tilt) + dy * np.sin(tilt)
    v = dy * np.cos(tilt) - dx * np.sin(tilt)
    return (u / half_width) ** 2 + (v / half_height) ** 2 < 1


def _tissue(anatomy: Anatomy, z: float, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Densities in HU without lesion and noise."""
    hu = np.full(x.shape, -1000.0)
    half_width, half_height = anatomy.body
    hu[_ellipse(x, y, 0, 0, half_width, half_height)] = -90.0  # fat below the skin
    hu[_ellipse(x, y, 0, 0, 0.93 * half_width, 0.91 * half_height)] = anatomy.tissue_density
    shrink = 1 - 0.06 * abs(z)
    lung = np.zeros(x.shape, bool)
    for lung_x, lung_y, lung_w, lung_h, tilt in anatomy.lungs:
        lung |= _ellipse(x, y, lung_x, lung_y, lung_w * shrink, lung_h * shrink, tilt)
    heart_x, heart_y, heart_r = anatomy.heart
    heart = _ellipse(x, y, heart_x, heart_y, heart_r, heart_r * (1 + 0.08 * z))
    lung &= ~heart
    hu[lung] = anatomy.lung_density
    for vessel_x, vessel_y, angle, length, width in anatomy.vessels:
        dx, dy = x - vessel_x - 0.02 * z, y - vessel_y + 0.02 * z
        along = np.clip(dx * np.cos(angle) + dy * np.sin(angle), -length, length)
        distance = np.hypot(dx - along * np.cos(angle), dy - along * np.sin(angle))
        hu[lung & (distance < width)] = anatomy.tissue_density
    spine_y, spine_r = anatomy.spine
    hu[_ellipse(x, y, 0, spine_y, 1.2 * spine_r, spine_r)] = 450.0
    hu[_ellipse(x, y, 0, spine_y + 0.9 * spine_r, 0.4 * spine_r, 0.35 * spine_r)] = 20.0
    for angle, radius in anatomy.ribs:
        rib_x = 0.86 * half_width * np.cos(angle + 0.05 * z)
        rib_y = 0.84 * half_height * np.sin(angle + 0.05 * z)
        hu[_ellipse(x, y, rib_x, rib_y, 1.5 * radius, 0.8 * radius, angle + np.pi / 2)] = 500.0
    return hu


def render(
    anatomy: Anatomy,
    lesion: Lesion | None,
    z: float,
    size: int,
    noise_rng: np.random.Generator,
    look: Look = PLAIN,
) -> tuple[np.ndarray, np.ndarray]:
    """Render one slice.

    Args:
        z: position between the patient's first (-1) and last (1) slice; a lesion is largest at 0.
        size: side of the image in pixels.
        noise_rng: source of the quantum noise; give an equal one to get the same noise again.
        look: how posture and scanner show the patient.

    Returns:
        image: uint8 [size, size], the window of the look, -1000 to 400 HU unless it says otherwise.
        mask: bool [size, size], every pixel that the lesion touches; empty without a lesion.
    """
    fine = size * _OVERSAMPLING
    axis = (np.arange(fine) + 0.5) / fine * 2 - 1
    x, y = np.meshgrid(axis, axis)
    cos, sin = look.zoom * np.cos(look.turn), look.zoom * np.sin(look.turn)
    x, y = x * cos + y * sin, y * cos - x * sin

    def coarse(values: np.ndarray) -> np.ndarray:
        return values.reshape(size, _OVERSAMPLING, size, _OVERSAMPLING).mean(axis=(1, 3))

    hu = _tissue(anatomy, z, x, y)
    if look.texture:
        uneven = ndimage.gaussian_filter(noise_rng.normal(size=hu.shape), fine / 24)
        hu += np.where(hu == anatomy.lung_density, look.texture * uneven / uneven.std(), 0)
    mask = np.zeros((size, size), bool)
    if lesion is not None:
        inside = lesion.inside(x, y, scale=1 - 0.2 * abs(z))
        hu[inside] = lesion.density
        mask = coarse(inside) > 0
    noise = ndimage.gaussian_filter(noise_rng.normal(size=(size, size)), 0.7)  # CT noise is correlated
    image = coarse(hu) + look.noise * noise / noise.std()
    low, high = look.window
    scaled = np.clip((image - low) / (high - low), 0, 1) * 255
    return np.round(scaled).astype(np.uint8), mask


def list_records(
    study: str, seed: int, patients: int, slices: int, size: int, varied: bool = False
) -> Sequence[Record]:
    """The records of a phantom study: `patients`, dealt evenly to the classes, with `slices` each.

    Class and anatomy are independent: the anatomy's seed knows nothing of the class.
    """
    return _Records(study, seed, patients, slices, size, varied)


@dataclass(frozen=True)
class _Records(Sequence):
    """Records that are made as they are asked for."""

    study: str
    seed: int
    patients: int
    slices: int
    size: int
    varied: bool

    def __len__(self) -> int:
        return self.patients * self.slices

    def __getitem__(self, place):
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        (patient, index), label = divmod(place, self.slices), place // self.slices % len(CLASSES)
        z = float(np.linspace(-1, 1, self.slices)[index]) if self.slices > 1 else 0.0
        return Record(
            image_id=f"p{patient:04d}_s{index:02d}",
            source=f"phantom:{self.seed}:{patient}:{index}",
            label=label,
            patient=f"p{patient:04d}",
            read=lambda: self._image(patient, index, z, CLASSES[label]),
        )

    def _image(self, patient: int, index: int, z: float, kind: str) -> Image:
        key = ("phantom", self.study, self.seed)
        (anatomy, lesion), look = draw_patient(self.study, self.seed, patient, kind), PLAIN
        if self.varied:
            anatomy, lesion, look = vary(generator(*key, "variety", patient), anatomy, kind)
        pixels, mask = render(anatomy, lesion, z, self.size, generator(*key, "noise", patient, index), look)
        digest = hashlib.sha256(pixels.tobytes()).hexdigest()
        facts = Facts(self.size, self.size, "L", "phantom")
        return Image(pixels, None, facts, digest) if lesion is None else Image(pixels, mask, facts, digest, "mask")


def draw_patient(study: str, seed: int, patient: int, kind: str) -> tuple[Anatomy, Lesion | None]:
    """The anatomy of a patient, and the lesion that a patient of this class has."""
    anatomy = draw_anatomy(generator("phantom", study, seed, "anatomy", patient))
    if kind == "normal":
        return anatomy, None
    return anatomy, draw_lesion(generator("phantom", study, seed, "lesion", patient), anatomy, kind)
