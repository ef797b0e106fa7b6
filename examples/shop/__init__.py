"""A small shop: it enqueues orders, charges each one once and packs it."""
