"""The world that plans are replayed in: minutes, fleets, queues, pools that vanish."""
