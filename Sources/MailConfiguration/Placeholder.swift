// Placeholder of a room not yet furnished.
