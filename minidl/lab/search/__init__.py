"""A small architecture search on the digits: a controller that learns by REINFORCE, and random search beside it."""
