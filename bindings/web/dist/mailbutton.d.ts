/** The JSON of any reply; what is in it, docs/json.md says. */
export interface Reply {
	status: number;
	status_name: string;
	reason?: string;
	message?: string;
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
/** A program behind HTTP: each function is posted to its own address under `base`. */
export declare function fetchHost(base: string, options?: {
	headers?: Record<string, string>;
}): Host;
/** What a web view gives to speak with its program: a `MessagePort`, or the like. */
export interface Channel {
	postMessage(message: unknown): void;
	addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
	start?(): void;
}
/** A program behind a message channel: it gets `{id, function, json, bytes}` and sends `{id, reply}` or `{id, error}`. */
export declare function messageHost(channel: Channel): Host;
export type Values = Record<string, unknown>;
export interface Advice {
	code: string;
	text: string;
	link?: string | null;
	patch?: Values | null;
}
declare abstract class Base extends HTMLElement {
	#private;
	static readonly observedAttributes: string[];
	/** With the language and the direction of what is in it. */
	protected readonly top: HTMLDivElement;
	protected words: Record<string, string>;
	constructor();
	/** Set it, and the element begins. */
	get host(): Host | null;
	set host(host: Host | null);
	connectedCallback(): void;
	attributeChangedCallback(): void;
	protected properties(): string[];
	/** From the beginning, for what is set now. */
	protected abstract start(reply: Reply): void;
	/** What it begins with. */
	protected abstract ask(): Promise<Reply>;
	protected restart(): void;
	protected call(name: string, json: object | null, bytes?: Uint8Array | Blob): Promise<Reply>;
	/** As what a call takes besides. */
	protected inLocale<T extends object>(json: T): T & {
		locale?: string;
	};
	protected word(key: string): string;
	protected filled(key: string, name: string, value: string): string;
	/** `word` is what is to be said: nothing was changed, or nobody knows. The cause is for who builds the page. */
	protected unanswered(cause: unknown, again: () => void, word?: string): HTMLElement;
	protected tell(name: string, detail: unknown): void;
	/** How it ended: the sentence, what to do, and what is for whoever helps. */
	protected outcome(reply: Reply, take: ((advice: Advice) => void) | null, ...more: (HTMLElement | null)[]): HTMLElement;
}
export declare class MailbuttonCompose extends Base {
	#private;
	/** What `button` takes: the document's kind, reference and recipient. */
	get document(): Values;
	set document(document: Values);
	/** The PDF that is shown and sent, or the address of one that the program sends by itself. */
	get pdf(): Blob | Uint8Array | string | null;
	set pdf(pdf: Blob | Uint8Array | string | null);
	protected properties(): string[];
	protected ask(): Promise<Reply>;
	protected start(reply: Reply): void;
	connectedCallback(): void;
	disconnectedCallback(): void;
}
export declare class MailbuttonSettings extends Base {
	#private;
	/** What `sign_in` is called with besides the settings, such as `{"flow": "device"}`. */
	get signIn(): Values;
	set signIn(signIn: Values);
	protected properties(): string[];
	protected ask(): Promise<Reply>;
	protected start(reply: Reply): void;
}

export {};
