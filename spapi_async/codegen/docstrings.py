"""The docstrings of generated methods, made from facts; none of Amazon's text is copied."""

from __future__ import annotations

from spapi_async._core.operation import Constraints, Restriction, UsagePlan
from spapi_async.codegen.operations import NO_CONTENT, Argument, Method
from spapi_async.codegen.text import docstring, limits_in_words
from spapi_async.codegen.types import render

__all__ = ["end_in_words", "iterator_docstring", "method_docstring"]


def method_docstring(method: Method, *, takes_elements: bool) -> str:
    """The docstring of a method; ``takes_elements`` says whether it has the argument ``data_elements``."""
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
    """Which token the method needs, and whether Amazon still serves it."""
    facts = []
    if method.restriction is not None:
        facts.append(_restriction_in_words(method.restriction))
    if method.grantless_scope is not None:
        facts.append(f"Grantless: acts for no seller; scope ``{method.grantless_scope}``.")
    if end := end_in_words(method):
        facts.append(f"{end}; the first call issues a warning.")
    if method.sandbox_only:
        facts.append("Only the sandbox serves this operation.")
    return facts


def _replies_in_words(method: Method) -> list[str]:
    """What the return annotation does not say about the replies."""
    facts = []
    if not method.states_success:
        facts.append("Amazon's model has no success reply; if the reply has a body, it is in ``Response.raw``.")
    if method.maybe_none:
        facts.append(f"Returns None if Amazon answers {_empty_statuses(method)}, a reply without a body.")
    if method.responses:
        types = ", ".join(
            f"{code} is {f'``{render(type_)}``' if type_ else 'None'}" for code, type_ in method.responses
        )
        facts.append(f"The type depends on the status: {types}.")
    return facts


def end_in_words(method: Method) -> str:
    """The removal or deprecation of the operation, if Amazon has announced one; else empty."""
    if method.removal is not None:
        return f"Amazon will remove this on {method.removal.day}: use ``{method.removal.successor}`` instead"
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
        said = ["the body" if parameter.wire_name == "body" else f"the body; Amazon calls it ``{parameter.wire_name}``"]
    said += [text for text in (limits_in_words(limits, argument.item_limits),) if text]
    return f"    {parameter.name}: {'; '.join(said)}."


def _own(limits: Constraints) -> Constraints:
    """The limits of a list itself, without those of its items."""
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
        "optional": "Restricted if ``data_elements`` are given: the call then uses a restricted data token.",
        "report": "Restricted for report types with personal data: such a call needs a restricted data token.",
    }[restriction.mode]


def iterator_docstring(method: Method) -> str:
    """The docstring of its ``iter_`` method."""
    assert method.paging is not None
    facts = []
    if method.paging.token_parameter is None:
        facts.append("Amazon accepts no page token here, so the iterator ends after the first page.")
    elif not method.paging.token_path:
        facts.append(
            "The reply has no page token, so the iterator ends with it; the finished query has the next page's token."
        )
    else:
        facts.append("``cursor``, taken from an earlier iterator, resumes that iteration.")
    if method.paging.token_lifetime is not None:
        facts.append(f"Page tokens expire after {method.paging.token_lifetime:g} seconds.")
    whole_pages = not method.paging.items_path or method.returns == (method.item,)
    what = "All pages" if whole_pages else "The items of all pages"
    return docstring(f"{what} of ``{method.name}``, which has the same arguments.", [facts], 8)
