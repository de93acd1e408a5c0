"""Actors: what the agents of the Faust app call; they know nothing of Faust."""
