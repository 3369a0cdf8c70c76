// The email settings: the form, the test with its report and repairs, the sign-in, and saving. What is shown, needed or wrong, the form's
// data says at each keystroke; no rule about a field is known here.

import { Base } from "./base.js";
import type { Values } from "./base.js";
import { fill, h, link } from "./dom.js";
import { Field } from "./field.js";
import type { FieldData } from "./field.js";
import { Job, OK } from "./host.js";
import type { Host, Progress, Reply } from "./host.js";

/** A person types faster than this; the form need not be asked for each letter. */
const PAUSE_MS = 120;

interface Button {
  key: string;
  label: string;
  enabled: boolean;
  why_not?: { message: string } | null;
}

interface Form {
  fields: FieldData[];
  buttons: Button[];
  provider?: { name: string; help?: string | null; steps?: { text: string; link?: string | null }[] } | null;
  proposal?: { message: string; patch: Values } | null;
  sign_in?: { signed_in: boolean; account?: string | null; buttons: Button[] } | null;
}

export class MailbuttonSettings extends Base {
  #signIn: Values = {};
  /** Whose settings are typed here. */
  #of: Host | null = null;
  #fields = new Map<string, Field>();
  #values: Values = {};
  #form: Form | null = null;
  /** Where a person typed last: a proposal belongs there. */
  #last: Field | null = null;
  /** Of the newest question; the reply to an older one is of no use. */
  #turn = 0;
  #timer = 0;
  #asked: Promise<void> = Promise.resolve();
  #job: Job | null = null;

  readonly #banner = h("div", { class: "column" });
  readonly #list = h("div", { class: "column", part: "fields" });
  readonly #proposal = h("div", { role: "status" });
  readonly #steps = h("div", {});
  readonly #signing = h("div", { class: "column" });
  readonly #buttons = h("div", { class: "row", part: "buttons" });
  readonly #why = h("p", { class: "quiet", role: "status", id: "why" });
  readonly #result = h("div", { class: "column", role: "status", part: "result", tabindex: -1 });

  /** What `sign_in` is called with besides the settings, such as `{"flow": "device"}`. */
  get signIn(): Values {
    return this.#signIn;
  }

  set signIn(signIn: Values) {
    this.#signIn = signIn ?? {};
  }

  protected override properties(): string[] {
    return ["signIn", ...super.properties()];
  }

  protected override ask(): Promise<Reply> {
    // What was typed outlives another language.
    if (this.#of !== this.host) this.#values = {};
    this.#of = this.host;
    return this.call("form", this.inLocale({ ...this.#values }));
  }

  protected override start(reply: Reply): void {
    this.#fields.clear();
    this.#last = null;
    for (const place of [this.#proposal, this.#steps, this.#signing]) delete place.dataset["shown"];
    fill(this.#buttons);
    fill(this.#list);
    fill(this.#result);
    const form = h("form", { novalidate: true, part: "form" }, this.#banner, this.#list, this.#signing, this.#buttons, this.#why, this.#result);
    form.addEventListener("submit", (event) => event.preventDefault());
    fill(this.top, form);
    this.#show(reply);
    for (const [key, { data, input }] of this.#fields) {
      if (data.secret && key in this.#values) input.value = String(this.#values[key]);
    }
  }

  // The form

  #changed(field: Field): void {
    this.#values[field.data.key] = field.value;
    this.#last = field;
    // The reply to older values would write over this one.
    this.#turn++;
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.#ask(), field.input.localName === "select" || field.data.type === "checkbox" ? 0 : PAUSE_MS);
  }

  /** The form for what is typed by now. */
  #ask(): Promise<void> {
    window.clearTimeout(this.#timer);
    this.#timer = 0;
    const turn = ++this.#turn;
    const asking = async (): Promise<void> => {
      try {
        const reply = await this.call("form", this.inLocale({ ...this.#values }));
        if (turn === this.#turn) this.#show(reply);
      } catch (cause) {
        if (turn === this.#turn) fill(this.#result, this.unanswered(cause, () => void this.#ask().then(() => fill(this.#result))));
      }
    };
    this.#asked = asking();
    return this.#asked;
  }

  /** Nothing is under way, and what is shown is what is typed. */
  async #settled(): Promise<void> {
    if (this.#timer) void this.#ask();
    await this.#asked;
  }

  #show(reply: Reply): void {
    const form = reply["form"] as Form | undefined;
    if (!form || !Array.isArray(form.fields)) {
      fill(this.#banner, this.outcome(reply, null));
      return;
    }
    this.#form = { ...form, buttons: form.buttons ?? [] };
    let isWhole = true;
    for (const data of form.fields) {
      if (typeof data?.key !== "string") {
        isWhole = false;
        continue;
      }
      const field = this.#field(data);
      isWhole &&= field.isKnown;
      // What is saved is where typing begins.
      if (!data.secret && !(data.key in this.#values) && data.value !== null && data.value !== undefined) this.#values[data.key] = data.value;
    }
    fill(
      this.#banner,
      reply.status === OK ? null : h("div", { class: "box failed", role: "alert" }, h("p", { class: "mark error", "data-mark": "!" }, reply.message ?? "")),
      isWhole ? null : h("p", { class: "box warned" }, this.word("other_version")),
    );
    this.#note(this.#form);
    this.#sign(this.#form);
    this.#button(this.#form);
  }

  #field(data: FieldData): Field {
    let field = this.#fields.get(data.key);
    if (field) {
      field.update(data);
    } else {
      field = new Field(data, (key) => this.word(key), (changed) => this.#changed(changed));
      this.#fields.set(data.key, field);
      this.#list.append(field.row);
      field.update(data);
    }
    return field;
  }

  #note(form: Form): void {
    const { proposal, provider } = form;
    const steps = provider?.steps ?? [];
    renew(this.#proposal, proposal, () => {
      (this.#last?.row ?? this.#list.lastElementChild)?.after(this.#proposal);
      if (!proposal) return null;
      requestAnimationFrame(() => this.#proposal.scrollIntoView({ block: "nearest" }));
      const use = h("button", { type: "button", class: "small", onclick: () => void this.#merge(proposal.patch) }, this.word("use_proposal"));
      return h("div", { class: "box row", part: "proposal" }, h("p", { class: "grow" }, proposal.message), use);
    });
    renew(this.#steps, provider, () => {
      // They are about what goes in there.
      (this.#fields.get("password")?.row ?? this.#list.lastElementChild)?.after(this.#steps);
      if (!provider || steps.length === 0) return null;
      const item = (step: { text: string; link?: string | null }): HTMLElement => h("li", {}, h("span", {}, step.text), " ", link(step.link, this.word("open_page")));
      const summary = h("summary", {}, this.filled("provider_steps", "provider", provider.name));
      return h("details", { class: "box", open: true, part: "steps" }, summary, h("ol", {}, ...steps.map(item)));
    });
  }

  #button(form: Form): void {
    const calls: Record<string, () => Promise<void>> = { test: () => this.#test(), update: () => this.#update() };
    const known = form.buttons.filter((button) => calls[button.key]);
    if (this.#buttons.childElementCount === 0) {
      for (const { key } of known) {
        this.#buttons.append(h("button", { type: "button", "data-key": key, class: key === "test" ? "main" : null, onclick: () => void this.#press(key, calls[key]!) }));
      }
    }
    for (const { key, label, enabled } of known) {
      const button = this.#buttons.querySelector<HTMLButtonElement>(`[data-key="${CSS.escape(key)}"]`);
      if (!button) continue;
      fill(button, label);
      // It can be pressed all the same, and then says what is missing.
      if (enabled) button.removeAttribute("aria-disabled");
      else button.setAttribute("aria-disabled", "true");
      button.setAttribute("aria-describedby", "why");
    }
    const why = known.find((button) => !button.enabled)?.why_not?.message;
    fill(this.#why, why ?? "");
  }

  async #press(key: string, act: () => Promise<void>): Promise<void> {
    if (this.#job) return;
    await this.#settled();
    const button = this.#form?.buttons.find((button) => button.key === key);
    if (button?.enabled) {
      await act();
      return;
    }
    const isOpen = ({ data }: Field): boolean => data.visible !== false && Boolean(data.error ?? (data.required && !data.has_value));
    [...this.#fields.values()].find(isOpen)?.input.focus();
  }

  /** A proposal or a repair, as if it had been typed. */
  async #merge(patch: Values): Promise<void> {
    for (const [key, value] of Object.entries(patch)) {
      this.#values[key] = value;
      this.#fields.get(key)?.write(value);
    }
    await this.#ask();
  }

  /** What goes to the program: what is typed. */
  #typed(): Values {
    return { ...this.#values };
  }

  // The test

  async #test(lost: Job | null = null): Promise<void> {
    const steps = h("ol", { class: "steps bare" });
    const job = this.#run("testing", lost, steps);
    const told = (progress: Progress): void => step(steps, progress);
    try {
      const send = (): Promise<Reply> => this.call("send_test", this.inLocale({ settings: this.#typed() }));
      const reply = lost ? await job.resume(told) : await job.run(send(), told);
      this.#end(reply);
      this.tell("mailbutton-tested", reply);
    } catch (cause) {
      this.#job = null;
      const again = job.isBegun ? job : null;
      fill(this.#result, this.unanswered(cause, () => void this.#test(again), again ? "connection_lost" : "no_answer"));
    }
  }

  /** Work that takes a while, with a way out. */
  #run(word: string, lost: Job | null, ...shown: (HTMLElement | null)[]): Job {
    const job = lost ?? new Job({ call: (name, json) => this.call(name, json) });
    this.#job = job;
    const cancel = h("button", { type: "button", class: "small" }, this.word("cancel"));
    cancel.addEventListener("click", () => {
      fill(cancel, this.word("canceling"));
      void job.cancel();
    });
    fill(this.#result, h("div", { class: "box column", part: "progress" }, h("h2", {}, this.word(word)), ...shown, h("div", { class: "row" }, cancel)));
    return job;
  }

  #end(reply: Reply): void {
    this.#job = null;
    for (const { key, message } of (reply["errors"] as { key: string; message: string }[] | undefined) ?? []) {
      this.#fields.get(key)?.refuse(message);
    }
    const report = this.outcome(reply, (advice) => void this.#take(advice.patch ?? {}));
    fill(this.#result, report);
    // For who reads the screen by ear, and for a small window.
    report.scrollIntoView({ block: "nearest" });
  }

  async #take(patch: Values): Promise<void> {
    await this.#merge(patch);
    const test = this.#form?.buttons.find((button) => button.key === "test");
    if (test?.enabled) await this.#test();
    else await this.#press("test", () => this.#test());
  }

  // Saving

  async #update(): Promise<void> {
    try {
      const reply = await this.call("settings_set", this.inLocale(this.#typed()));
      if (reply.status === OK) {
        for (const field of this.#fields.values()) {
          if (!field.data.secret) continue;
          delete this.#values[field.data.key];
          field.write("");
        }
        await this.#ask();
        this.#end({ ...reply, message: this.word("saved") });
        this.tell("mailbutton-saved", reply);
      } else {
        this.#end(reply);
      }
    } catch (cause) {
      fill(this.#result, this.unanswered(cause, () => void this.#update()));
    }
  }

  // The sign-in

  #sign(form: Form): void {
    const sign = form.sign_in;
    renew(this.#signing, sign, () => (sign ? this.#signBox(sign) : null));
  }

  #signBox(sign: NonNullable<Form["sign_in"]>): HTMLElement {
    const acts: Record<string, () => Promise<void>> = { sign_in: () => this.#signInNow(), sign_out: () => this.#signOut() };
    const button = ({ key, label, enabled }: Button): HTMLElement => h(
      "button", { type: "button", class: key === "sign_in" && !sign.signed_in ? "main" : null, "aria-disabled": enabled ? null : "true", onclick: () => enabled && void acts[key]?.() }, label,
    );
    const wanted = sign.buttons.filter(({ key }) => key in acts && (key === "sign_out") <= sign.signed_in);
    const why = wanted.find((button) => !button.enabled)?.why_not?.message;
    return h(
      "div", { class: "box column", part: "sign-in" },
      sign.signed_in ? h("p", { class: "mark good", "data-mark": "✓" }, this.filled("signed_in_as", "account", sign.account ?? "")) : null,
      h("div", { class: "row" }, ...wanted.map(button)), why ? h("p", { class: "quiet" }, why) : null,
    );
  }

  async #signInNow(): Promise<void> {
    if (this.#job) return;
    await this.#settled();
    const place = h("div", { class: "column" });
    const job = this.#run("sign_in_waiting", null, place);
    try {
      const begun = await job.run(this.call("sign_in", this.inLocale({ ...this.signIn, settings: this.#typed() })), () => undefined);
      if (begun.status === OK && begun["sign_in"]) {
        fill(
          place, h("p", {}, link(begun["url"] as string, this.word("sign_in_open"))),
          begun["code"] ? h("div", {}, h("p", {}, this.word("sign_in_code")), h("p", { class: "code" }, String(begun["code"]))) : null,
        );
        const ended = await job.run(this.call("sign_in_finish", this.inLocale({ sign_in: begun["sign_in"] })), () => undefined);
        await this.#signed(ended);
      } else {
        await this.#signed(begun);
      }
    } catch (cause) {
      this.#job = null;
      fill(this.#result, this.unanswered(cause, () => void this.#signInNow()));
    }
  }

  async #signed(reply: Reply): Promise<void> {
    await this.#ask();
    if (reply.status === OK && !reply.message) {
      this.#job = null;
      fill(this.#result);
    } else {
      this.#end(reply);
    }
    if (reply.status === OK) this.tell("mailbutton-saved", reply);
  }

  async #signOut(): Promise<void> {
    const job = this.#run("loading", null);
    try {
      await this.#signed(await job.run(this.call("sign_out", null), () => undefined));
    } catch (cause) {
      this.#job = null;
      fill(this.#result, this.unanswered(cause, () => void this.#signOut()));
    }
  }
}

/** Only what is new: a reader of the screen would hear it all again, and an open list would close. */
function renew(place: HTMLElement, data: unknown, make: () => HTMLElement | null): void {
  const shown = JSON.stringify(data ?? null);
  if (place.dataset["shown"] === shown) return;
  place.dataset["shown"] = shown;
  fill(place, make());
}

/** The steps as they happen: the one before is done when the next begins. */
function step(list: HTMLOListElement, { text }: Progress): void {
  const last = list.lastElementChild;
  if (last?.querySelector(".text")?.textContent === text) return;
  last?.classList.remove("running");
  const dot = last?.querySelector(".dot");
  if (dot) fill(dot, "✓");
  list.append(h("li", { class: "running" }, h("span", { class: "dot", "aria-hidden": "true" }, "◌"), h("span", { class: "text" }, text)));
}
