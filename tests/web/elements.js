// The smallest elements that mailbutton's functions allow: they stand in for those of bindings/web where that is not built,
// so that the demo program and its route can be tried whole.

const STYLE = new CSSStyleSheet();
STYLE.replaceSync(`
  :host { display: block } :host(mailbutton-compose) { display: inline-block }
  form, .column { display: grid; gap: 1rem }
  .field { display: grid; gap: 0.25rem } .field.check { grid-template-columns: auto 1fr; gap: 0.5rem } .field small { grid-column: 1 / -1 }
  label { font-weight: 600 } small { color: var(--quiet) } .bad { color: var(--bad) }
  input:not([type=checkbox]), select, textarea, button { font: inherit; min-height: 2.5rem; padding: 0.25rem 0.75rem; border-radius: 8px; border: 1px solid var(--strong-line); background: var(--surface); color: var(--ink); box-sizing: border-box; width: 100% }
  input[type=checkbox] { width: 1.25rem; height: 1.25rem }
  button { width: auto; font-weight: 600; cursor: pointer } button.main { background: var(--accent); border-color: var(--accent); color: var(--accent-ink) }
  button[aria-disabled=true] { opacity: 0.75; cursor: default }
  :focus-visible { outline: 3px solid var(--focus); outline-offset: 2px }
  .row { display: flex; gap: 0.75rem; flex-wrap: wrap; align-items: center }
  .box { padding: 1rem; border: 1px solid var(--line); border-radius: 8px; background: var(--sunken); overflow-wrap: anywhere } .box a { color: var(--accent) }
  ul, ol { margin: 0; padding-inline-start: 1.25rem; display: grid; gap: 0.5rem } p { margin: 0 }
  dialog { width: min(40rem, calc(100vw - 2rem)); box-sizing: border-box; border: 1px solid var(--line); border-radius: 12px; background: var(--surface); color: var(--ink); padding: 1.5rem } dialog::backdrop { background: rgb(0 0 0 / 45%) }
  progress { width: 100% }
`);

function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

export function fetchHost(base, { headers = {} } = {}) {
  return {
    async call(name, json) {
      const response = await fetch(`${base}/${name}`, {
        method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(json ?? null),
      });
      if (!response.ok) throw new Error(`${response.status}`);
      return response.json();
    },
  };
}

class Element extends HTMLElement {
  constructor() {
    super();
    this.attachShadow({ mode: "open" }).adoptedStyleSheets = [STYLE];
  }
  get locale() { return this.getAttribute("locale") ?? "en"; }
  set host(host) { this.bridge = host; this.begin(); }
  async begin() {
    this.words = (await this.bridge.call("words", { locale: this.locale })).words;
    await this.start();
  }
  async finish(reply, told) {
    while (reply.status === 1) {
      this.job = reply.job;
      reply = await this.bridge.call("reply_wait", { job: reply.job, after: reply.seen });
      for (const entry of reply.trail ?? []) told(entry);
    }
    this.job = null;
    return reply;
  }
  advice(reply, apply) {
    return h("ul", {}, ...(reply.advice ?? []).map((advice) => h("li", {}, h("span", {}, advice.text), " ",
      advice.link && h("a", { href: advice.link, target: "_blank", rel: "noopener" }, advice.link),
      advice.patch && apply && h("button", { type: "button", onclick: () => apply(advice.patch) },
        advice.code === "accept_certificate" ? this.words.accept_certificate : this.words.apply_and_test))));
  }
}

customElements.define("mailbutton-settings", class extends Element {
  async start() {
    this.values = {};
    this.inputs = new Map();
    this.result = h("div", { role: "status", class: "column" });
    this.notes = h("div", { role: "status", class: "column" });
    this.fields = h("div", { class: "column" });
    this.buttons = h("div", { class: "row" });
    const form = h("form", { novalidate: true }, this.fields, this.notes, this.buttons, this.result);
    form.addEventListener("submit", (event) => event.preventDefault());
    this.shadowRoot.replaceChildren(form);
    await this.show();
  }
  async show() {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const reply = await this.bridge.call("form", { ...this.values, locale: this.locale });
    if (turn !== this.turn) return;
    for (const field of reply.form.fields) this.field(field);
    const { proposal, provider, buttons } = reply.form;
    this.notes.replaceChildren(...[
      proposal && h("div", { class: "box row" }, h("span", {}, proposal.message),
        h("button", { type: "button", onclick: () => this.merge(proposal.patch) }, this.words.apply)),
      provider && h("div", { class: "box column" }, h("strong", {}, provider.name), h("ol", {}, ...provider.steps.map((step) => h("li", {}, step.text)))),
    ].filter(Boolean));
    if (!this.buttons.childElementCount) {
      this.buttons.append(
        h("button", { type: "button", class: "main", onclick: () => this.test() }, buttons[0].label),
        h("button", { type: "button", onclick: () => this.save() }, buttons[1].label));
    }
  }
  field(field) {
    let { row, input, error } = this.inputs.get(field.key) ?? {};
    if (!row) {
      const id = `field-${field.key}`;
      const check = field.type === "checkbox";
      input = field.choices
        ? h("select", { id }, ...field.choices.map((choice) => h("option", { value: choice.value }, choice.label)))
        : h("input", { id, type: check ? "checkbox" : field.secret ? "password" : "text", "aria-describedby": `${id}-help`, dir: check ? null : "auto",
            autocomplete: field.secret ? "current-password" : "off" });
      input.addEventListener(check || field.choices ? "change" : "input", () => {
        this.values[field.key] = check ? input.checked : input.value;
        this.show();
      });
      error = h("small", { class: "bad" });
      const label = h("label", { for: id }, field.label);
      row = h("div", { class: check ? "field check" : "field" }, ...(check ? [input, label] : [label, input]), h("small", { id: `${id}-help` }, field.help ?? ""), error);
      this.inputs.set(field.key, { row, input, error });
      this.fields.append(row);
    }
    row.hidden = !field.visible;
    row.style.display = field.visible ? "" : "none";
    error.textContent = (field.error ?? field.warning)?.message ?? "";
    if (field.type === "checkbox") input.checked = field.value === true;
    else if (!field.secret && input !== this.shadowRoot.activeElement) input.value = field.value ?? "";
    if (!field.secret && field.value != null && !(field.key in this.values)) this.values[field.key] = field.value;
  }
  async merge(patch) {
    Object.assign(this.values, patch);
    await this.show();
  }
  async test() {
    const steps = h("ol", {});
    this.result.replaceChildren(steps);
    const begun = await this.bridge.call("send_test", { settings: this.values, locale: this.locale });
    const reply = await this.finish(begun, (entry) => steps.lastElementChild?.textContent !== entry.text && steps.append(h("li", {}, entry.text)));
    this.result.replaceChildren(h("div", { class: "box column" }, h("strong", { class: "message" }, reply.message),
      this.advice(reply, async (patch) => { await this.merge(patch); await this.test(); }),
      h("ul", {}, ...(reply.errors ?? []).map((error) => h("li", {}, error.message)))));
    this.dispatchEvent(new CustomEvent("mailbutton-tested", { detail: reply, bubbles: true, composed: true }));
  }
  async save() {
    const reply = await this.bridge.call("settings_set", { ...this.values, locale: this.locale });
    this.result.replaceChildren(h("p", { class: "message" }, reply.status === 0 ? this.words.saved : reply.message));
    if (reply.status === 0) this.dispatchEvent(new CustomEvent("mailbutton-saved", { detail: reply, bubbles: true, composed: true }));
  }
});

customElements.define("mailbutton-compose", class extends Element {
  async start() {
    const reply = await this.bridge.call("button", { ...this.document, locale: this.locale });
    if (!reply.button?.visible) return;
    this.shadowRoot.replaceChildren(h("button", { type: "button", class: "main", onclick: () => this.open(reply) }, reply.button.label));
  }
  open({ email, button }) {
    const input = (key, value, name = "input") => {
      const element = h(name, { id: key, dir: "auto", rows: name === "textarea" ? 6 : null });
      element.value = [value ?? ""].flat().join(", ");
      return [h("div", { class: "field" }, h("label", { for: key }, this.words[key]), element), element];
    };
    const [to, toInput] = input("to", email.to);
    const [cc, ccInput] = input("cc", "");
    const [subject, subjectInput] = input("subject", email.subject);
    const [message, messageInput] = input("message", email.body, "textarea");
    const result = h("div", { role: "status", class: "column" });
    const send = h("button", { type: "button", class: "main" }, this.words.send);
    const cancel = h("button", { type: "button" }, this.words.cancel);
    const close = h("button", { type: "button" }, this.words.close);
    const dialog = h("dialog", { "aria-label": button.label }, h("div", { class: "column" }, to, cc, subject, message, h("div", { class: "row" }, send, cancel, close), result));
    send.addEventListener("click", async () => {
      const bar = h("progress", { max: 1000, value: 0, "aria-label": this.words.send });
      const step = h("p", {});
      result.replaceChildren(bar, step);
      const given = { ...email, to: toInput.value, cc: ccInput.value || null, subject: subjectInput.value, body: messageInput.value, partial: true, locale: this.locale };
      const reply = await this.finish(await this.bridge.call("send_document", given), (entry) => { bar.value = entry.permille; step.textContent = entry.text; });
      result.replaceChildren(h("strong", { class: "message" }, reply.message),
        h("ul", {}, ...(reply.recipients ?? []).map((each) => h("li", {}, `${each.address}: ${each.outcome} ${each.server?.text ?? ""}`))), this.advice(reply));
      this.dispatchEvent(new CustomEvent(reply.status === 0 ? "mailbutton-sent" : "mailbutton-failed", { detail: reply, bubbles: true, composed: true }));
    });
    cancel.addEventListener("click", () => this.job && this.bridge.call("reply_cancel", { job: this.job }));
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    this.shadowRoot.append(dialog);
    dialog.showModal();
    if (this.pdf) dialog.dataset.pdf = this.pdf;
  }
});
