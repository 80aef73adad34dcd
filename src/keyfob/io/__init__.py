"""What every room shares of the world: one way to send a request. Used by the rooms' own io/, and by doors."""
