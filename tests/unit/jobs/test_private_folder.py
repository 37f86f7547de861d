from jobs.private_folder import sole_holder


def test_a_lock_has_one_holder_at_a_time(tmp_path):
    with sole_holder(tmp_path, "one.lock") as first:
        assert first
        with (
            sole_holder(tmp_path, "one.lock") as second,
            sole_holder(tmp_path, "other.lock") as own,
        ):
            assert not second
            assert own
    with sole_holder(tmp_path, "one.lock") as third:
        assert third
