// Elements are made here and nowhere else: of names, attributes and texts, never of markup, so that whatever a server, a form or
// a person says appears as it was said. No inline style is set, which a strict content security policy would not apply.

type Handler = (event: Event) => void;
export type Attributes = Record<string, string | number | boolean | null | undefined | Handler>;
export type Child = Node | string | null | undefined | false;

/** `on…` are listeners, true is an attribute without a value; false, null and undefined are none. */
export function h<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  set(element, attributes);
  element.append(...children.filter(isThere));
  return element;
}

export function set(element: Element, attributes: Attributes): void {
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value === false || value === null || value === undefined) element.removeAttribute(key);
    else element.setAttribute(key, String(value));
  }
}

/**
 * What was there goes, unless it is the same text: a live region says everything again that is put into it. The focus of what goes
 * stays in the place, if that can have it, and does not fall back to the page's beginning.
 */
export function fill(element: Element, ...children: Child[]): void {
  const there = children.filter(isThere);
  const only = there.length === 1 ? there[0] : undefined;
  if (typeof only === "string" && element.childElementCount === 0 && element.textContent === only) return;
  const hadFocus = element.contains((element.getRootNode() as Partial<ShadowRoot>).activeElement ?? null);
  element.replaceChildren(...there);
  if (hadFocus && element instanceof HTMLElement && element.hasAttribute("tabindex")) element.focus();
}

const isThere = (child: Child): child is Node | string => child !== null && child !== undefined && child !== false && child !== "";

/** `{name}` in a word of the library's is for the page to fill in. */
export function slot(word: string, name: string, value: string): string {
  return word.split(`{${name}}`).join(value);
}

/** Only what opens a page: whoever wrote the link may not be a friend. */
export function link(href: string | null | undefined, text: string): HTMLAnchorElement | null {
  if (!href || !/^https?:\/\//i.test(href)) return null;
  return h("a", { href, target: "_blank", rel: "noopener noreferrer", part: "link" }, text);
}
