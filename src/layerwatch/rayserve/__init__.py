"""Layerwatch on Ray Serve: the API and the detector as deployments that scale apart. Needs `layerwatch[ray]`.

    ray start --head
    serve run layerwatch.rayserve:application

`deploy/ray/serve.yaml` is the same with everything that one may want to set; docs/operations.md tells more.
Nothing outside this package imports Ray.
"""

from layerwatch.rayserve.application import application

__all__ = ["application"]
