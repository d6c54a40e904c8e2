"""Path-traced training pictures: the simulator's scenes rendered with Blender's Cycles.

The same seed gives the same print, printer, camera and failure as `layerwatch.simulator.still`; only the
rendering differs: beads are round, light bounces, shadows are soft. Run it with an interpreter that has `bpy`
(the `path-traced` extra of this package, Python 3.11) and both `src` folders on its path::

    python -m layerwatch_train.path_traced --out OUT --first 0 --count 5000

It can be stopped and started again: what is there already is not rendered twice. Blender is GPL: it is a tool
here that makes pictures, and no part of Layerwatch imports it.
"""
