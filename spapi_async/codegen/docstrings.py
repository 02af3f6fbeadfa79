"""The docstrings of generated methods: facts, and none of Amazon's sentences."""

from __future__ import annotations

from spapi_async._core.operation import Constraints, Restriction, UsagePlan
from spapi_async.codegen.operations import NO_CONTENT, Argument, Method
from spapi_async.codegen.text import docstring, limits_in_words
from spapi_async.codegen.types import render

__all__ = ["end_in_words", "iterator_docstring", "method_docstring"]


def method_docstring(method: Method, *, takes_elements: bool) -> str:
    """Of the method itself; ``takes_elements``: whether it has the argument ``data_elements``."""
    facts = [
        _plan_in_words(method.usage_plan),
        *_access_in_words(method),
        *_replies_in_words(method),
        *method.conditions,
    ]
    if method.errors:
        facts.append(f"Error statuses: {', '.join(map(str, method.errors))}.")
    lines = [_argument_line(argument) for argument in method.arguments]
    if takes_elements:
        assert method.restriction is not None
        chosen = ", ".join(f"``{element}``" for element in method.restriction.data_elements)
        lines.append(f"    data_elements: any of {chosen}.")
    blocks = [facts, ["Args:", *lines]] if lines else [facts]
    return docstring(f"``{method.id}``: {method.verb} {method.path}.", blocks, 8)


def _access_in_words(method: Method) -> list[str]:
    """Who may call it, and whether Amazon still answers."""
    facts = []
    if method.restriction is not None:
        facts.append(_restriction_in_words(method.restriction))
    if method.grantless_scope is not None:
        facts.append(f"Grantless: acts for no seller; scope ``{method.grantless_scope}``.")
    if end := end_in_words(method):
        facts.append(f"{end}; the first call warns.")
    if method.sandbox_only:
        facts.append("Served by the sandbox alone.")
    return facts


def _replies_in_words(method: Method) -> list[str]:
    """What the return annotation does not say about the statuses."""
    facts = []
    if not method.states_success:
        facts.append("Amazon's model has no success reply; what comes with one is in ``Response.raw``.")
    if method.maybe_none:
        facts.append(f"None stands for a {_empty_statuses(method)} reply: there is nothing to report.")
    if method.responses:
        types = ", ".join(
            f"{code} is {f'``{render(type_)}``' if type_ else 'None'}" for code, type_ in method.responses
        )
        facts.append(f"The type tells the status: {types}.")
    return facts


def end_in_words(method: Method) -> str:
    """That Amazon takes the operation away; empty where it stays."""
    if method.removal is not None:
        return f"Removed by Amazon on {method.removal.day}: use ``{method.removal.successor}``"
    if method.status == "removed":
        return "Removed by Amazon: it may answer 404 or 410"
    return "Deprecated by Amazon" if method.status == "deprecated" else ""


def _empty_statuses(method: Method) -> str:
    declared_empty = [code for code, type_ in method.responses if type_ is None]
    return " or ".join(str(code) for code in method.success if code == NO_CONTENT or code in declared_empty)


def _argument_line(argument: Argument) -> str:
    parameter = argument.parameter
    limits = parameter.constraints if argument.item_limits is None else _own(parameter.constraints)
    said = [f"``{parameter.wire_name}``{' in the path' if parameter.location == 'path' else ''}"]
    if parameter.location == "header":
        said = [f"header ``{parameter.wire_name}``"]
    elif parameter.location == "body":
        said = [
            "the body" if parameter.wire_name == "body" else f"the body; ``{parameter.wire_name}`` in Amazon's model"
        ]
    said += [text for text in (limits_in_words(limits, argument.item_limits),) if text]
    return f"    {parameter.name}: {'; '.join(said)}."


def _own(limits: Constraints) -> Constraints:
    """A list's own limits alone."""
    return Constraints(min_items=limits.min_items, max_items=limits.max_items, default=limits.default)


def _plan_in_words(plan: UsagePlan) -> str:
    sources = {
        "model": "Amazon's model",
        "sdk": "Amazon's SDK",
        "docs": "Amazon's documentation",
        "assumed": "assumed, Amazon publishes none",
    }
    noun = "request" if plan.rate == 1 else "requests"
    source = f"assumed, {plan.reason}" if plan.reason else sources[plan.source]
    text = f"Usage plan: {plan.rate:g} {noun} a second, burst {plan.burst} ({source})"
    for other in plan.others:
        text += f"; {sources[other.source]} says {other.rate:g} and {other.burst}"
    if plan.application_rate is not None:
        text += f"; {plan.application_rate:g} a second for all sellers of an application"
    return text + "."


def _restriction_in_words(restriction: Restriction) -> str:
    return {
        "always": "Restricted: every call uses a restricted data token, which is fetched for it.",
        "optional": "Restricted where ``data_elements`` are asked for: the call then uses a restricted data token.",
        "report": "Restricted for report types with personal data: such a call needs a restricted data token.",
    }[restriction.mode]


def iterator_docstring(method: Method) -> str:
    """Of its ``iter_`` method."""
    assert method.paging is not None
    facts = []
    if method.paging.token_parameter is None:
        facts.append("Amazon takes no page token here: the iterator ends with the first page.")
    elif not method.paging.token_path:
        facts.append(
            "The reply holds no page token: the iterator ends with it. The next page's token is in the finished query."
        )
    else:
        facts.append("``cursor`` resumes where an earlier iterator's ``cursor`` stood.")
    if method.paging.token_lifetime is not None:
        facts.append(f"Page tokens live {method.paging.token_lifetime:g} seconds.")
    what = "Every page" if not method.paging.items_path or method.returns == (method.item,) else "Items of every page"
    return docstring(f"{what} of ``{method.name}``, whose arguments these are.", [facts], 8)
