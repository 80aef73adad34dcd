"""Where an API's guard touches the world: keys over the network, frameworks, the clock."""
