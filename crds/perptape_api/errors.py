"""What is wrong with a CollectionSpec, one line for each fault, each saying where it is and what is allowed."""


class SpecError(ValueError):
    """A document that is no valid CollectionSpec; `source` names it, `lines` say why."""

    def __init__(self, source: str, lines: tuple[str, ...]) -> None:
        super().__init__("\n".join(f"{source}: {line}" for line in lines))
        self.source = source
        self.lines = lines
