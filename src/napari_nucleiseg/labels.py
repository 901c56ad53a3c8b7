"""Maps to labels."""

from __future__ import annotations

import math

import numpy as np

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.confidence import confidence
from napari_nucleiseg.config import DecodeConfig
from napari_nucleiseg.cuts import Cuts
from napari_nucleiseg.flooding import flood
from napari_nucleiseg.region_merging import merge_regions
from napari_nucleiseg.regions import measure_contacts, measure_regions
from napari_nucleiseg.spans import band_height, bands, find_runs, look_up

LEVELS = tuple(range(26, 230, 26))
"""Depths, in steps of a tenth, at which a nucleus may fall apart into several."""

_MIN_SEED = 5  # px²: a smaller peak is noise
# What is smaller than this [px²], and than this share of a typical nucleus, is a speck.
_SPECK_AREA, _SPECK_SHARE = 20, 0.15
_ENOUGH = 8  # objects that tell what is typical
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def labels_from_maps(
    maps: np.ndarray, config: DecodeConfig, cuts: Cuts | None = None
) -> np.ndarray:
    """Separate touching nuclei by a watershed from peaks of the distance; judge what comes of it.

    A peak seeds a nucleus when it rises above its surroundings by `config.distance`, as
    the h-maxima of mathematical morphology do (Soille 2003, Morphological Image
    Analysis, ch. 6), whatever its absolute height. A foreground component with one seed
    or none is one nucleus as it stands; only components with several seeds go through
    the watershed, each by itself. That takes a fraction of the time of one watershed over
    the image, and the labels are the same but for single pixels where two seeds tie.

    Then parts of one nucleus are merged (`merge_regions`), and what is hardly a nucleus is
    dropped (`confidence`), as far as `config` asks for it.

    Parameters
    ----------
    maps : (H, W, 3) uint8 or float32
        Foreground, normalised inner distance and border between touching nuclei;
        0 to 255 when uint8, else in [0, 1].
    config : DecodeConfig
        All of it. Parts below `min_area`, or specks, are dropped before others are merged.
    cuts : Cuts, optional
        Given again with the same maps, it saves some of the work; the labels are the same.

    Returns
    -------
    (H, W) int32
        Nucleus ids 1..n in scan order; 0 is background. All zero when nothing passes.

    Raises
    ------
    ValueError
        If `maps` is not (H, W, 3).
    """
    if maps.ndim != 3 or maps.shape[2] != 3:
        raise ValueError(f"Maps are {maps.shape}; expected (H, W, 3).")
    maps = byte_maps(maps)
    # uint8 is compared with a whole number several times faster than with a float.
    foreground = cv2.extractChannel(maps, 0) > math.floor(config.foreground * 255)
    count, labels = cv2.connectedComponents(foreground.view(np.uint8), connectivity=4)
    del foreground
    _part_components(labels, count, maps, config, Cuts() if cuts is None else cuts)
    _tidy(labels, config.min_area)
    _judge(labels, maps, config)
    return np.asarray(labels)


def unit_maps(maps: np.ndarray) -> np.ndarray:
    """Give maps, uint8 or float32 of any shape, as float32 in [0, 1]."""
    return maps.astype(np.float32) / np.float32(255 if maps.dtype == np.uint8 else 1)


def byte_maps(maps: np.ndarray) -> np.ndarray:
    """Give maps, uint8 or float32 in [0, 1] of any shape, as uint8."""
    return maps if maps.dtype == np.uint8 else np.round(maps * 255).astype(np.uint8)


# --- parting


def _part_components(
    labels: np.ndarray, count: int, maps: np.ndarray, config: DecodeConfig, cuts: Cuts
) -> None:
    """Give each nucleus of a component with several seeds a label of its own, in place.

    Components are taken band by band, which bounds the memory for large images. `labels`
    are the components, (H, W) int32, numbered below `count`; `maps` are (H, W, 3) uint8.
    """
    band = band_height(labels.shape[1])
    if band >= len(labels):
        # Taken whole, its cuts fit the next time too.
        _part_window(labels, np.arange(count) > 0, maps, config, count, cuts)
        return
    tops, bottoms = _rows(labels, count)
    following = count
    for top in range(0, labels.shape[0], band):
        is_member = np.zeros(following, bool)
        is_member[1:count] = (tops[1:] >= top) & (tops[1:] < top + band)
        if is_member.any():
            window = slice(top, int(bottoms[is_member[:count]].max()) + 1)
            following += _part_window(
                labels[window], is_member, maps[window], config, following, cuts
            )


def _rows(labels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the first and the last row of each label; the background has none."""
    height, width = labels.shape
    tops, bottoms = np.full(count, height), np.zeros(count, np.int64)
    for first, band in bands(labels):
        starts, _ = find_runs(band)
        numbers, rows = band.ravel()[starts], (starts + first) // width
        bottoms[numbers] = rows
        # The last value that is written stays: here that of the first row.
        in_band = np.full(count, height)
        in_band[numbers[::-1]] = rows[::-1]
        np.minimum(tops, in_band, out=tops)
    return tops, bottoms


def _part_window(
    labels: np.ndarray,
    is_member: np.ndarray,
    maps: np.ndarray,
    config: DecodeConfig,
    following: int,
    cuts: Cuts,
) -> int:
    """Part components that lie in some rows, in place; gives how many numbers it took.

    `labels` (h, w) int32 and `maps` (h, w, 3) uint8 are of these rows; `is_member` (n,) bool
    tells by its label whether a component is to be parted; new labels begin at `following`.

    The flood starts from the rims of the seeds: their cores, which are most of a component,
    need not pass through its queue.
    """
    depth = _depth(labels, is_member, maps, config)
    seeds, owners = _peaks(depth, config.distance * 255, labels, cuts)
    is_crowded = np.bincount(owners, minlength=len(is_member)) > 1
    is_crowded[0] = False
    if is_crowded.any():
        cores = cv2.erode((seeds > 0).view(np.uint8), _CROSS, borderValue=0).view(bool)
        crowded = look_up(is_crowded, labels, np.empty(labels.shape, bool))
        heights = 255 - cv2.extractChannel(maps, 1)
        parts = flood(heights, seeds, crowded & ~cores, labels)
        np.copyto(parts, seeds, where=cores)
        np.add(parts, following, out=labels, where=crowded)
    return len(owners)


def _depth(
    labels: np.ndarray, is_member: np.ndarray, maps: np.ndarray, config: DecodeConfig
) -> np.ndarray:
    """Give the distance inside some components but for their borders; 0 elsewhere."""
    if is_member[1:].all():
        inner = labels > 0
    else:
        inner = look_up(is_member, labels, np.empty(labels.shape, bool))
    inner &= cv2.extractChannel(maps, 2) < math.ceil(config.border * 255)
    return np.asarray(cv2.extractChannel(maps, 1) * inner.view(np.uint8))


def _peaks(
    depth: np.ndarray, rise: float, labels: np.ndarray, cuts: Cuts
) -> tuple[np.ndarray, np.ndarray]:
    """Give numbers to the parts of an image that rise high enough above where they meet others.

    The image is cut at one level after the other. Where a part falls into two or more
    that still rise by `rise`, these take its place. The levels are a tenth apart, so up
    to a tenth more than `rise` may be needed.

    Returns
    -------
    peaks : (H, W) int32
        Numbers, some of them unused; 0 is no peak.
    owners : (n,) int32
        The label at each peak, by its number; 0 where the number is unused. A peak may
        reach over a corner into a second component: its last pixel counts.
    """
    owner = np.zeros(depth.size, np.int32)
    is_whole = np.zeros(1, bool)
    place = np.zeros(1, np.int64)
    cuts.take(depth)
    tops = _tops(depth, LEVELS[0] + rise)
    heights = depth.ravel()[tops]
    for level in LEVELS:
        tops, heights = (each[heights >= level + rise] for each in (tops, heights))
        if not len(tops):
            break
        cut = cuts.at(level)
        starts, lengths, parts = cut.starts, cut.lengths, cut.parts
        n_parts = len(cut.areas)
        rises = np.zeros(n_parts, bool)
        rises[cut.parts_at(tops)] = True
        rises &= cut.areas >= _MIN_SEED
        parent, last = np.zeros(n_parts, np.int32), np.zeros(n_parts, np.int64)
        parent[parts], last[parts] = owner[starts], starts
        falls_apart = np.bincount(parent[rises], minlength=len(is_whole)) > 1
        falls_apart[0] = level == LEVELS[0]  # in the beginning nothing has an owner
        new = np.flatnonzero(rises & falls_apart[parent])
        number = np.zeros(n_parts, np.int32)
        number[new] = np.arange(len(is_whole), len(is_whole) + len(new))
        _paint(owner, starts, lengths, number[parts])
        is_whole[falls_apart] = False
        is_whole = np.append(is_whole, np.ones(len(new), bool))
        place = np.append(place, last[new])
    numbers = np.where(is_whole, np.arange(len(is_whole), dtype=np.int32), 0)
    owners = np.where(is_whole, labels.ravel()[place], 0)
    peaks = owner.reshape(depth.shape)
    return look_up(numbers, peaks, out=peaks), owners


def _tops(depth: np.ndarray, least: float) -> np.ndarray:
    """Find the pixels that no neighbour exceeds: flat indices.

    The deepest pixel of any part, cut at any level, is among them.
    """
    highest = cv2.dilate(depth, np.ones((3, 3), np.uint8))
    return np.flatnonzero((depth == highest) & (depth >= math.ceil(least)))


def _paint(flat: np.ndarray, starts: np.ndarray, lengths: np.ndarray, values: np.ndarray) -> None:
    """Write a value to all pixels of each run, in place; 0 leaves them as they are."""
    chosen = values > 0
    starts, lengths, values = starts[chosen], lengths[chosen], values[chosen]
    before = np.cumsum(lengths) - lengths
    index = np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
    flat[index] = np.repeat(values, lengths)


# --- judging


def _judge(labels: np.ndarray, maps: np.ndarray, config: DecodeConfig) -> None:
    """Merge the parts of one nucleus and drop what is hardly one, in place.

    `labels` are numbered in scan order, before and after.
    """
    if config.merge == 1 and config.confidence == 0:
        return
    regions = measure_regions(labels, maps)
    if not regions.area.any():
        return
    table = np.arange(len(regions.area))
    if config.merge < 1:
        table = merge_regions(regions, measure_contacts(labels, maps), config.merge)
        regions = regions.merged(table)
    kept = (confidence(regions) >= config.confidence) & (regions.area > 0)
    # What is merged has the smallest of its labels, so the order stays.
    numbers = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    look_up(numbers[table], labels, out=labels)


# --- tidying


def _tidy(labels: np.ndarray, min_area: int) -> None:
    """Drop small nuclei and number the others in scan order, in place, band by band."""
    count = int(labels.max(initial=0)) + 1
    areas = np.zeros(count)
    first = np.full(count, labels.size, np.int64)
    for start, band in bands(labels):
        starts, lengths = find_runs(band)
        numbers = band.ravel()[starts]
        areas += np.bincount(numbers, lengths, minlength=count)
        found = np.full(count, labels.size, np.int64)
        found[numbers[::-1]] = starts[::-1] + start
        np.minimum(first, found, out=first)
    kept = np.flatnonzero(areas >= (min_area or _smallest(areas)))
    lookup = np.zeros(count, np.int32)
    lookup[kept[np.argsort(first[kept], kind="stable")]] = np.arange(1, len(kept) + 1)
    look_up(lookup, labels, out=labels)


def _smallest(areas: np.ndarray) -> float:
    """Estimate the area [px²] of the smallest nucleus from the (n,) areas of objects.

    Typical is the nucleus in which the median pixel lies: many specks hardly change it.
    """
    areas = np.sort(areas[areas >= _MIN_SEED])
    if len(areas) < _ENOUGH:
        return _SPECK_AREA
    pixels = np.cumsum(areas)
    typical = areas[np.searchsorted(pixels, pixels[-1] / 2)]
    return float(np.clip(_SPECK_SHARE * typical, _MIN_SEED, _SPECK_AREA))
