"""Elementwise functions of one array in NumPy, shared by the unary operators and by fused activations.

Each keeps the dtype of a floating input.
"""

from __future__ import annotations

import math

import numpy as np

SELU_ALPHA = 1.67326319217681884765625
SELU_GAMMA = 1.05070102214813232421875


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, x.dtype.type(0))


def relu6(x: np.ndarray) -> np.ndarray:
    return clip(x, 0, 6)


def relu_n1_to_1(x: np.ndarray) -> np.ndarray:
    return clip(x, -1, 1)


def clip(x: np.ndarray, low: float | np.ndarray | None = None, high: float | np.ndarray | None = None) -> np.ndarray:
    """Minimum after maximum: where low > high, the result is high."""
    if low is not None:
        x = np.maximum(x, np.asarray(low, x.dtype))
    if high is not None:
        x = np.minimum(x, np.asarray(high, x.dtype))
    return x


def leaky_relu(x: np.ndarray, alpha: float = 0.01) -> np.ndarray:
    return np.where(x < 0, x * x.dtype.type(alpha), x)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def hard_sigmoid(x: np.ndarray, alpha: float = 0.2, beta: float = 0.5) -> np.ndarray:
    return clip(x * alpha + beta, 0, 1)


def hard_swish(x: np.ndarray) -> np.ndarray:
    return x * hard_sigmoid(x, 1 / 6, 0.5)


def silu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    return x * sigmoid(x * alpha)


def softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(x, x.dtype.type(0))


def softsign(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.abs(x))


def mish(x: np.ndarray) -> np.ndarray:
    return x * np.tanh(softplus(x))


def elu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    return np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x)


def selu(x: np.ndarray, alpha: float = SELU_ALPHA, gamma: float = SELU_GAMMA) -> np.ndarray:
    return gamma * elu(x, alpha)


def celu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    return np.maximum(x, 0) + np.minimum(0, alpha * np.expm1(np.minimum(x, 0) / alpha))


def thresholded_relu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    return np.where(x > alpha, x, x.dtype.type(0))


def erf(x: np.ndarray) -> np.ndarray:
    """Error function, evaluated in double precision."""
    flat = np.fromiter(map(math.erf, x.ravel().tolist()), np.float64, x.size)
    return flat.reshape(x.shape).astype(x.dtype)


def gelu(x: np.ndarray, tanh: bool = False) -> np.ndarray:
    """x * Phi(x), Phi exact or by the tanh approximation (Hendrycks and Gimpel, arXiv:1606.08415)."""
    if tanh:
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    return 0.5 * x * (1 + erf(x * x.dtype.type(math.sqrt(0.5))))


def reciprocal(x: np.ndarray) -> np.ndarray:
    return 1 / x
