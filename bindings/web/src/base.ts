// What both elements have: the program to speak to, the words, and the account of how a test or an email ended.

import { fill, h, link, slot } from "./dom.js";
import { OK, UNCERTAIN } from "./host.js";
import type { Host, Reply } from "./host.js";
import { style } from "./style.js";

export type Values = Record<string, unknown>;

interface Advice {
  code: string;
  text: string;
  link?: string | null;
  patch?: Values | null;
}

/** A program that does not answer cannot give its words either. */
const WITHOUT_WORDS: Record<string, string> = {
  no_answer: "The program does not answer. Nothing was changed.", try_again: "Try again",
};

export abstract class Base extends HTMLElement {
  static readonly observedAttributes = ["locale"];

  /** With the language and the direction of what is in it. */
  protected readonly top = h("div", { part: "top" });
  protected words: Record<string, string> = {};
  #host: Host | null = null;
  #started = 0;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open", delegatesFocus: true });
    root.adoptedStyleSheets = [style()];
    root.append(this.top);
  }

  /** Set it, and the element begins. */
  get host(): Host | null {
    return this.#host;
  }

  set host(host: Host | null) {
    this.#host = host;
    this.#begin();
  }

  connectedCallback(): void {
    // What was set before the element's class was there.
    for (const name of this.properties()) {
      if (!Object.hasOwn(this, name)) continue;
      const value: unknown = Reflect.get(this, name);
      Reflect.deleteProperty(this, name);
      Reflect.set(this, name, value);
    }
    this.#begin();
  }

  attributeChangedCallback(): void {
    this.#begin();
  }

  protected properties(): string[] {
    return ["host"];
  }

  /** From the beginning, for what is set now. */
  protected abstract start(reply: Reply): void;

  /** What it begins with. */
  protected abstract ask(): Promise<Reply>;

  #begin(): void {
    if (!this.#host || !this.isConnected) return;
    const turn = ++this.#started;
    // Once for all that is set in one go.
    queueMicrotask(() => {
      if (turn === this.#started) void this.#run();
    });
  }

  protected restart(): void {
    this.#begin();
  }

  async #run(): Promise<void> {
    try {
      // Both at once; where only one is answered, there are at least the words for it.
      const asked = this.ask();
      asked.catch(() => undefined);
      const { words, locale, direction } = await this.call("words", this.inLocale({}));
      this.words = (words as Record<string, string> | undefined) ?? {};
      this.top.lang = String(locale ?? "");
      this.top.dir = String(direction ?? "auto");
      this.start(await asked);
    } catch (cause) {
      fill(this.top, this.unanswered(cause, () => void this.#run()));
    }
  }

  protected async call(name: string, json: object | null, bytes?: Uint8Array | Blob): Promise<Reply> {
    if (!this.#host) throw new Error("the element has no host");
    return this.#host.call(name, json, bytes);
  }

  /** As what a call takes besides. */
  protected inLocale<T extends object>(json: T): T & { locale?: string } {
    const locale = this.getAttribute("locale");
    return locale ? { ...json, locale } : json;
  }

  protected word(key: string): string {
    return this.words[key] ?? WITHOUT_WORDS[key] ?? "";
  }

  protected filled(key: string, name: string, value: string): string {
    return slot(this.word(key), name, value);
  }

  /** `word` is what is to be said: nothing was changed, or nobody knows. The cause is for who builds the page. */
  protected unanswered(cause: unknown, again: () => void, word = "no_answer"): HTMLElement {
    console.info(`<${this.localName}>`, cause);
    return h(
      "div", { class: "box failed column", role: "alert", part: "unanswered" },
      h("p", {}, this.word(word)),
      h("div", { class: "row" }, h("button", { type: "button", class: "small", onclick: again }, this.word("try_again"))),
    );
  }

  protected tell(name: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  /** How it ended: the sentence, what to do, and what is for whoever helps. */
  protected outcome(reply: Reply, take: ((advice: Advice) => void) | null, ...more: (HTMLElement | null)[]): HTMLElement {
    const isGood = reply.status === OK && reply.reason !== "accepted_partly";
    const isHalf = reply.status === OK || reply.status === UNCERTAIN;
    const tone = isGood ? "passed" : isHalf ? "warned" : "failed";
    const errors = (reply["errors"] as { message: string }[] | undefined) ?? [];
    const isToldByErrors = errors.length === 1 && errors[0]?.message === reply.message;
    return h(
      "div", { class: `box column ${tone}`, part: "outcome" },
      h("h2", { class: `mark ${{ passed: "good", warned: "warning", failed: "error" }[tone]}`, "data-mark": isGood ? "✓" : "!", tabindex: -1 }, h("span", {}, reply.message ?? "")),
      errors.length > 0 && !isToldByErrors ? h("ul", {}, ...errors.map((error) => h("li", {}, error.message))) : null,
      ...more,
      this.#certificate(reply),
      this.#advice(reply, take),
      this.#server(reply),
      this.#details(reply),
    );
  }

  #advice(reply: Reply, take: ((advice: Advice) => void) | null): HTMLElement | null {
    const list = (reply["advice"] as Advice[] | undefined) ?? [];
    if (list.length === 0) return null;
    const item = (advice: Advice): HTMLElement => {
      const action = advice.code === "accept_certificate" ? "accept_certificate" : "apply_and_test";
      const button = take && advice.patch
        ? h("button", { type: "button", class: "small", onclick: () => take(advice) }, this.word(action))
        : null;
      const page = link(advice.link, this.word("open_page"));
      return h("li", {}, h("span", {}, advice.text), button || page ? h("div", { class: "row" }, button, page) : null);
    };
    return h("div", { class: "column tight" }, h("h2", {}, this.word("what_to_do")), h("ol", { part: "advice" }, ...list.map(item)));
  }

  #certificate(reply: Reply): HTMLElement | null {
    const facts = reply["certificate"] as Record<string, unknown> | undefined;
    if (!facts) return null;
    const day = (value: unknown): string => {
      const date = new Date(String(value));
      return Number.isNaN(date.valueOf()) ? String(value ?? "") : date.toLocaleDateString(this.top.lang || undefined, { dateStyle: "medium" });
    };
    const names = Array.isArray(facts["names"]) ? facts["names"].join(", ") : "";
    const valid = facts["not_before"] ? `${day(facts["not_before"])} – ${day(facts["not_after"])}` : "";
    const rows: [string, unknown][] = [
      ["certificate_subject", facts["subject"]], ["certificate_issuer", facts["issuer"]], ["certificate_names", names],
      ["certificate_valid", valid], ["certificate_fingerprint", facts["fingerprint"]],
    ];
    const there = rows.filter(([, value]) => value);
    return h(
      "div", { class: "column tight", part: "certificate" }, h("h2", {}, this.word("certificate")),
      h("dl", {}, ...there.flatMap(([key, value]) => [h("dt", {}, this.word(key)), h("dd", {}, h("bdi", {}, String(value)))])),
    );
  }

  #server(reply: Reply): HTMLElement | null {
    const said = reply["server"] as { code?: number; enhanced?: string | null; text?: string } | null | undefined;
    if (!said?.text && !said?.code) return null;
    const text = [said.code, said.enhanced, said.text].filter(Boolean).join(" ");
    return h("div", { class: "column tight" }, h("h2", {}, this.word("server_said")), h("p", { class: "words", part: "server", dir: "auto" }, text));
  }

  #details(reply: Reply): HTMLElement | null {
    const steps = (reply["steps"] as { label: string; status: string; ms: number }[] | undefined) ?? [];
    const detail = reply["detail"] as string | undefined;
    if (steps.length === 0 && !detail) return null;
    const item = (step: { label: string; status: string; ms: number }): HTMLElement => {
      const dot = { ok: "✓", failed: "✕" }[step.status] ?? "–";
      const tone = { ok: "good", failed: "error" }[step.status] ?? "quiet";
      const state = step.status === "skipped" ? this.word("step_skipped") : `${this.word(`step_${step.status}`)} · ${step.ms} ms`;
      return h("li", {}, h("span", { class: `dot ${tone}`, "aria-hidden": "true" }, dot), h("span", {}, step.label), h("span", { class: "state" }, state));
    };
    return h(
      "details", { part: "details" }, h("summary", {}, this.word("details")),
      h("div", { class: "column" }, steps.length > 0 ? h("ol", { class: "steps bare" }, ...steps.map(item)) : null, detail ? h("p", { class: "words", dir: "auto" }, detail) : null),
    );
  }
}
