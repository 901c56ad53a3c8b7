"""Segment cell nuclei, correct the masks by hand, and fine-tune the network on them.

The rooms of the package, from the bottom up; a room imports only rooms below it.

========== =====================================================================
config     every parameter, once
images     reading and normalising one image
metrics    how well labels agree
labels     maps to labels, labels to masks
edits      corrections: split, merge, grow, smooth; and the list of doubts
storage    what is written to disk, so that nothing is lost
dataset    samples of a folder, whatever its layout; splitting by field
fetch      downloading the public dataset
synthetic  made images that look like real ones
models     model folders; maps of an image of any size
nn         networks, training and export: the only package that knows Keras
jobs       long work as generators of progress: the one door to the work
engine     the child process for jobs that need Keras
session    what the open docks share
cli        the command line
_qt        the docks: the only package that knows Qt and napari
========== =====================================================================
"""

__version__ = "0.1.0"
