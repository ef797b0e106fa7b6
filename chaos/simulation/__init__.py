"""The production code on one thread, under a seeded scheduler and virtual clocks."""
