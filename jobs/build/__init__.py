"""From bars in the warehouse to maps, books and states, asset by asset."""
