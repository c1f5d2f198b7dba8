"""The language models that answers come from: names and kinds, never keys or addresses."""

from __future__ import annotations

from itertools import zip_longest

from fastapi import Request, Response

from serve.answers import ModelShown, ModelsShown
from serve.context import context_of
from serve.edge import Json, protected_router
from serve.openapi import gives

router = protected_router("models")

#: What answers when nothing else is configured: quotations of what memory holds.
EXTRACTIVE = "extractive"


@router.get(
    "/models",
    response_class=Json,
    summary="List the language models",
    responses={200: gives(ModelsShown, "As they are configured; the first is asked first.")},
)
async def list_models(request: Request) -> Response:
    """List the configured language models, the default first."""
    settings = context_of(request).settings
    names, kinds = settings.models, settings.model_kinds
    if not names:
        names, kinds = (EXTRACTIVE,), (EXTRACTIVE,)
    shown = tuple(
        ModelShown(name=name, kind=kind, default=name == names[0])
        for name, kind in zip_longest(names, kinds[: len(names)], fillvalue="")
    )
    return Json(ModelsShown(models=shown))
