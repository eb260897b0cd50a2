"""What `source.json` tells beside the fingerprint: what was left out by which rule, licences, labels in few groups."""

from collections import Counter
from collections.abc import Sequence

from heatproof.data.reading.findings import LeftOut


def left_out(rows: Sequence[LeftOut], licenses: Sequence[tuple[str, str | None]], few: dict[str, int]) -> dict:
    """The keys that there is something to tell of.

    Args:
        rows: of the table, by the rule that leaves them out.
        licenses: of the images that are used, id and licence, None where it is blank; nothing where none is read.
        few: labels that too few groups have for the tolerance of the split, and the number of these groups.

    Returns:
        left_out: key, column, value and rows of each rule; licenses: licence and images of each, the most first;
        unlicensed: ids of the images whose licence is blank; few_groups: as it came.
    """
    counts = Counter(license for _, license in licenses if license is not None)
    found = {
        "left_out": [row._asdict() for row in rows],
        "licenses": [{"license": name, "images": n} for name, n in sorted(counts.items(), key=lambda i: (-i[1], i[0]))],
        "unlicensed": [name for name, license in licenses if license is None],
        "few_groups": few,
    }
    return {key: value for key, value in found.items() if value}
