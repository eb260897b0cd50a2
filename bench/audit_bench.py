"""What the audit of images costs beside the least that any such audit must do."""

import tempfile
import time
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from heatproof.data.audit.assemble import audit
from heatproof.data.audit.material import Settings, read_path
from heatproof.data.prepare.lookalikes import pairs

THUMBNAILS, FILES = 8000, 300
SETTINGS = Settings(threshold=0.95, sweep=(0.85, 0.9, 0.95, 0.99), bootstrap=1000, draws=200)
WHAT = {
    "lookalikes_over_product": f"pairs of look-alikes among {THUMBNAILS:,} thumbnails: wall time / the plain matrix "
    "product of all with all",
    "audit_over_decoding": f"audit of an archive of {FILES} JPEG files, 512 px, reading included: wall time / "
    "decoding them",
}


def _wall(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _smooth(count: int, side: int, sigma: float) -> np.ndarray:
    fields = np.random.default_rng(0).normal(size=(count, side, side)).astype(np.float32)
    fields = ndimage.gaussian_filter(fields, (0, sigma, sigma))
    return np.clip(128 + 40 * fields / fields.std(), 0, 255).astype(np.uint8)


def lookalikes_over_product() -> float:
    thumbnails = _smooth(THUMBNAILS, 32, 4)
    flat = thumbnails.reshape(THUMBNAILS, -1).astype(np.float32)
    ours = _wall(lambda: pairs(thumbnails, 0.95))
    return ours / _wall(lambda: flat @ flat.T)


def audit_over_decoding() -> float:
    files = {}
    for row, image in enumerate(_smooth(FILES, 64, 3)):
        buffer = BytesIO()
        Image.fromarray(image).resize((512, 512), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        files[f"{'ab'[row % 2]}/{row}.jpg"] = buffer.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "images.zip")
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        options = {"patient": None, "window": None, "size": 224, "crop": "none", "fit": "crop"}
        ours = _wall(lambda: audit(read_path(path, **options)[0], SETTINGS, ("bench",)))
    return ours / _wall(lambda: [np.asarray(Image.open(BytesIO(content))) for content in files.values()])
