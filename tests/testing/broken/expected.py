"""The law that each broken transform breaks; a second one where both blame it fairly."""

from __future__ import annotations

BREAKS: dict[str, tuple[str, ...]] = {
    # How it is called
    "convert_first_argument": ("args",),
    "bind_and_spread": ("args",),
    "log_arguments": ("args",),
    "skip_unset_keywords": ("args",),
    "keywords_to_positions": ("args",),
    "copy_name_by_hand": ("signature",),
    "wrap_without_trail": ("signature",),
    "name_the_scope": ("callables",),
    "read_annotations": ("callables",),
    "look_into_partials": ("callables",),
    "count_in_object": ("methods",),
    "partial_as_wrapper": ("methods",),
    # A `self` is one more argument that is no array.
    "save_memory": ("static", "methods"),
    "numbers_to_arrays": ("static",),
    "compile_once": ("static", "methods"),
    # What comes back
    "scale_loss": ("values",),
    "store_in_bfloat16": ("values",),
    "repair_nonfinite": ("values",),
    "average_of_one": ("values", "pytree"),
    "rebuild_tuples": ("pytree",),
    "drop_missing": ("pytree",),
    "arrays_only": ("pytree",),
    "rebuild_mappings": ("pytree",),
    "keep_dtype": ("dtype",),
    "cast_together": ("dtype",),
    "unit_weight": ("dtype",),
    "copy_by_adding_zero": ("dtype",),
    "narrow_doubles": ("dtype",),
    "gather_for_logging": ("sharding",),
    "through_host": ("sharding", "dtype"),
    # All devices are more than the mesh of a shard_map may have.
    "replicate_outputs": ("sharding", "shard_map"),
    "reuse_buffers": ("mutation",),
    "convert_in_place": ("mutation",),
    "freeze_inputs": ("mutation",),
    "fill_missing_inputs": ("mutation",),
    # Under JAX's transformations
    "log_mean": ("jit",),
    "time_calls": ("jit",),
    "ordered_log": ("vmap",),
    "normalise_on_host": ("vmap",),
    "floor_at_itself": ("grad",),
    "limit_norm": ("grad",),
    "amplify_half_gradients": ("grad",),
    "watch_gradients": ("grad",),
    "accumulate_once": ("shard_map",),
    "check_replicas": ("shard_map",),
    "interpret": ("scan",),
    "compile_each_call": ("retrace",),
    "compiled_postprocessing": ("retrace",),
    "pass_elapsed": ("retrace",),
    # What is left behind
    "dither": ("pure",),
    # It remembers, and so does not run.
    "memoise": ("pure", "once"),
    "normalise_by_size": ("pure",),
    "compile_by_name": ("isolation",),
    # What it shares between uses, it keeps on the user's function.
    "double_once": ("isolation", "mutation"),
    "check_shapes_first": ("once",),
    # The second run is one too many, and the first error is lost.
    "retry": ("once", "exceptions"),
    "probe_outputs": ("lazy",),
    "constant_early": ("lazy",),
    "precise": ("config",),
    "precise_then_default": ("config",),
    # Between threads, a configuration is left changed.
    "precise_everywhere": ("threads", "config"),
    "quiet": ("config",),
    "span": ("threads",),
    "count_depth": ("threads",),
    "explain_errors": ("exceptions",),
    "stopwatch": ("exceptions",),
    "keep_last": ("leak",),
    "keep_error": ("leak",),
    # What leaked is used by the next trace, which fails.
    "cached_temperature": ("leak", "jit"),
}
