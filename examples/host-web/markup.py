"""HTML as nested calls, in which every text is escaped: what came from people or servers can never become markup."""

from html import escape


class Markup(str):
    """HTML that was made here."""


def h(tag, *children, **attributes):
    """`h("a", "Text", href="/", class_="x", aria_current="page")`: True is a bare attribute, None and False are none."""
    names = {name: name.rstrip("_").replace("_", "-") for name in attributes}
    written = "".join(
        f" {names[name]}" if value is True else f' {names[name]}="{escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in ("meta", "link", "input", "img", "wbr"):
        return Markup(f"<{tag}{written}>")
    return Markup(f"<{tag}{written}>{together(children)}</{tag}>")


def together(children):
    parts = []
    for child in children:
        if isinstance(child, (list, tuple)):
            parts.append(together(child))
        elif child is not None and child is not False:
            parts.append(child if isinstance(child, Markup) else escape(str(child)))
    return Markup("".join(parts))
