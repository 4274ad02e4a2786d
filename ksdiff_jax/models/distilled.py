"""The teacher of a distillation: a trained checkpoint of any system whose configuration has
`distill` (diffusion/distillation.py).

`with_distillation` writes the teacher into the configuration of a run: the student has the
teacher's network, speech encoder, motion statistics and options of inference, but one of the
numbers of steps that it learns and no guidance. Only its denoisers are trained; everything before
them keeps the teacher's weights. A checkpoint of the student is one of its system like any other.
"""

from collections.abc import Mapping
from dataclasses import replace

from ksdiff_jax.config import Config
from ksdiff_jax.diffusion.config import ABSORBED, TEACHER
from ksdiff_jax.errors import InputError
from ksdiff_jax.models.frozen import part
from ksdiff_jax.models.pretrained import Pretrained, embeds_encoder, read_pretrained
from ksdiff_jax.typing import PyTree

# First path elements of the parameters that are distilled, by system.
DENOISERS = {
    "ksdiff": "generators_",
    "disenttalk": "denoiser",
    "fd2talk_motion": "transformers_",
}


def with_distillation(config: Config) -> tuple[Config, PyTree]:
    """Return the configuration of a student with its teacher written into it, and the teacher's
    denoisers at their place in a tree of parameters; (config, {}) for a run without a teacher.

    Raise `InputError` if there is no such teacher, if it cannot be distilled, and for options that
    are the teacher's.
    """
    settings = getattr(config, "distill", None)
    if settings is None or not settings.teacher:
        return config, {}
    try:
        teacher = read_pretrained(settings.teacher)
    except InputError as error:
        raise InputError(f"distill.teacher: {error}") from error
    system = teacher.config.system
    if system not in DENOISERS:
        raise InputError(
            f"distill.teacher {settings.teacher}: of the system {system}; a system that can be "
            f"distilled is one of {', '.join(DENOISERS)}"
        )
    if teacher.config.distill.teacher:
        raise InputError(
            f"distill.teacher {settings.teacher}: is distilled itself; name its teacher, "
            f"{teacher.config.distill.teacher}"
        )
    if config.model != type(config.model)():
        raise InputError(
            "model: a student has the network of its teacher; leave the fields of model as they are"
        )
    teaching = denoisers(teacher.params, system)
    trained = part(teacher.params, teacher.config).trainable
    held = tuple(
        f"{name}/*" if isinstance(tree, Mapping) else name
        for name, tree in sorted(trained.items())
        if name not in teaching[TEACHER]
    )
    own = {name: getattr(settings, name) for name in _OWN_SETTINGS}
    sample = teacher.config.sample
    absorbed = {name: getattr(sample, name) for name in ABSORBED if hasattr(sample, name)}
    plain = {name: None if name == "head_guidance" else 1.0 for name in absorbed}
    plain |= {"causal_guidance": None} if hasattr(sample, "causal_guidance") else {}
    found = replace(
        teacher.config,
        name=config.name,
        model=_model(teacher, settings.teacher),
        data=replace(config.data, statistics="init"),
        train=replace(config.train, init_from=settings.teacher, freeze_patterns=held),
        mesh=config.mesh,
        distill=replace(teacher.config.distill, digest=teacher.digest, **own, **absorbed),
        sample=replace(
            sample, sampler="ddim", spacing="trailing", eta=0.0, steps=config.sample.steps, **plain
        ),
    )
    return found, teaching


def denoisers(params: PyTree, system: str) -> PyTree:
    """Return the denoisers in the parameters of a system, at the place of a teacher's."""
    begin = DENOISERS[system]
    return {TEACHER: {name: tree for name, tree in params.items() if name.startswith(begin)}}


_OWN_SETTINGS = (
    "teacher",
    "student_steps",
    "sampler",
    "spacing",
    "steps",
    "velocity",
    "spectral",
    "spectral_windows",
)


def _model(teacher: Pretrained, name: str):
    """Return the network's configuration; an encoder that the teacher's folder contains is named by
    that folder.
    """
    model = teacher.config.model
    encoder = getattr(model, "encoder", None)
    if encoder is None or encoder.kind != "pretrained" or not embeds_encoder(teacher):
        return model
    return replace(model, encoder=replace(encoder, path=name))
