"""A decoder-only Transformer, with a cache for decoding whose shapes never change."""

from __future__ import annotations

import functools
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from jaxkit.models._checks import as_tokens, check_dtype, check_key, check_size, wide
from jaxkit.models._weights import linear, normal
from jaxkit.models.attention import Attention, check_heads

__all__ = ["Block", "Cache", "Transformer"]

# Of all weights at the beginning, as in GPT.
_STD = 0.02


class Cache(eqx.Module):
    """What a Transformer keeps of the tokens so far. Its shapes do not depend on how many.

    Args:
        keys: f[depth, context, heads, size]; zeros from `position` on.
        values: f[depth, context, heads, size].
        position: i32[], how many tokens it holds.
        valid: bool[], False once a token was none of the vocabulary's, or one too many.
    """

    keys: Float[Array, "depth context heads size"]
    values: Float[Array, "depth context heads size"]
    position: Int[Array, ""]
    valid: Bool[Array, ""]


class Block(eqx.Module):
    """Attention and a perceptron, each added to what goes through, each after a norm.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> block = Block(8, heads=2, key=jax.random.key(0))
        >>> block(jnp.ones((5, 8))).shape
        (5, 8)

    Args:
        width: The size of a step.
        heads: As for `Attention`.
        key: For the weights, normal with a standard deviation of 0.02.
        residual_std: That of the two matrices whose result is added; 0.02 if None.
        dtype: Of the parameters; JAX's default if None.

    Raises:
        ValueError: A size or dtype that makes no sense.
        TypeError: `key` is no key.

    References:
        Xiong et al.: On layer normalization in the Transformer architecture, 2020,
        arXiv:2002.04745 (norms come first); Zhang, Sennrich: Root mean square layer normalization,
        2019, arXiv:1910.07467; Hendrycks, Gimpel: Gaussian error linear units, 2016,
        arXiv:1606.08415.
    """

    attention_norm: eqx.nn.RMSNorm
    attention: Attention
    mlp_norm: eqx.nn.RMSNorm
    up: eqx.nn.Linear
    down: eqx.nn.Linear

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        key: PRNGKeyArray,
        residual_std: float | None = None,
        dtype: Any = None,
    ) -> None:
        width, heads = check_heads(width, heads)
        dtype = check_dtype(dtype)
        last = _STD if residual_std is None else residual_std
        keys = jax.random.split(check_key(key), 3)
        self.attention_norm = eqx.nn.RMSNorm(width, use_bias=False, dtype=dtype)
        self.attention = Attention(
            width, heads, key=keys[0], std=_STD, output_std=last, dtype=dtype
        )
        self.mlp_norm = eqx.nn.RMSNorm(width, use_bias=False, dtype=dtype)
        self.up = linear(width, 4 * width, std=_STD, use_bias=False, dtype=dtype, key=keys[1])
        self.down = linear(4 * width, width, std=last, use_bias=False, dtype=dtype, key=keys[2])

    def __call__(self, x: Float[Array, "time width"]) -> Float[Array, "time width"]:
        """The whole of a sequence.

        Args:
            x: f[time, width].

        Returns:
            f[time, width]; row t depends on rows 0 to t.
        """
        x = x + self.attention(jax.vmap(self.attention_norm)(x))
        return self._perceive(x)

    def extend(
        self,
        x: Float[Array, "time width"],
        keys: Float[Array, "context heads size"],
        values: Float[Array, "context heads size"],
        position: Int[Array, ""],
    ) -> tuple[Float[Array, "time width"], tuple[Array, Array]]:
        """The next steps of a sequence, as `Attention.extend`.

        Args:
            x: f[time, width], the next steps.
            keys: f[context, heads, size].
            values: f[context, heads, size].
            position: i[], how many steps there were.

        Returns:
            f[time, width], and the new keys and values.
        """
        normed = jax.vmap(self.attention_norm)(x)
        mixed, keys, values = self.attention.extend(normed, keys, values, position)
        return self._perceive(x + mixed), (keys, values)

    def _perceive(self, x: Float[Array, "time width"]) -> Float[Array, "time width"]:
        hidden = jax.nn.gelu(jax.vmap(self.up)(jax.vmap(self.mlp_norm)(x)))
        return x + jax.vmap(self.down)(hidden)


class Transformer(eqx.Module):
    """A decoder-only Transformer: of each token's past, the logits of the token that comes next.

    Norms come first, positions are rotary, and the logits are products with the embedding itself.
    The blocks are one `Block` whose arrays have an axis more: they are gone through by
    `jax.lax.scan`, and compiled once, however many they are. The backward pass keeps the input of
    each block and computes the rest again, which takes less memory, and on a CPU less time.

    A token that is none of the vocabulary's is an error where its value is known. Where it is
    traced, its logits and those of all tokens after it are NaN, where JAX itself would take the
    nearest token and say nothing.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> model = Transformer(
        ...     vocabulary=11, width=16, depth=2, heads=2, context=8, key=jax.random.key(0)
        ... )
        >>> tokens = jnp.array([3, 1, 4, 1, 5])
        >>> model(tokens).shape
        (5, 11)
        >>> cache = model.empty_cache()
        >>> for token in tokens:
        ...     logits, cache = model.step(token, cache)
        >>> bool(jnp.allclose(logits, model(tokens)[-1], atol=1e-5))
        True

    Args:
        vocabulary: How many tokens there are.
        width: The size of what goes through.
        depth: How many blocks.
        heads: Heads of attention in each.
        context: The longest sequence.
        key: For the weights: normal with a standard deviation of 0.02; 0.02 / sqrt(2 * depth) in
            matrices whose result is added to what goes through. Norms begin at one. There are no
            biases.
        dtype: Of the parameters; JAX's default if None.

    Raises:
        ValueError: A size or dtype that makes no sense; `width` is not divisible by 2 * `heads`.
        TypeError: `key` is no key.

    References:
        Radford et al.: Improving language understanding by generative pre-training, 2018, section
        4.1 (0.02), and Language models are unsupervised multitask learners, 2019, section 2.3
        (norms first, residual weights by depth); Su et al.: RoFormer, 2021, arXiv:2104.09864;
        Press, Wolf: Using the output embedding to improve language models, 2017, arXiv:1608.05859.
    """

    embedding: eqx.nn.Embedding
    blocks: Block
    norm: eqx.nn.RMSNorm
    vocabulary: int = eqx.field(static=True)
    context: int = eqx.field(static=True)

    def __init__(
        self,
        vocabulary: int,
        width: int,
        depth: int,
        heads: int,
        context: int,
        *,
        key: PRNGKeyArray,
        dtype: Any = None,
    ) -> None:
        self.vocabulary = check_size("vocabulary", vocabulary)
        width, heads = check_heads(width, heads)
        depth = check_size("depth", depth)
        self.context = check_size("context", context)
        dtype = check_dtype(dtype)
        first, second = jax.random.split(check_key(key))
        table = normal(first, (self.vocabulary, width), _STD, dtype)
        self.embedding = eqx.nn.Embedding(weight=table)
        self.blocks = _blocks(second, depth, width, heads, dtype)
        self.norm = eqx.nn.RMSNorm(width, use_bias=False, dtype=dtype)

    def __call__(self, tokens: Int[Array, " time"]) -> Float[Array, "time vocabulary"]:
        """The logits of the token that comes after each.

        Args:
            tokens: i[time], of 1 to `context` tokens.

        Returns:
            f[time, vocabulary], in float32 or wider; row t depends on tokens 0 to t. What stands
            behind a sequence as padding changes no row before it.

        Raises:
            ValueError: Another shape, more tokens than `context`, or one that is none of the
                vocabulary's.
            TypeError: No integers.
        """
        tokens = as_tokens(tokens, self.vocabulary, most=self.context, name="tokens")
        x, known = self._embed(tokens)
        return self._read_out(_through(self.blocks, x), known)

    def empty_cache(self) -> Cache:
        """A cache without tokens.

        Returns:
            Its arrays take 2 * depth * context * width numbers in the dtype of the parameters.
        """
        depth, _, width = self.blocks.up.weight.shape
        heads = self.blocks.attention.heads
        shape = (depth, self.context, heads, width // heads)
        empty = jnp.zeros(shape, self.embedding.weight.dtype)
        return Cache(empty, empty, jnp.int32(0), jnp.array(True))

    def step(
        self, token: int | Int[Array, ""], cache: Cache
    ) -> tuple[Float[Array, " vocabulary"], Cache]:
        """The logits after one more token, at the cost of that token.

        Args:
            token: i[], the next token.
            cache: What is kept of those before it: `empty_cache()`, or what came with them.

        Returns:
            f[vocabulary], in float32 or wider, and a cache of the same shapes.

        Raises:
            ValueError: No single token, none of the vocabulary's, or the cache is full; where that
                is traced the logits are NaN.
            TypeError: No integer.
        """
        token = as_tokens(token, self.vocabulary, most=None, name="token")
        logits, cache = self.extend(token[None], cache)
        return logits[0], cache

    def extend(
        self, tokens: Int[Array, " time"], cache: Cache
    ) -> tuple[Float[Array, "time vocabulary"], Cache]:
        """The logits after each of some more tokens: a prompt in one go.

        Args:
            tokens: i[time], the next tokens.
            cache: What is kept of those before them.

        Returns:
            f[time, vocabulary], in float32 or wider, and a cache of the same shapes.

        Raises:
            ValueError: As `step` raises it.
            TypeError: No integers.
        """
        tokens = as_tokens(tokens, self.vocabulary, most=self.context, name="tokens")
        after = cache.position + tokens.shape[0]
        self._check_room(cache.position, tokens.shape[0])
        x, known = self._embed(tokens)
        known = known & cache.valid & (after <= self.context)
        x, (keys, values) = _through_with(self.blocks, cache, x)
        return self._read_out(x, known), Cache(keys, values, after, known[-1])

    def _embed(self, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The tokens' embeddings, and whether they and all before them are of the vocabulary."""
        unknown = (tokens < 0) | (tokens >= self.vocabulary)
        nearest = jnp.clip(tokens, 0, self.vocabulary - 1)
        return jnp.asarray(self.embedding.weight)[nearest], jnp.cumsum(unknown) == 0

    def _read_out(self, x: jax.Array, known: jax.Array) -> jax.Array:
        x, table = jax.vmap(self.norm)(x), self.embedding.weight
        dtype = wide(x.dtype)
        logits = jnp.einsum("tw,vw->tv", x, table, preferred_element_type=dtype)
        return jnp.where(known[:, None], logits, jnp.nan)

    def _check_room(self, position: jax.Array, more: int) -> None:
        if isinstance(position, Tracer) or int(position) + more <= self.context:
            return
        raise ValueError(
            f"the cache has room for context={self.context} tokens, got {more} more after "
            f"{int(position)}: begin again with empty_cache(), or make the model with a larger "
            "context"
        )


@functools.partial(jax.jit, static_argnums=(1, 2, 3, 4))  # one program, not one for each array
def _blocks(key: PRNGKeyArray, depth: int, width: int, heads: int, dtype: Any) -> Block:
    """Blocks whose arrays have a first axis of `depth`."""
    std = _STD / math.sqrt(2 * depth)
    make = functools.partial(Block, width, heads, residual_std=std, dtype=dtype)
    return eqx.filter_vmap(lambda key: make(key=key))(jax.random.split(key, depth))


# Jitted: outside of a jit, a scan over a new function is compiled for each call.


@jax.jit
def _through(blocks: Block, x: jax.Array) -> jax.Array:
    # The loop itself keeps XLA from sharing what is computed again (prevent_cse).
    through = jax.checkpoint(lambda x, block: (block(x), None), prevent_cse=False)
    return jax.lax.scan(through, x, blocks)[0]


@jax.jit
def _through_with(blocks: Block, cache: Cache, x: jax.Array) -> Any:
    def through(x: jax.Array, layer: tuple[Block, jax.Array, jax.Array]) -> Any:
        block, keys, values = layer
        return block.extend(x, keys, values, cache.position)

    return jax.lax.scan(through, x, (blocks, cache.keys, cache.values))
