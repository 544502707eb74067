"""Where the sidecar and Fluent Bit keep their files below `paths.state` and `paths.run`."""

from dataclasses import dataclass

from sidecar.config.model import Config

FLUENT_BIT_FILE = "fluent-bit.yaml"


@dataclass(frozen=True)
class Layout:
    """Absolute paths, as text."""

    journal: str
    """Folder of the events' journal."""
    positions: str
    """Folder of Fluent Bit's databases of file positions."""
    chunks: str
    """Folder of Fluent Bit's buffered chunks."""
    logs_db: str
    """Fluent Bit's database of its positions in the pods' log files."""
    filter_state: str
    """Folder that Fluent Bit's filter writes to: what it holds back, and its counters."""
    backfill: str
    """Folder of links to the gzipped log files that Fluent Bit is to read, as the pods' log folder is laid out."""
    tracked: str
    """File in which the sidecar keeps what was read of the pods' log files."""
    pods_table: str
    """File with what is known of the node's pods, for Fluent Bit's filter."""
    backup: str
    """Folder of what was overwritten in OpenSearch, made when it is needed."""
    version: str
    """File that says how what is below `paths.state` is laid out."""
    last_good: str
    """The last pipeline.yaml that worked."""
    rejected: str
    """File with the digest of a pipeline.yaml that did not work in this pod, and why."""
    environment: str
    """Folder with one file for each variable that Fluent Bit takes from the sidecar: address and credentials."""
    rendered: str
    """Folder of the rendered configurations, a folder each."""
    current: str
    """Link to the rendered configuration that is in force."""

    @classmethod
    def of(cls, config: Config) -> "Layout":
        """The layout for a configuration."""
        state, run = config.paths.state, config.paths.run
        return cls(
            journal=f"{state}/events",
            positions=f"{state}/fluent-bit/positions",
            chunks=f"{state}/fluent-bit/chunks",
            logs_db=f"{state}/fluent-bit/positions/logs.db",
            filter_state=f"{state}/fluent-bit/filter",
            backfill=f"{state}/fluent-bit/backfill",
            tracked=f"{state}/fluent-bit/files.json",
            backup=f"{state}/opensearch-backup",
            pods_table=f"{run}/pods.tsv",
            version=f"{state}/version",
            last_good=last_good(state),
            rejected=f"{run}/rejected.json",
            environment=f"{run}/environment",
            rendered=f"{run}/rendered",
            current=f"{run}/current",
        )

    @property
    def fluent_bit_file(self) -> str:
        """What Fluent Bit is started with."""
        return f"{self.current}/{FLUENT_BIT_FILE}"

    @property
    def state_folders(self) -> tuple[str, ...]:
        """Folders that must be there before Fluent Bit starts."""
        return (self.journal, self.positions, self.chunks, self.filter_state, self.backfill)


def last_good(state: str) -> str:
    """Where the last pipeline.yaml that worked is, below a `paths.state`."""
    return f"{state}/config/last-good.yaml"
