"""Slots of workers: as many shards as threads, and the newest caller first."""

from jobs.engines.worker_slots import WorkerSlots


def claimant(slots, caller, woken, count=1):
    def claim(number):
        return slots.claim(number, caller, count, lambda: woken.append(caller))

    return claim


def test_the_newest_caller_that_waits_goes_first_and_others_are_woken_after_it():
    slots, woken = WorkerSlots(), []
    older, newer = (claimant(slots, caller, woken) for caller in (1, 2))
    assert older(10)
    assert not newer(20)
    assert not older(11)
    slots.release(10)
    assert sorted(woken) == [1, 2]
    assert not older(11)
    assert newer(20)
    assert woken[-1] == 1
    slots.release(20)
    assert older(11)


def test_a_caller_that_leaves_lets_others_go_first():
    slots, woken = WorkerSlots(), []
    older, newer = (claimant(slots, caller, woken) for caller in (1, 2))
    assert older(10)
    assert not newer(20)
    assert not older(11)
    slots.leave(2)
    slots.leave(2)
    assert woken == [1]
    slots.release(10)
    assert older(11)


def test_a_cluster_that_grows_takes_more_at_once_and_a_slot_is_freed_once():
    slots, woken = WorkerSlots(), []
    assert claimant(slots, 1, woken)(10)
    assert not claimant(slots, 1, woken)(11)
    assert claimant(slots, 1, woken, count=2)(11)
    slots.release(10)
    slots.release(10)
    assert claimant(slots, 1, woken, count=2)(12)
    assert not claimant(slots, 1, woken, count=2)(13)
