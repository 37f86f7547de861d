"""What followed accounts show: leverage they use, and how long positions last and stay in place.

Belongs here: the form of the log of changes (``changes``), maps of measured positions
(``measured_map``), leverage and its shares (``leverage``), how long positions last by leverage
(``half_lives``), what becomes of a map's positions within hours (``outcomes``, ``survival``), and
intervals by resampling accounts (``account_draws``). Does not belong here: requesting states of
accounts and storing changes (``sources``, ``jobs``).

Three things make the log different from a list of lives, and each is handled in one place. A
position found at the first state of its account began earlier, nobody knows when: it counts as
standing, never as fresh, and is followed from then on (left truncation). A change lies between two
states, which can be hours apart (interval censoring). A position that was opened and closed between
two states was never seen (``half_lives.fresh_shares``).
"""
