"""The docks: the only package that knows napari and Qt, one widget a file."""
