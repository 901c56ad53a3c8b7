"""Segment cell nuclei, correct the masks by hand, and fine-tune the network on them.

The rooms of the package, from the bottom up; a room imports only rooms below it or beside
it in its group. `pyproject.toml` has the exact order, and a test keeps it.

========== =====================================================================
base       config (every parameter, once), errors, progress, time_left; cgroup, _cv2, _ort
writing    atomic, folder_swap, json_files: whole or not at all
files      decoders, images, spans, numbering; label_files, mask_files, mask_png
saving     state, storage, recovery, lock: what is written, so that nothing is lost;
           prediction_notes: what tells a prediction from a drawing
samples    sample: what one is; folder_entries, pairing, layouts, sample_search: which files
           belong together, and where; dataset, sample_table, annotations, merging: samples
           and their nuclei; fields, truth; archive, fetch; synthetic (made images)
work       sample_files, sample_saving, draft, bring_back: a sample open for correction
labels     labels (from maps), flooding, shapes, diameter; regions, likelihood,
           region_merging, confidence: which regions are one nucleus, or none;
           edits, grow, cuts (corrections); doubts
scores     matching, metrics, error_map, overlay
models     models, model_check, onnx_check, weights_file, self_test; device:
           folders of models, from strangers too, and what they run on
maps       predictor, runner, tiles: maps of an image of any size
nn         networks, training, export: the only package that knows Keras
jobs       predicting and evaluating as generators of progress; drawn_errors: evaluating
           that also draws; prediction_files; scripting: an array in one call
training   training_packages, presets, free_memory; splits, learned, encoders, examples:
           what is learned from; run_folder, run_request, run_checks, run_description,
           run_record: a run on the disk; trained_model; train_job, recipe_job, h5_job;
           runs, comparison
info       versions, devices and folders
engine     engine, engine_jobs, engine_process, engine_child, engine_wire:
           the child process for jobs that need Keras
session    session, kept_maps, listing, segmenting: what the open docks share
_qt        the docks: the only package that knows Qt and napari
cli        __main__, cli, cli_*: the command line, a file a command
========== =====================================================================
"""

__version__ = "0.1.0"
