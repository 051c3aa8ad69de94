"""The exceptions of audiobatchd. A class of its own exists only where a caller acts differently on it."""


class AudiobatchError(Exception):
    """The root of every exception that audiobatchd raises on purpose; its text is fit to be shown to a user."""


class UnfitFileError(AudiobatchError, OSError):
    """A file is not what is read at its place: no regular file, or larger than allowed; raised by `bounded.read`."""

    def __str__(self) -> str:
        return self.strerror or ""


class ConfigError(AudiobatchError):
    """The configuration is invalid: raised while it is read, before anything has been started."""


class UsageError(AudiobatchError):
    """The command line asks for something that cannot be: an unknown feature, a dataset that is not there."""


class AlreadyRunningError(AudiobatchError):
    """Raised where another daemon holds the state directory or answers on the control socket."""


class DamagedFileError(AudiobatchError):
    """An audio file does not hold what its container promises, or holds nothing that can be decoded.

    The file is charged: it is `failed` until it changes.
    """


class UnmeasurableError(AudiobatchError):
    """A healthy file has a property that leaves nothing to measure (it is silent, say).

    It counts as complete, with the reason in the provenance.
    """


class BeyondLimitError(UnmeasurableError):
    """A healthy file is longer than `max_duration` allows: a property of the configuration, not of the audio."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds
        """Length of the file, or, where only decoding all of it would tell that, of the part that was seen."""


class AnalyzerUnavailableError(AudiobatchError):
    """Raised by `Analyzer.load` where this machine lacks something that the analyzer needs (a model, a library)."""


class OptionError(AudiobatchError):
    """An analyzer cannot be made as its table in the configuration says; raised when it is made, or when it loads."""


class UnknownOptionError(OptionError):
    """The table of an analyzer has a key that is no option of it."""

    def __init__(self, key: str, known: tuple[str, ...]) -> None:
        super().__init__(f"unknown option `{key}` (there are: {', '.join(f'`{each}`' for each in known) or 'none'})")
        self.key = key
        """The key as it is written."""
        self.known = known
        """Options that there are."""


class AnalyzerFaultError(AudiobatchError):
    """An analyzer raised, or gave what it did not promise: the folder is charged, its other files are not."""


class RecordError(AudiobatchError):
    """A record cannot be read or replaced as it stands (not JSON, a directory, read-only): the folder is `blocked`."""


class UnclearRecordError(RecordError):
    """A record says nothing that can be understood: it is damaged, or half-written by a program that is at it."""


class LockBusyError(AudiobatchError):
    """Raised where a lock, of a folder, of imports or of an inbox, is held by another process or thread."""


class LockUsageError(AudiobatchError, RuntimeError):
    """A `FileLock` is acquired that is acquired already: a mistake in the program that does it."""


class LockLostError(AudiobatchError):
    """The lock of a folder stopped being ours while we worked: nothing may be published."""


class SourceChangedError(AudiobatchError):
    """A source file changed while it was read: its results describe nothing that is still there."""


class ModelError(AudiobatchError):
    """A file of a model is not what it should be, or cannot be fetched or stored: listed as wrong, where it lies."""


class UnreachableError(ModelError):
    """The place where a model is published cannot be reached from here: there are other ways to have the model."""


class UnknownFolderError(AudiobatchError):
    """Raised for a question about a track folder that is not there."""


class NoDaemonError(AudiobatchError):
    """Raised where no daemon answers on the control socket."""

    def __init__(self, what: str, cure: str = "") -> None:
        super().__init__(f"{what}; {cure}" if cure else what)
        self.what = what
        self.cure = cure
        """Advice what to do, which is at the end of the text as well; empty where there is none."""


class OutputLostError(AudiobatchError):
    """Standard output does not take what a command writes there: raised where the command is of no use without it."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(f"cannot write to standard output: {cause.strerror}")
        self.cause = cause
        """Error of the write."""
