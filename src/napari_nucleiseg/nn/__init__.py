"""Networks, targets, augmentation, training and export.

The only package that imports Keras, and no other module imports it at start: import it
inside a job, or in the child process.
"""
