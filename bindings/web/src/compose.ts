// The Email button and its dialog: who gets it, what it says, what comes with it, what is probably not meant, and how it ended for
// each recipient. The preview is the library's own.

import { Base } from "./base.js";
import type { Values } from "./base.js";
import { fill, h, link, set } from "./dom.js";
import { BAD_EMAIL, Job, OK, TRY_LATER, UNCERTAIN } from "./host.js";
import type { Progress, Reply } from "./host.js";

interface Warning {
  key: string;
  code: string;
  message: string;
  proposal?: string | null;
}

interface Recipient {
  address: string;
  outcome: string;
  server?: { code?: number; text?: string } | null;
}

interface Attachment {
  file_name: string;
  type: string;
  size: number;
  base64: string;
}

type Control = HTMLInputElement | HTMLTextAreaElement;

export class MailbuttonCompose extends Base {
  #document: Values = {};
  #pdf: Blob | Uint8Array | string | null = null;
  #blobUrl: string | null = null;

  #email: Values = {};
  #attached: Attachment[] = [];
  #controls = new Map<string, { input: Control; told: HTMLElement; row: HTMLElement }>();
  #job: Job | null = null;
  /** Names what is being sent, until an answer comes: who tries again without one sends the same email, and no second one. */
  #key: string | null = null;
  #isSure = false;
  #begun = "";
  #isOver = false;

  readonly #place = h("div", { class: "column tight" });
  readonly #files = h("ul", { class: "bare" });
  readonly #result = h("div", { class: "column", role: "status", part: "result", tabindex: -1 });
  #dialog: HTMLDialogElement | null = null;
  #send: HTMLButtonElement | null = null;

  /** What `button` takes: the document's kind, reference and recipient. */
  get document(): Values {
    return this.#document;
  }

  set document(document: Values) {
    this.#document = document ?? {};
    this.restart();
  }

  /** The PDF that is shown and sent, or the address of one that the program sends by itself. */
  get pdf(): Blob | Uint8Array | string | null {
    return this.#pdf;
  }

  set pdf(pdf: Blob | Uint8Array | string | null) {
    this.#pdf = pdf;
  }

  protected override properties(): string[] {
    return ["document", "pdf", ...super.properties()];
  }

  protected override ask(): Promise<Reply> {
    return this.call("button", this.inLocale({ ...this.#document }));
  }

  protected override start(reply: Reply): void {
    if (this.#dialog) {
      // What is being written is not thrown away.
      this.#dialog.addEventListener("close", () => this.restart(), { once: true });
      return;
    }
    const { button, email } = reply as { button?: Values; email?: Values };
    if (!button?.["visible"]) {
      fill(this.top);
      return;
    }
    this.#email = email ?? {};
    const why = (button["why_not"] as { message?: string } | null | undefined)?.message;
    const isOpen = button["enabled"] !== false;
    const open = h("button", {
      type: "button", class: "main", part: "button", "aria-haspopup": "dialog", "aria-disabled": isOpen ? null : "true",
      "aria-describedby": why ? "why" : null, onclick: () => isOpen && this.#open(),
    }, String(button["label"] ?? ""));
    const hadFocus = this.#place.contains(this.shadowRoot?.activeElement ?? null);
    fill(this.#place, open, why ? h("p", { class: "quiet", id: "why" }, why) : null);
    fill(this.top, this.#place);
    if (hadFocus) open.focus();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    const dialog = this.#dialog;
    if (!dialog) return;
    // Moved in its page: what is being written stays, and so does the dialog, which lost its place above the page.
    dialog.removeAttribute("open");
    dialog.showModal();
  }

  disconnectedCallback(): void {
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.#dialog?.remove();
      this.#dialog = null;
      this.#forgetBlob();
    });
  }

  // The dialog

  #open(): void {
    this.#attached = [];
    this.#isSure = this.#isOver = false;
    this.#controls.clear();
    fill(this.#result);
    this.#send = h("button", { type: "submit", class: "main" }, this.word("send"));
    const title = h("h2", { id: "title", class: "title" }, this.word("email_title"));
    const form = h("form", { novalidate: true }, title, ...this.#inputs(), this.#attachments(), this.#result, this.#actions());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#check();
    });
    const paper = this.#paper();
    const dialog = h("dialog", { "aria-labelledby": "title", part: "dialog" }, h("div", { class: paper ? "sheet with-paper" : "sheet" }, form, paper));
    // Esc: what was written is not thrown away by a key. The browser's own event for it can be held up only once.
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.#leave();
    });
    dialog.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      this.#leave();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      this.#dialog = null;
      this.#forgetBlob();
    });
    this.#dialog = dialog;
    this.top.append(dialog);
    this.#begun = JSON.stringify(this.#typed());
    dialog.showModal();
    const empty = this.#controls.get("to")?.input;
    (empty?.value ? this.#send : empty)?.focus();
  }

  #actions(): HTMLElement {
    const stop = h("button", { type: "button" }, this.word("cancel"));
    stop.addEventListener("click", () => {
      if (this.#job) void this.#job.cancel();
      else this.#leave();
    });
    return h("div", { class: "row actions", part: "actions" }, this.#send, stop);
  }

  /** While it is sent, the dialog stays. */
  #leave(): void {
    if (this.#job) return;
    const isTyped = !this.#isOver && JSON.stringify(this.#typed()) !== this.#begun;
    if (!isTyped) {
      this.#dialog?.close();
      return;
    }
    const before = this.shadowRoot?.activeElement;
    const keep = h("button", { type: "button", class: "small" }, this.word("keep_editing"));
    keep.addEventListener("click", () => {
      fill(this.#result);
      (before instanceof HTMLElement && before.isConnected ? before : this.#send)?.focus();
    });
    const discard = h("button", { type: "button", class: "small", onclick: () => this.#dialog?.close() }, this.word("discard"));
    fill(this.#result, h("div", { class: "box warned column" }, h("p", {}, this.word("discard_question")), h("div", { class: "row" }, keep, discard)));
    keep.focus();
  }

  #inputs(): HTMLElement[] {
    const email = this.#email;
    const to = this.#control("to", email["to"], this.word("addresses_help"));
    const [cc, bcc] = [this.#control("cc", email["cc"]), this.#control("bcc", email["bcc"])];
    const hasCopies = Boolean(email["cc"] ?? email["bcc"]);
    cc.hidden = bcc.hidden = !hasCopies;
    const more = h("button", { type: "button", class: "plain small", "aria-expanded": String(hasCopies) }, this.word("show_cc_bcc"));
    more.addEventListener("click", () => {
      cc.hidden = bcc.hidden = false;
      more.parentElement?.remove();
      this.#controls.get("cc")?.input.focus();
    });
    return [to, hasCopies ? null : h("div", {}, more), cc, bcc, this.#control("subject", email["subject"]), this.#body(email["body"])].filter((it) => it !== null);
  }

  #control(key: string, value: unknown, help?: string): HTMLElement {
    const isText = key === "body";
    const input: Control = isText
      ? h("textarea", { id: key, dir: "auto", part: "input", rows: 9 })
      : h("input", { id: key, type: "text", dir: "auto", part: "input", autocomplete: "off", inputmode: key === "subject" ? null : "email", spellcheck: key === "subject" ? "true" : "false" });
    input.value = [value ?? ""].flat().join(", ");
    const told = h("p", { class: "mark error", id: `${key}-told`, "data-mark": "!", hidden: true });
    const note = help ? h("p", { class: "note", id: `${key}-note` }, help) : null;
    input.addEventListener("input", () => {
      this.#isSure = false;
      this.#refuse(key, "");
    });
    const row = h("div", { class: "field", part: "field" }, h("label", { for: key }, this.word(isText ? "message" : key)), input, note, told);
    this.#controls.set(key, { input, told, row });
    set(input, { "aria-describedby": note?.id ?? null });
    return row;
  }

  #refuse(key: string, message: string): boolean {
    const control = this.#controls.get(key);
    if (!control) return false;
    const { input, told, row } = control;
    fill(told, message);
    told.hidden = !message;
    if (message) row.hidden = false;
    const note = row.querySelector(".note")?.id;
    set(input, { "aria-invalid": message ? "true" : null, "aria-describedby": [note, message && told.id].filter(Boolean).join(" ") || null });
    return true;
  }

  // The body and its preview

  #body(value: unknown): HTMLElement {
    const row = this.#control("body", value, this.word("markdown_help"));
    const input = this.#controls.get("body")?.input;
    const frame = h("iframe", { class: "preview", sandbox: "", title: this.word("preview"), hidden: true, referrerpolicy: "no-referrer" });
    const tab = (key: string, isPreview: boolean): HTMLButtonElement => h("button", {
      type: "button", "aria-pressed": String(!isPreview), class: "small", onclick: () => void show(isPreview),
    }, this.word(key));
    const [write, preview] = [tab("write", false), tab("preview", true)];
    const show = async (isPreview: boolean): Promise<void> => {
      set(write, { "aria-pressed": String(!isPreview) });
      set(preview, { "aria-pressed": String(isPreview) });
      if (isPreview) {
        let reply: Reply;
        try {
          reply = await this.call("check_document", this.inLocale({ ...this.#typed(), preview: true }));
        } catch (cause) {
          // An empty preview would look like an empty email.
          fill(this.#result, this.unanswered(cause, () => void show(true)));
          await show(false);
          return;
        }
        if (this.#result.querySelector("[part=unanswered]")) fill(this.#result);
        // A sandbox without scripts, in a document of its own: the library's HTML, and what it quotes, reach nothing here.
        const url = URL.createObjectURL(new Blob([String(reply["preview_html"] ?? "")], { type: "text/html;charset=utf-8" }));
        frame.addEventListener("load", () => URL.revokeObjectURL(url), { once: true });
        frame.src = url;
      }
      frame.hidden = !isPreview;
      if (input) input.hidden = isPreview;
    };
    input?.before(h("div", { class: "tabs", role: "group" }, write, preview));
    input?.after(frame);
    return row;
  }

  // What comes with it

  #attachments(): HTMLElement {
    const input = h("input", { type: "file", multiple: true, class: "unseen", id: "files", tabindex: -1, "aria-hidden": "true" });
    input.addEventListener("change", () => void this.#attach(input));
    const add = h("button", { type: "button", class: "small", onclick: () => input.click() }, this.word("add_attachment"));
    const name = (this.#email["document"] as { file_name?: string } | undefined)?.file_name ?? "document.pdf";
    const url = this.#url();
    const document = h("p", {}, h("span", { class: "quiet" }, `${this.word("document")}: `), h("bdi", {}, url ? link(new URL(url, location.href).href, name) ?? h("a", { href: url, target: "_blank", rel: "noopener" }, name) : name));
    fill(this.#files);
    return h("div", { class: "column tight", role: "group", "aria-label": this.word("attachments") }, document, this.#files, h("div", {}, add, input));
  }

  async #attach(input: HTMLInputElement): Promise<void> {
    for (const file of [...(input.files ?? [])]) {
      this.#attached.push({ file_name: file.name, type: file.type, size: file.size, base64: await base64(file) });
    }
    input.value = "";
    this.#list();
  }

  #list(): void {
    const item = (file: Attachment): HTMLElement => h(
      "li", { class: "row" }, h("bdi", { class: "grow" }, `${file.file_name} (${size(file.size, this.top.lang)})`),
      h("button", {
        type: "button", class: "small", onclick: () => {
          this.#attached = this.#attached.filter((other) => other !== file);
          this.#list();
        },
      }, this.filled("remove_attachment", "file", file.file_name)),
    );
    fill(this.#files, ...this.#attached.map(item));
  }

  #url(): string | null {
    if (typeof this.#pdf === "string") return this.#pdf;
    if (!this.#pdf) return null;
    this.#blobUrl ??= URL.createObjectURL(this.#pdf instanceof Blob ? this.#pdf : new Blob([this.#pdf as BlobPart], { type: "application/pdf" }));
    return this.#blobUrl;
  }

  #forgetBlob(): void {
    if (this.#blobUrl) URL.revokeObjectURL(this.#blobUrl);
    this.#blobUrl = null;
  }

  #paper(): HTMLElement | null {
    const url = this.#url();
    // Where there is no viewer, and on a small window, the link beside the attachments opens it.
    return url && navigator.pdfViewerEnabled ? h("div", { class: "paper", part: "paper" }, h("iframe", { src: url, title: this.word("document") })) : null;
  }

  // Sending

  #typed(): Values {
    const typed: Values = { ...this.#email };
    for (const [key, { input }] of this.#controls) typed[key] = input.value;
    if (!typed["cc"]) delete typed["cc"];
    if (!typed["bcc"]) delete typed["bcc"];
    if (this.#attached.length > 0) {
      typed["attachments"] = this.#attached.map(({ file_name, type, base64 }) => ({ file_name, base64, ...(type && { type }) }));
    }
    return typed;
  }

  /** What is probably not meant is shown once, and not again to who sends all the same. */
  async #check(): Promise<void> {
    if (this.#isBusy || this.#isOver) return;
    if (this.#isSure) {
      await this.#deliver();
      return;
    }
    // From the press on: a second one must not send a second email.
    this.#busy(true);
    try {
      const reply = await this.call("check_document", this.inLocale(this.#typed()));
      const warnings = (reply["warnings"] as Warning[] | undefined) ?? [];
      this.#busy(false);
      if (reply.status === BAD_EMAIL) this.#end(reply);
      else if (warnings.length === 0) await this.#deliver();
      else this.#warn(warnings);
    } catch (cause) {
      this.#busy(false);
      fill(this.#result, this.unanswered(cause, () => void this.#check()));
    }
  }

  #warn(warnings: Warning[]): void {
    this.#isSure = true;
    const apply = ({ key, proposal }: Warning): HTMLElement | null => {
      const [name, at] = [key.split(/[[.]/)[0] ?? "", /\[(\d+)\]/.exec(key)?.[1]];
      const control = this.#controls.get(name);
      if (!proposal || !control) return null;
      const button = h("button", { type: "button", class: "small" }, this.word("apply"));
      button.addEventListener("click", () => {
        const parts = at === undefined ? [] : addresses(control.input.value);
        if (at !== undefined && Number(at) < parts.length) parts[Number(at)] = proposal;
        control.input.value = at === undefined ? proposal : parts.join(", ");
        button.closest("li")?.remove();
        control.input.focus();
      });
      return h("div", { class: "row" }, button);
    };
    const anyway = h("button", { type: "button", class: "small", onclick: () => void this.#deliver() }, this.word("send_anyway"));
    const list = h("ul", {}, ...warnings.map((warning) => h("li", {}, h("span", {}, warning.message), apply(warning))));
    fill(this.#result, h("div", { class: "box warned column" }, h("h2", {}, this.word("before_sending")), list, h("div", { class: "row" }, anyway)));
    this.#result.scrollIntoView({ block: "nearest" });
  }

  async #deliver(lost: Job | null = null): Promise<void> {
    if (this.#isBusy && !lost) return;
    const job = lost ?? new Job({ call: (name, json, bytes) => this.call(name, json, bytes) });
    this.#job = job;
    this.#busy(true);
    const bar = h("progress", { max: 1000, value: 0, "aria-label": this.word("sending") });
    const said = h("p", { class: "quiet" });
    fill(this.#result, h("div", { class: "box column", part: "progress" }, h("h2", {}, this.word("sending")), bar, said));
    this.#result.scrollIntoView({ block: "nearest" });
    try {
      const bytes = typeof this.#pdf === "string" || !this.#pdf ? undefined : this.#pdf;
      // Who is refused is shown for each recipient, and keeps no other from getting it.
      this.#key ??= key();
      const given = { idempotency_key: this.#key, ...this.#typed(), partial: true };
      const send = (): Promise<Reply> => this.call("send_document", this.inLocale(given), bytes);
      const told = ({ text, permille }: Progress): void => {
        bar.value = permille;
        fill(said, text);
      };
      const reply = lost ? await job.resume(told) : await job.run(send(), told);
      this.#key = null;
      this.#end(reply);
      this.tell(reply.status === OK ? "mailbutton-sent" : "mailbutton-failed", reply);
    } catch (cause) {
      this.#busy(false);
      if (job.isForgotten) {
        this.#key = null;
        const reply = { status: UNCERTAIN, status_name: "UNCERTAIN", reason: "unknown_job", message: this.word("end_unknown") };
        this.#end(reply);
        this.tell("mailbutton-failed", reply);
        return;
      }
      if (job.isBegun) {
        // It may be on its way: what became of it is asked for, and nothing is sent anew.
        fill(this.#result, this.unanswered(cause, () => void this.#deliver(job), "connection_lost"));
        set(this.#send!, { "aria-disabled": "true" });
        // Who does not want to wait for it can leave.
        this.#job = null;
        return;
      }
      this.#job = null;
      fill(this.#result, this.unanswered(cause, () => void this.#check()));
    }
  }

  get #isBusy(): boolean {
    return this.#send?.getAttribute("aria-disabled") === "true";
  }

  #busy(isBusy: boolean): void {
    for (const { input } of this.#controls.values()) input.readOnly = isBusy;
    set(this.#send!, { "aria-disabled": isBusy ? "true" : null });
  }

  #end(reply: Reply): void {
    this.#job = null;
    this.#busy(false);
    const errors = (reply["errors"] as { key: string; message: string }[] | undefined) ?? [];
    const placed = errors.filter(({ key, message }) => this.#refuse(key.split(/[[.]/)[0] ?? "", message));
    const first = placed[0]?.key.split(/[[.]/)[0];
    const report = this.outcome(reply, null, this.#recipients(reply));
    // What was sent, or may have been, is not sent again from here. A person who wants to, begins anew.
    if (reply.status === OK || reply.status === UNCERTAIN) {
      this.#isOver = true;
      this.#send?.remove();
      this.#lock();
      const close = h("button", { type: "button", class: "main", onclick: () => this.#dialog?.close() }, this.word("close"));
      fill(this.#result, report);
      this.#dialog?.querySelector("[part=actions]")?.replaceChildren(close);
      close.focus();
    } else {
      // The same email may go out later: the warnings were seen.
      this.#isSure = reply.status === TRY_LATER;
      fill(this.#result, report);
      if (first) this.#controls.get(first)?.input.focus();
    }
    report.scrollIntoView({ block: "nearest" });
  }

  /** What was sent stays to be read. */
  #lock(): void {
    for (const { input } of this.#controls.values()) input.readOnly = true;
    for (const button of this.#dialog?.querySelectorAll<HTMLElement>("[role=group] button") ?? []) button.hidden = true;
  }

  #recipients(reply: Reply): HTMLElement | null {
    const list = (reply["recipients"] as Recipient[] | undefined) ?? [];
    // Where all met with the same, the sentence has said it.
    if (list.length === 0 || list.every(({ outcome }) => outcome === "not_sent")) return null;
    const tones: Record<string, [string, string]> = { accepted: ["good", "✓"], refused: ["error", "✕"], deferred: ["warning", "!"], uncertain: ["warning", "?"] };
    const row = ({ address, outcome, server }: Recipient): HTMLElement => {
      const [tone, mark] = tones[outcome] ?? ["quiet", "–"];
      const said = server ? [server.code, server.text].filter(Boolean).join(" ") : "";
      return h(
        "tr", {}, h("td", {}, h("bdi", {}, address)),
        h("td", {}, h("span", { class: `mark ${tone}`, "data-mark": mark }, this.word(`outcome_${outcome}`) || outcome), said ? h("p", { class: "words", dir: "auto" }, said) : null),
      );
    };
    const head = h("tr", {}, h("th", { scope: "col" }, this.word("recipient")), h("th", { scope: "col" }, this.word("outcome")));
    return h("table", { part: "recipients" }, h("thead", {}, head), h("tbody", {}, ...list.map(row)));
  }
}

/** Also where a page is not in a secure context, and has no crypto.randomUUID. */
function key(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** As the library counts them: separated by commas and semicolons that stand in no quotes. */
function addresses(typed: string): string[] {
  const parts = typed.match(/(?:"(?:\\.|[^"\\])*"|[^,;"])+/g) ?? [];
  return parts.map((part) => part.trim()).filter(Boolean);
}

async function base64(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(String(reader.result).split(",")[1] ?? ""));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(file);
  });
}

function size(bytes: number, language: string): string {
  const [unit, by] = bytes < 1000 ? (["byte", 1] as const) : bytes < 1_000_000 ? (["kilobyte", 1000] as const) : (["megabyte", 1_000_000] as const);
  const format = { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: 1 } as const;
  return new Intl.NumberFormat(language || undefined, format).format(bytes / by);
}
