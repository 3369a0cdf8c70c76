// One field of the form: made once, brought up to date with each reply, and never changed under the fingers of who types in it.

import { fill, h, set } from "./dom.js";

interface Told {
  code: string;
  message: string;
}

/** As `mailbutton_form` gives it. */
export interface FieldData {
  key: string;
  type: string;
  label: string;
  help?: string | null;
  placeholder?: string | null;
  choices?: { value: string; label: string }[] | null;
  required?: boolean;
  secret?: boolean;
  visible?: boolean;
  enabled?: boolean;
  value?: unknown;
  has_value?: boolean;
  error?: Told | null;
  warning?: Told | null;
}

const KNOWN = ["checkbox", "choice", "email", "email_list", "fingerprint", "host", "port", "secret", "text", "url"];
const KEYBOARDS: Record<string, string> = { email: "email", email_list: "email", host: "url", port: "numeric", url: "url" };

type Input = HTMLInputElement | HTMLSelectElement;

export class Field {
  readonly row: HTMLElement;
  readonly input: Input;
  readonly isKnown: boolean;
  data: FieldData;
  readonly #label: HTMLLabelElement;
  readonly #mark: HTMLElement;
  readonly #note: HTMLElement;
  readonly #told: HTMLElement;
  #refused: string | null = null;

  constructor(data: FieldData, words: (key: string) => string, changed: (field: Field) => void) {
    this.data = data;
    this.isKnown = KNOWN.includes(data.type) && (data.type !== "choice" || Array.isArray(data.choices));
    const id = `field-${data.key}`;
    const isCheck = data.type === "checkbox";
    this.input = this.#make(id);
    this.input.addEventListener(isCheck || this.input.localName === "select" ? "change" : "input", () => {
      this.#refused = null;
      changed(this);
    });
    // Who hears it instead hears it from the input.
    this.#mark = h("span", { class: "required", "aria-hidden": "true" }, words("required"));
    this.#label = h("label", { for: id }, data.label);
    this.#note = h("p", { class: "note", id: `${id}-note` });
    this.#told = h("p", { class: "mark", id: `${id}-told`, "data-mark": "!" });
    const control = data.secret ? this.#withEye(words) : this.input;
    const order = isCheck ? [control, this.#label] : [h("div", { class: "head" }, this.#label, this.#mark), control];
    this.row = h("div", { class: isCheck ? "field check" : "field", part: "field" }, ...order, this.#note, this.#told);
    this.update(data);
  }

  /** What is typed, in the type that goes in. */
  get value(): string | boolean {
    return this.input instanceof HTMLInputElement && this.input.type === "checkbox" ? this.input.checked : this.input.value;
  }

  /** For what was not typed: a repair, a proposal. */
  write(value: unknown): void {
    if (this.input instanceof HTMLInputElement && this.input.type === "checkbox") this.input.checked = value === true;
    else this.input.value = text(value);
  }

  /** What saving said of it, until it is changed. */
  refuse(message: string): void {
    this.#refused = message;
    this.#tell();
  }

  update(data: FieldData): void {
    this.data = data;
    this.row.hidden = data.visible === false;
    set(this.input, { disabled: data.enabled === false, placeholder: data.placeholder ?? null, "aria-required": data.required ? "true" : null });
    fill(this.#label, data.label || data.key);
    this.#mark.hidden = !data.required || Boolean(data.has_value);
    fill(this.#note, data.help ?? "");
    this.#note.hidden = !data.help;
    const isTypedIn = (this.row.getRootNode() as ShadowRoot).activeElement === this.input;
    if (!data.secret && !isTypedIn) this.write(data.value);
    this.#tell();
  }

  #tell(): void {
    const error = this.#refused ?? this.data.error?.message;
    const message = error ?? this.data.warning?.message ?? "";
    this.#told.classList.toggle("error", Boolean(error));
    this.#told.classList.toggle("warning", Boolean(message && !error));
    this.#told.hidden = !message;
    fill(this.#told, message);
    const described = [this.data.help && this.#note.id, message && this.#told.id].filter(Boolean).join(" ");
    set(this.input, { "aria-invalid": error ? "true" : null, "aria-describedby": described || null });
  }

  #make(id: string): Input {
    const { key, type, choices, secret } = this.data;
    if (this.isKnown && type === "choice") {
      return h("select", { id, part: "input" }, ...(choices ?? []).map(({ value, label }) => h("option", { value }, label)));
    }
    const isCheck = type === "checkbox";
    return h("input", {
      id, name: key, part: "input", type: isCheck ? "checkbox" : secret ? "password" : "text",
      // Password managers know an account by these two; addresses and hosts are not to be mended by a spelling checker.
      autocomplete: isCheck ? null : key === "username" ? "username" : key === "password" ? "current-password" : "off",
      inputmode: KEYBOARDS[type], autocapitalize: isCheck ? null : "none", spellcheck: isCheck ? null : key === "sender_name" ? "true" : "false",
      dir: isCheck ? null : key === "sender_name" ? "auto" : "ltr", readonly: !this.isKnown,
    });
  }

  #withEye(words: (key: string) => string): HTMLElement {
    const button = h("button", { type: "button", "aria-pressed": "false" }, words("show_password"));
    button.addEventListener("click", () => {
      const isShown = (this.input as HTMLInputElement).type === "text";
      (this.input as HTMLInputElement).type = isShown ? "password" : "text";
      set(button, { "aria-pressed": isShown ? "false" : "true" });
      fill(button, words(isShown ? "show_password" : "hide_password"));
    });
    return h("div", { class: "secret" }, this.input, button);
  }
}

/** Also of a field whose type is not known here. */
function text(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map(text).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
