"""The registry of workflows, and the options that functions pass on to an application."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path

import pytest

from spapi_async import Application, SellingPartner
from spapi_async._client.options import ApplicationOptions
from spapi_async._client.registry import WORKFLOWS
from spapi_async.api import NAMESPACES


@pytest.mark.parametrize("name", WORKFLOWS)
async def test_a_workflow_is_a_folder_and_a_line(name: str) -> None:
    """The attribute is an instance of the class that the folder of that name exports, made once."""
    module = import_module(f"spapi_async.workflows.{name}")
    assert Path(str(module.__file__)).name == "__init__.py"
    async with Application("a", "b") as app:
        seller = app.selling_partner("Atzr|x", region="na")
        assert type(getattr(seller, name)) is getattr(module, WORKFLOWS[name])
        assert getattr(seller, name) is getattr(seller, name)
        assert name in dir(seller)


def test_a_workflow_hides_no_attribute_of_a_seller() -> None:
    """It hides no API's namespace, either."""
    assert not set(WORKFLOWS) & ({*NAMESPACES} | {*dir(SellingPartner)})


def test_options_that_are_passed_on_are_those_of_an_application() -> None:
    """``connect`` and ``from_env`` take every keyword argument, with its type."""
    parameters = inspect.signature(Application).parameters.values()
    keywords = {each.name: each.annotation for each in parameters if each.kind is each.KEYWORD_ONLY}
    given = {name: kind.__forward_arg__ for name, kind in ApplicationOptions.__annotations__.items()}
    assert given == keywords
