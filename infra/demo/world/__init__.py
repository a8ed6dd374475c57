"""The demo's world: what there is to see in a picture or a film, as plain data.

Every scene, series and film follows from one seed (see `seeds`); `vocabulary` has what
they are made of. Nothing here draws: that is `infra.demo.drawing`'s.
"""
