"""How strongly a JPEG was compressed, from its quantization table."""

import numpy as np

# Table K.1 of ITU-T T.81, by rows: what the IJG library (libjpeg) scales for a quality
_LUMINANCE = np.array(
    [
        *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
        *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
        *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
        *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
    ]
)


def _tables() -> np.ndarray:
    """[100, 64]: the table of each quality from 1 to 100, as libjpeg's `jpeg_set_quality` makes it."""
    quality = np.arange(1, 101)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return np.clip((_LUMINANCE * scale[:, None] + 50) // 100, 1, 255)


def jpeg_quality(quantization: dict[int, list[int]] | None) -> float:
    """The IJG quality, 1 to 100, whose luminance table is nearest (sum of absolute differences).

    Exact for what libjpeg wrote; an estimate for other encoders, which have tables of their own.

    Args:
        quantization: tables by number, as Pillow gives them; 0 is the luminance.

    Returns:
        NaN without a table of 64 values.
    """
    table = (quantization or {}).get(0)
    if table is None or len(table) != 64:
        return float("nan")
    return float(np.abs(_tables() - np.asarray(table)).sum(axis=1).argmin() + 1)
