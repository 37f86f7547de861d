"""Errors of the warehouse: busy or full may pass, a broken contract will not."""


class WarehouseError(Exception):
    """Base of all errors that cross the boundary of `warehouse`."""


class TransientWarehouseError(WarehouseError):
    """It may work later, unchanged."""


class TerminalWarehouseError(WarehouseError):
    """It fails the same way each time until somebody changes something."""


class WarehouseBusy(TransientWarehouseError):
    """Another process holds the database for writing."""


class StorageFull(TransientWarehouseError):
    """The disk has no room; what was already committed stays."""


class WarehouseDamaged(TerminalWarehouseError):
    """The writer's file is gone or cannot be read; it can be made again from raw history."""


class ContractViolation(TerminalWarehouseError):
    """A table, file or model is not what its contract says."""


class LandingFileRejected(TerminalWarehouseError):
    """A landing file cannot be read or does not fit its table."""


class NotPublished(TerminalWarehouseError):
    """There is no published file yet."""


class PublishedFileDamaged(TerminalWarehouseError):
    """The published file cannot be read; publishing makes it anew."""


class QueryFailed(TerminalWarehouseError):
    """A reader's SQL could not be run."""


class QueryOverLimit(QueryFailed):
    """A reader's statement needs more memory or time than it may use."""
