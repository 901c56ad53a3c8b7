"""The three networks, by name.

All take ``(N, H, W, 3)`` float32 in [-1, 1] with H and W multiples of 32, and give
logits. The architecture is always built from this module, never read from a file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import keras
from keras import layers

from napari_nucleiseg.nn.norm import FusedBatchNormalization

_SKIPS = (
    "block_1_expand_relu",  # 1/2 of the input's height and width
    "block_3_expand_relu",  # 1/4
    "block_6_expand_relu",  # 1/8
    "block_13_expand_relu",  # 1/16
)
_BOTTOM = "block_16_project"  # 1/32
_MOMENTUM = 0.97
_NUCLEI_WIDTHS = (48, 64, 96, 128)
_CLASSIC_WIDTHS = (64, 128, 256, 512)
_UNET_WIDTHS = (16, 32, 64, 128, 256)


def build_network(name: str, encoder_weights: str | None = None) -> keras.Model:
    """Build an untrained network.

    Parameters
    ----------
    name : {'nuclei', 'mobilenetv2-unet', 'unet'}
        The architecture.
    encoder_weights : str, optional
        ``'imagenet'`` (downloaded by Keras) or the path of a weights file of
        ``keras.applications.MobileNetV2`` without its top. Random when None.

    Returns
    -------
    keras.Model
        ``nuclei`` gives three logits a pixel (foreground, distance, border), the other
        two give two (background, nucleus).

    Raises
    ------
    ValueError
        If the name is not one of the three.
    """
    if name not in _BUILDERS:
        raise ValueError(f"Network {name!r} is unknown; expected one of {', '.join(_BUILDERS)}.")
    return _BUILDERS[name](encoder_weights)


def encoder_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """List the layers of a network that belong to its MobileNetV2 encoder."""
    return [each for each in model.layers if not each.name.startswith(("decoder_", "head_"))]


def freeze_encoder(model: keras.Model) -> None:
    """Keep the encoder's weights, its BatchNorm statistics included, as they are."""
    for each in encoder_layers(model):
        each.trainable = False


def freeze_norm(model: keras.Model, known: Collection[str]) -> None:
    """Keep those BatchNorm layers as they are, statistics included, whose weights are known.

    Parameters
    ----------
    model : keras.Model
    known : collection of str
        Paths of the weights that were trained. A layer that was not has learned nothing yet
        that could be kept.
    """
    for each in model.layers:
        if isinstance(each, layers.BatchNormalization):
            each.trainable = not {weight.path for weight in each.weights} <= set(known)


def _encoder(weights: str | None) -> tuple[keras.KerasTensor, list[keras.KerasTensor]]:
    """Return the input and the five stages of MobileNetV2, the finest first.

    Sandler et al. 2018, MobileNetV2: inverted residuals and linear bottlenecks.
    """
    whole = keras.applications.MobileNetV2(
        input_shape=(None, None, 3), include_top=False, weights=weights
    )
    fused = keras.models.clone_model(whole, clone_function=_with_fused_norm)
    fused.set_weights(whole.get_weights())
    return fused.input, [fused.get_layer(name).output for name in (*_SKIPS, _BOTTOM)]


def _with_fused_norm(layer: keras.layers.Layer) -> keras.layers.Layer:
    config = layer.get_config()
    if isinstance(layer, layers.BatchNormalization):
        # Keras' .999 suits ImageNet's hundreds of thousands of steps, not thousands.
        return FusedBatchNormalization.from_config({**config, "momentum": _MOMENTUM})
    return layer.__class__.from_config(config)


def _project(
    x: keras.KerasTensor, width: int, name: str, kernel: int = 1, strides: int = 1
) -> keras.KerasTensor:
    return layers.Conv2D(
        width, kernel, strides, padding="same", use_bias=False, name=f"{name}_conv"
    )(x)


def _conv(x: keras.KerasTensor, width: int, kernel: int, name: str) -> keras.KerasTensor:
    return _norm(_project(x, width, name, kernel), name)


def _separable(x: keras.KerasTensor, width: int, name: str) -> keras.KerasTensor:
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    return _conv(x, width, 1, name)


def _norm(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    x = FusedBatchNormalization(momentum=_MOMENTUM, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _build_nuclei(weights: str | None) -> keras.Model:
    """Slim separable decoder with full-resolution detail and three maps.

    Each level adds 1 x 1 convolutions of what comes from below and of the skip, which
    is one 1 x 1 convolution of both concatenated, but runs at the lower resolution and
    copies nothing.
    """
    image, (*skips, x) = _encoder(weights)
    for level in (4, 3, 2, 1):
        width, name = _NUCLEI_WIDTHS[level - 1], f"decoder_{level}"
        below = _project(x, width, f"{name}_below")
        below = layers.UpSampling2D(interpolation="nearest", name=f"{name}_up")(below)
        parts = [below, _project(skips[level - 1], width, f"{name}_skip")]
        if level == 1:
            # A learned space-to-depth: borders are decided from the pixels themselves.
            parts.append(_project(image, width, f"{name}_detail", kernel=4, strides=2))
        x = _norm(layers.Add(name=f"{name}_add")(parts), name)
        x = _separable(x, width, f"{name}_a")
        x = _separable(x, width, f"{name}_b")
    # Stride 2 with kernel 4 is a convolution at half resolution whose 12 channels go
    # depth-to-space, with overlap.
    x = layers.Conv2DTranspose(3, 4, strides=2, padding="same", name="head_maps")(x)
    return keras.Model(image, x, name="nuclei")


def _build_classic(weights: str | None) -> keras.Model:
    """U-Net on a MobileNetV2 encoder, as in TensorFlow's segmentation tutorial."""
    image, (*skips, x) = _encoder(weights)
    for level in (4, 3, 2, 1):
        name = f"decoder_{level}"
        x = layers.Conv2DTranspose(
            _CLASSIC_WIDTHS[level - 1], 3, 2, padding="same", use_bias=False, name=f"{name}_up"
        )(x)
        x = FusedBatchNormalization(name=f"{name}_bn")(x)
        x = layers.ReLU(name=f"{name}_relu")(x)
        x = layers.Concatenate(name=f"{name}_concat")([x, skips[level - 1]])
    x = layers.Conv2DTranspose(2, 3, 2, padding="same", name="head_logits")(x)
    return keras.Model(image, x, name="mobilenetv2-unet")


def _build_unet(weights: str | None) -> keras.Model:
    """Plain U-Net from scratch: Ronneberger et al. 2015, at a quarter of the widths."""
    if weights is not None:
        raise ValueError("The plain unet has no encoder weights to start from.")
    image = x = keras.Input((None, None, 3), name="image")
    skips = []
    for level, width in enumerate(_UNET_WIDTHS[:-1], start=1):
        x = _double(x, width, f"decoder_down_{level}")
        skips.append(x)
        x = layers.MaxPooling2D(name=f"decoder_down_{level}_pool")(x)
    x = _double(x, _UNET_WIDTHS[-1], "decoder_bottom")
    for level in (4, 3, 2, 1):
        width, name = _UNET_WIDTHS[level - 1], f"decoder_up_{level}"
        x = layers.Conv2DTranspose(width, 2, 2, padding="same", name=f"{name}_up")(x)
        x = layers.Concatenate(name=f"{name}_concat")([x, skips[level - 1]])
        x = _double(x, width, name)
    x = layers.Conv2D(2, 1, name="head_logits")(x)
    return keras.Model(image, x, name="unet")


def _double(x: keras.KerasTensor, width: int, name: str) -> keras.KerasTensor:
    return _conv(_conv(x, width, 3, f"{name}_a"), width, 3, f"{name}_b")


_BUILDERS: dict[str, Callable[[str | None], keras.Model]] = {
    "nuclei": _build_nuclei,
    "mobilenetv2-unet": _build_classic,
    "unet": _build_unet,
}
