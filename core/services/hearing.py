"""Which sounds a caller has heard, from the first part to the last."""

from core.model import Sound


class Heard:
    """The parts of sounds that went out in one call."""

    def __init__(self) -> None:
        self._begun: set[int] = set()
        self.whole: set[int] = set()
        """The indexes of the outputs that went out in full."""

    def note(self, part: Sound) -> None:
        """One more part went out; whoever resumes a watch may have missed the first."""
        if part.offset == 0:
            self._begun.add(part.output_index)
        if part.last and part.output_index in self._begun:
            self.whole.add(part.output_index)
