"""What writers were promised: which version of each detection was acknowledged, and which may be there besides."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Promised:
    """By ID, the version that was acknowledged last, and those that were begun since. Version 0: there is none."""

    sure: dict[str, int] = field(default_factory=dict)
    possible: dict[str, set[int]] = field(default_factory=dict)

    @classmethod
    def by(cls, lines: list[str]) -> "Promised":
        """From lines `begin ID VERSION` and `done ID VERSION`."""
        promised = cls()
        for line in lines:
            word, detection_id, version = line.split()
            (promised.begin if word == "begin" else promised.done)({detection_id: int(version)})
        return promised

    def begin(self, versions: Mapping[str, int]) -> None:
        for detection_id, version in versions.items():
            self.possible.setdefault(detection_id, set()).add(version)

    def done(self, versions: Mapping[str, int]) -> None:
        for detection_id, version in versions.items():
            self.sure[detection_id] = version
            self.possible[detection_id] = set()

    def allows(self, detection_id: str, version: int) -> bool:
        return version == self.sure.get(detection_id, 0) or version in self.possible.get(detection_id, ())

    def ids(self) -> set[str]:
        return self.sure.keys() | self.possible.keys()

    def check(self, found: Mapping[str, int]) -> None:
        """Raises unless what was found, version by ID, is what was promised; then that is what is sure."""
        for detection_id in self.ids() | found.keys():
            version = found.get(detection_id, 0)
            assert self.allows(detection_id, version), (
                f"{detection_id} has version {version}; acknowledged was {self.sure.get(detection_id, 0)}, begun were "
                f"{self.possible.get(detection_id, set())}"
            )
            self.done({detection_id: version})
