"""Red team: attacks in Korean and English, in many disguises, and how often they get through."""
