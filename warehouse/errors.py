"""Errors of the warehouse: transient ones may succeed on retry, terminal ones never do."""


class WarehouseError(Exception):
    """Base of all errors that cross the boundary of `warehouse`."""


class TransientWarehouseError(WarehouseError):
    """The same call may succeed later."""


class TerminalWarehouseError(WarehouseError):
    """The same call fails again until something is changed."""


class WarehouseBusy(TransientWarehouseError):
    """Another process has the database open for writing."""


class StorageFull(TransientWarehouseError):
    """The disk is full; what was committed is kept."""


class WarehouseDamaged(TerminalWarehouseError):
    """The writer's file is gone or cannot be read; raw history can rebuild it."""


class ContractViolation(TerminalWarehouseError):
    """A table, file or model does not match its contract."""


class LandingFileRejected(TerminalWarehouseError):
    """A landing file cannot be read or does not fit its table."""


class NotPublished(TerminalWarehouseError):
    """There is no published file yet."""


class PublishedFileDamaged(TerminalWarehouseError):
    """The published file cannot be read; publishing rebuilds it."""


class QueryFailed(TerminalWarehouseError):
    """A reader's SQL failed."""


class QueryOverLimit(QueryFailed):
    """A reader's statement exceeds its memory or time."""


class OutletUnavailable(TransientWarehouseError):
    """A database that what is published is copied to cannot be used at present."""


class OutletRejected(TerminalWarehouseError):
    """A database that what is published is copied to refuses, or holds what is not ours."""


class LakeUnavailable(TransientWarehouseError):
    """The catalogue's server or the object storage of a lake cannot be used at present."""


class LakeRejected(TerminalWarehouseError):
    """A lake's address cannot be used, or one of its servers refuses."""


class DataFileMissing(TerminalWarehouseError):
    """A data file of a lake is gone."""
