"""The generation of an assignment, which ends with the lease of the worker that holds it."""

from engine.nats.lease import Lease


class Tenure(int):
    """The number of a generation, as long as the lease lasts; then it equals nothing, not even itself.

    Faust compares the generation of a message with that of the app each time an agent takes one, and skips
    the message if they differ: so an agent takes nothing from the queue of a worker that woke up too late.
    """

    lease: Lease

    def __new__(cls, generation: int, lease: Lease) -> "Tenure":
        """The generation under the lease."""
        tenure = super().__new__(cls, generation)
        tenure.lease = lease
        return tenure

    def __eq__(self, other: object) -> bool:
        return self.lease.held and int(self) == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = int.__hash__
