"""The demo: a shop on three real workers, hurt while somebody watches.

`performance.demo` is all that others call. Who is who: `run` starts the shop and its `fleet` and takes it through the
`faults`; `scene` hears what happens and `story` folds it; `view` draws it; `judge` decides by the evidence alone.
"""
