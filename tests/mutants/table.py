"""The table of mutants: what `make mutants` does to the code, and which tests must notice."""

from tests.mutants.change import Mutant

OPTIMISATION = "tests/train/test_optimisation.py"
OBJECTIVE = "tests/models/ksdiff/test_objective.py"
DROPOUT = "tests/models/ksdiff/test_dropout.py"
EQUATIONS = "tests/models/ksdiff/test_equations.py"
SAMPLING = "tests/models/ksdiff/test_sampling.py"
MEASURES = "tests/evaluate/test_measures.py"
BLINKS = "tests/evaluate/test_blinks.py"
REGIONS = "tests/data/regions/test_select.py"
DISENTTALK = "tests/models/disenttalk"
SYNC_NETWORK = "tests/models/sync/test_network.py"
SYNC_TRAINING = "tests/models/sync/test_training.py"
SYNC_EXPERT = "tests/models/sync/test_expert.py"


def _mutant(name: str, place: str, *edits: tuple[str, str], tests: tuple[str, ...] | str) -> Mutant:
    return Mutant(name, place, edits, (tests,) if isinstance(tests, str) else tests)


MUTANTS = (
    _mutant(
        "gradients-not-clipped",
        "make_optimizer",
        ("optax.clip_by_global_norm(config.clip_norm)", "optax.identity()"),
        tests=OPTIMISATION,
    ),
    _mutant(
        "average-ignores-its-decay",
        "update_average",
        ("jnp.minimum(decay, (1.0 + step) / (10.0 + step))", "(1.0 + step) / (10.0 + step)"),
        tests=OPTIMISATION,
    ),
    _mutant(
        "step-ignores-the-configured-decay",
        "make_train_step",
        ("config.train.ema_decay", "0.999"),
        tests=OPTIMISATION,
    ),
    _mutant(
        "no-warm-up",
        "learning_rate_at",
        ("jnp.where(step < config.warmup_steps, warm, after)", "jnp.asarray(after)"),
        tests=OPTIMISATION,
    ),
    _mutant(
        "networks-train-without-dropout",
        "training_terms",
        ("{'deterministic': not train, 'rngs': rngs}", "{'deterministic': True, 'rngs': rngs}"),
        tests=OBJECTIVE,
    ),
    _mutant(
        "networks-share-their-dropout",
        "training_terms",
        ("f'dropout {name}'", "'dropout'"),
        tests=OBJECTIVE,
    ),
    _mutant(
        "no-dropout-in-decoder-layers",
        "DecoderLayer.setup",
        ("nn.Dropout(config.dropout)", "nn.Dropout(0.0)"),
        tests=DROPOUT,
    ),
    _mutant(
        "no-dropout-in-the-dilated-convolution",
        "MultiScaleDilatedConvolution.__call__",
        ("nn.Dropout(self.config.dropout)", "nn.Dropout(0.0)"),
        tests=DROPOUT,
    ),
    _mutant(
        "no-dropout-in-the-scales-of-speech",
        "ScaleBranch.__call__",
        ("nn.Dropout(config.dropout)", "nn.Dropout(0.0)"),
        tests=DROPOUT,
    ),
    _mutant(
        "keyframes-not-jittered",
        "shown_keyframes",
        ("config.jitter_probability / 2", "0.0"),
        tests=OBJECTIVE,
    ),
    _mutant(
        "keyframes-not-hidden",
        "shown_keyframes",
        ("config.drop_probability", "0.0"),
        tests=OBJECTIVE,
    ),
    _mutant(
        "training-shows-the-true-keyframes",
        "_keyframe_terms",
        (
            "shown_keyframes(target, track_keys, config=settings)",
            "target.astype(jnp.int32)",
        ),
        tests=OBJECTIVE,
    ),
    _mutant(
        "conditions-never-dropped",
        "training_terms",
        ("model.diffusion.condition_drop_probability", "0.0"),
        tests=OBJECTIVE,
    ),
    _mutant(
        "transcript-never-dropped",
        "training_terms",
        ("model.transcript.drop_probability", "0.0"),
        tests=OBJECTIVE,
    ),
    _mutant(
        "transcript-kept-where-all-conditions-go",
        "training_terms",
        (
            'dropped | drawn_flags(keys, "drop transcript", share)',
            'drawn_flags(keys, "drop transcript", share)',
        ),
        tests=OBJECTIVE,
    ),
    _mutant(
        "no-velocity-term",
        "_path_terms",
        ("loss.diffusion * loss.velocity", "0.0"),
        tests=OBJECTIVE,
    ),
    _mutant("no-spectral-term", "_path_terms", ("loss.spectral", "0.0"), tests=OBJECTIVE),
    _mutant(
        "weights-of-keyframes-swapped",
        "_keyframe_terms",
        ("settings.positive_weight", "settings.negative_weight"),
        ("settings.negative_weight", "settings.positive_weight"),
        tests=OBJECTIVE,
    ),
    _mutant(
        "the-predictor-is-given-the-current-bit",
        "_keyframe_terms",
        ("shifted_bits(target)", "target.astype(jnp.int32)"),
        tests=OBJECTIVE,
    ),
    _mutant(
        "the-predictor-attends-to-the-next-bit",
        "KeyframePredictor.__call__",
        ("behind >= 0", "behind >= -1"),
        tests=EQUATIONS,
    ),
    _mutant(
        "fine-head-scale-asks-plain-speech",
        "SpeechPaths.__call__",
        (
            "branch('fine', paths.fine_window_s, paths.head_stride, hidden, modulated)",
            "branch('fine', paths.fine_window_s, paths.head_stride, hidden, hidden)",
        ),
        tests=EQUATIONS,
    ),
    _mutant(
        "coarse-head-scale-asks-modulated-speech",
        "SpeechPaths.__call__",
        (
            "branch('coarse', paths.coarse_window_s, paths.head_stride, hidden, hidden)",
            "branch('coarse', paths.coarse_window_s, paths.head_stride, hidden, modulated)",
        ),
        tests=EQUATIONS,
    ),
    _mutant(
        "expression-scale-asks-plain-speech",
        "SpeechPaths.__call__",
        (
            "branch('expression', paths.expression_window_s, paths.expression_stride, modulated, "
            "modulated)",
            "branch('expression', paths.expression_window_s, paths.expression_stride, modulated, "
            "hidden)",
        ),
        tests=EQUATIONS,
    ),
    _mutant(
        "film-without-gamma",
        "SpeechPaths._film",
        ("(1 + scale) * hidden + shift", "hidden + shift"),
        tests=EQUATIONS,
    ),
    _mutant(
        "coarse-window-is-the-fine-one",
        "SpeechPaths.__call__",
        ("paths.coarse_window_s", "paths.fine_window_s"),
        tests=EQUATIONS,
    ),
    _mutant(
        "diffusion-step-ignored",
        "MotionGenerator._condition",
        (
            "sinusoid(step, width=self.config.width)",
            "sinusoid(jnp.zeros_like(step), width=self.config.width)",
        ),
        tests=EQUATIONS,
    ),
    _mutant(
        "alignment-window-one-wider",
        "GeneratorLayer.__call__",
        (
            "self.config.generator.alignment_frames",
            "self.config.generator.alignment_frames + 1",
        ),
        tests=EQUATIONS,
    ),
    _mutant(
        "self-attention-without-bias",
        "GeneratorLayer._bias",
        ("jnp.pad(bias, ((0, 0), (0, 0), (2, 0)))", "0 * jnp.pad(bias, ((0, 0), (0, 0), (2, 0)))"),
        tests=EQUATIONS,
    ),
    _mutant(
        "transcript-encoder-reads-padding",
        "TranscriptEncoder.__call__",
        ("mask[:, None, None, :]", "jnp.ones_like(mask)[:, None, None, :]"),
        tests=EQUATIONS,
    ),
    _mutant(
        "generator-reads-the-transcripts-padding",
        "GeneratorLayer._read",
        ("_after_condition(text_mask)", "_after_condition(jnp.ones_like(text_mask))"),
        tests=EQUATIONS,
    ),
    _mutant(
        "predictor-reads-the-transcripts-padding",
        "PredictorLayer.__call__",
        ("transcript_mask[:, None, None, :]", "jnp.ones_like(transcript_mask)[:, None, None, :]"),
        tests=EQUATIONS,
    ),
    _mutant(
        "motion-not-denormalised",
        "KSDiff.sample",
        ("self.space.denormalise(sample.motion)", "sample.motion"),
        tests=SAMPLING,
    ),
    _mutant(
        "keyframes-not-shown-at-inference",
        "prepared",
        ("found.astype(jnp.int32)", "jnp.zeros(found.shape, jnp.int32)"),
        tests=SAMPLING,
    ),
    _mutant(
        "lip-temperature-ignored",
        "initial_noise",
        ("noise.at[..., lips].multiply(options.lip_temperature)", "noise"),
        tests=SAMPLING,
    ),
    _mutant(
        "noise-ignores-the-first-frame",
        "initial_noise",
        (
            "frame_noise(streams(keys, 'noise'), first, frames, (MOTION_DIMS,))",
            "frame_noise(streams(keys, 'noise'), 0 * first, frames, (MOTION_DIMS,))",
        ),
        tests=SAMPLING,
    ),
    _mutant(
        "guidance-ignored",
        "guide",
        ("scale * (conditional - unconditional)", "conditional - unconditional"),
        tests=SAMPLING,
    ),
    _mutant(
        "beats-averaged-over-the-heads",
        "beat_align",
        (
            "np.min(np.abs(audio_frames[:, None] - kinematic_frames[None, :]), axis=1)",
            "np.min(np.abs(audio_frames[:, None] - kinematic_frames[None, :]), axis=0)",
        ),
        tests=MEASURES,
    ),
    _mutant(
        "sign-of-the-dynamics-deviation",
        "dynamics_deviation",
        (
            "np.mean(true_m2) - np.mean(predicted_m2)",
            "np.mean(predicted_m2) - np.mean(true_m2)",
        ),
        tests=MEASURES,
    ),
    _mutant(
        "blinks-at-a-fifth-of-the-gap",
        "blink_runs",
        ("BLINK_BELOW * np.median(gaps, axis=0)", "0.2 * np.median(gaps, axis=0)"),
        tests=BLINKS,
    ),
    _mutant(
        "blinks-of-one-frame",
        "blink_runs",
        ("runs[:, 1] - runs[:, 0] >= SHORTEST_FRAMES", "runs[:, 1] - runs[:, 0] >= 1"),
        tests=BLINKS,
    ),
    _mutant(
        "blinks-of-one-eye",
        "blink_runs",
        (
            "(gaps < BLINK_BELOW * np.median(gaps, axis=0)).all(axis=1)",
            "(gaps < BLINK_BELOW * np.median(gaps, axis=0)).any(axis=1)",
        ),
        tests=BLINKS,
    ),
    _mutant(
        "lids-fall-past-each-other-open",
        "lid_gaps",
        ("heights[..., 0] - heights[..., 1]", "np.abs(heights[..., 0] - heights[..., 1])"),
        tests=BLINKS,
    ),
    _mutant(
        "contested-dimensions-go-to-the-lips",
        "choose_dimensions",
        ("sorted(candidates)", "sorted(candidates, key=lambda c: (c[1], c[0], c[2]))"),
        tests=REGIONS,
    ),
    _mutant(
        "equal-ratios-go-to-the-eyes",
        "choose_dimensions",
        ("(-float(ratio), order, number, region)", "(-float(ratio), -order, number, region)"),
        tests=REGIONS,
    ),
    _mutant(
        "still-dimensions-fill-a-region",
        "choose_dimensions",
        ("ratio >= STILL_RATIO", "ratio >= 0"),
        tests=REGIONS,
    ),
    _mutant(
        "ratios-not-over-the-deviation",
        "region_ratios",
        ("np.maximum(std, STD_FLOOR)", "np.ones_like(std)"),
        tests=REGIONS,
    ),
    _mutant(
        "regions-in-another-order",
        "region_numbers",
        ("{'eye': config.eye, LIP: config.lip}", "{LIP: config.lip, 'eye': config.eye}"),
        tests=f"{DISENTTALK}/test_regions.py",
    ),
    _mutant(
        "regions-not-put-back-in-place",
        "Latent.decode",
        ("np.argsort(places)", "places"),
        tests=f"{DISENTTALK}/test_regions.py",
    ),
    _mutant(
        "region-attention-sees-padding",
        "RegionAttention.__call__",
        ("mask[:, None, None]", "None"),
        tests=f"{DISENTTALK}/test_equations.py",
    ),
    _mutant(
        "temporal-convolutions-of-one-scale",
        "TemporalConvolutions.__call__",
        (
            "DepthwiseConvolution(self.config.temporal_kernel, dilation, dtype=self.dtype, "
            "name=f'dilation_{dilation}')",
            "DepthwiseConvolution(self.config.temporal_kernel, 1, dtype=self.dtype, "
            "name=f'dilation_{dilation}')",
        ),
        tests=f"{DISENTTALK}/test_equations.py",
    ),
    _mutant(
        "diffusion-step-does-not-scale",
        "LocalBlock.__call__",
        ("(1 + scale) * final + shift", "final + shift"),
        tests=f"{DISENTTALK}/test_equations.py",
    ),
    _mutant(
        "motion-sees-the-speech-to-come",
        "LocalBlock.__call__",
        ("frame[:, None] >= frame", "frame[:, None] >= 0 * frame"),
        tests=f"{DISENTTALK}/test_system.py",
    ),
    _mutant(
        "clean-signal-of-unscaled-noise",
        "implied_clean",
        ("jnp.sqrt(1 - alpha_bar) * noise", "noise"),
        tests=f"{DISENTTALK}/test_objective.py",
    ),
    _mutant(
        "lip-sync-judged-at-all-noise-alike",
        "training_terms",
        (
            "config.loss.sync * alpha_bar * sync_loss(batch.speech, motion)",
            "config.loss.sync * sync_loss(batch.speech, motion)",
        ),
        tests=f"{DISENTTALK}/test_objective.py",
    ),
    _mutant(
        "noise-trains-the-autoencoder",
        "training_terms",
        ("jax.lax.stop_gradient(code)", "code"),
        tests=f"{DISENTTALK}/test_objective.py",
    ),
    _mutant(
        "cosine-of-vectors-of-any-length",
        "cosines",
        ("_unit(speech) * _unit(motion)", "speech * motion"),
        tests=SYNC_NETWORK,
    ),
    _mutant(
        "probability-of-the-opposite",
        "probability",
        ("0.5 + (0.5 - MARGIN) * cosine", "0.5 - (0.5 - MARGIN) * cosine"),
        tests=SYNC_TRAINING,
    ),
    _mutant(
        "later-partners-too-near",
        "numbered_partner",
        ("window + shift + number - before", "window + shift + number - before - 1"),
        tests=SYNC_TRAINING,
    ),
    _mutant(
        "earlier-partners-too-near",
        "numbered_partner",
        ("window - shift - number", "window - shift - number + 1"),
        tests=SYNC_TRAINING,
    ),
    _mutant(
        "shifted-pairs-are-true-ones",
        "training_terms",
        ("rows(motion, partner)", "rows(motion, window)"),
        tests=SYNC_TRAINING,
    ),
    _mutant(
        "lip-sync-loss-trains-its-expert",
        "sync_loss",
        ("jax.lax.stop_gradient((params, speech))", "(params, speech)"),
        tests=SYNC_EXPERT,
    ),
)
