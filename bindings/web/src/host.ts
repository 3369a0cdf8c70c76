// How the page speaks to the program. The program's side calls the function `mailbutton_<name>` and gives back its reply.

/** The JSON of any reply; what is in it, docs/json.md says. */
export interface Reply {
  status: number;
  status_name: string;
  reason?: string;
  message?: string;
  // What else is in a reply depends on the function, and more may come with any version.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  [member: string]: any;
}

export interface Progress {
  step: string;
  text: string;
  permille: number;
}

/**
 * One call of a function of the library, by its name without `mailbutton_`. `bytes` are the PDF of `send_document`; without them the
 * program adds the document itself. The promise is rejected only where no reply came at all.
 *
 * Work that is under way is answered with `{"status": 1, "job", "seen"}`, and goes on with the functions `reply_wait` (`{"job", "after"}`)
 * and `reply_cancel` (`{"job"}`). Answers get lost: the program keeps an end for a minute, for who asks again, and takes `send_document` with
 * the `idempotency_key` of an email that is under way, or was sent in that minute, as a question about that one.
 */
export interface Host {
  call(name: string, json: object | null, bytes?: Uint8Array | Blob): Promise<Reply>;
}

export const OK = 0;
export const PENDING = 1;
export const TRY_LATER = -6;
export const UNCERTAIN = -8;
export const BAD_EMAIL = -11;

/** A program behind HTTP: each function is posted to its own address under `base`. */
export function fetchHost(base: string, options: { headers?: Record<string, string> } = {}): Host {
  return {
    async call(name, json, bytes) {
      const headers: Record<string, string> = { ...options.headers };
      let body: BodyInit = JSON.stringify(json);
      if (bytes) {
        const form = new FormData();
        form.append("json", new Blob([body], { type: "application/json" }));
        form.append("pdf", new Blob([bytes as BlobPart], { type: "application/pdf" }), "document.pdf");
        body = form;
      } else {
        headers["Content-Type"] = "application/json";
      }
      const response = await fetch(`${base.replace(/\/$/, "")}/${name}`, { method: "POST", headers, body });
      if (!response.ok) throw new Error(`the program answers ${response.status}`);
      return (await response.json()) as Reply;
    },
  };
}

/** What a web view gives to speak with its program: a `MessagePort`, or the like. */
export interface Channel {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
  start?(): void;
}

/** A program behind a message channel: it gets `{id, function, json, bytes}` and sends `{id, reply}` or `{id, error}`. */
export function messageHost(channel: Channel): Host {
  const waiting = new Map<number, { resolve: (reply: Reply) => void; reject: (error: Error) => void }>();
  let last = 0;
  channel.addEventListener("message", ({ data }) => {
    const caller = waiting.get(data?.id);
    if (!caller) return;
    waiting.delete(data.id);
    if (data.reply) caller.resolve(data.reply as Reply);
    else caller.reject(new Error(String(data.error)));
  });
  channel.start?.();
  return {
    async call(name, json, bytes) {
      const sent = bytes instanceof Blob ? new Uint8Array(await bytes.arrayBuffer()) : bytes;
      return new Promise((resolve, reject) => {
        waiting.set(++last, { resolve, reject });
        channel.postMessage({ id: last, function: name, json, ...(sent && { bytes: sent }) });
      });
    },
  };
}

/** A piece of work, followed to its end. */
export class Job {
  #id: string | null = null;
  #seen = 0;
  #wantsCancel = false;
  #isForgotten = false;

  constructor(private readonly host: Host) {}

  /** It was begun, and may go on although nothing is heard of it: then it must not be begun again. */
  get isBegun(): boolean {
    return this.#id !== null;
  }

  /** The program was asked too late, or was begun anew meanwhile: how it ended, nobody knows. */
  get isForgotten(): boolean {
    return this.#isForgotten;
  }

  async run(begun: Promise<Reply>, told: (progress: Progress) => void): Promise<Reply> {
    return this.#follow(await begun, told);
  }

  /** After the connection to the program was lost: asks how it went on. */
  async resume(told: (progress: Progress) => void): Promise<Reply> {
    return this.#follow(await this.#wait(), told);
  }

  async #follow(first: Reply, told: (progress: Progress) => void): Promise<Reply> {
    let reply = first;
    while (reply.status === PENDING) {
      this.#id = reply["job"] as string;
      this.#seen = (reply["seen"] as number | undefined) ?? 0;
      for (const progress of (reply["trail"] as Progress[] | undefined) ?? []) told(progress);
      if (this.#wantsCancel) await this.#cancel();
      reply = await this.#wait();
    }
    this.#id = null;
    for (const progress of (reply["trail"] as Progress[] | undefined) ?? []) told(progress);
    return reply;
  }

  async #wait(): Promise<Reply> {
    const reply = await this.host.call("reply_wait", { job: this.#id, after: this.#seen });
    if (reply.reason !== "unknown_job") return reply;
    this.#id = null;
    this.#isForgotten = true;
    throw new Error(reply.message);
  }

  async cancel(): Promise<void> {
    this.#wantsCancel = true;
    if (this.#id !== null) await this.#cancel();
  }

  async #cancel(): Promise<void> {
    this.#wantsCancel = false;
    // The end comes by reply_wait; that it could not be asked for changes nothing.
    await this.host.call("reply_cancel", { job: this.#id }).catch(() => undefined);
  }
}
