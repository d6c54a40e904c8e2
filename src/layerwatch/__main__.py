"""`python -m layerwatch` is the `layerwatch` command."""

from layerwatch.cli import main

if __name__ == "__main__":
    main()
