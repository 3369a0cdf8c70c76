// A program for the elements whose replies a test decides, and which holds one back for as long as the test likes.

class FakeHost {
  calls = [];
  #replies = new Map();
  #held = new Map();

  /** What `name` is answered with, one call after the other, and the last one from then on; null is no answer at all. */
  say(name, ...replies) {
    this.#replies.set(name, replies);
  }

  /** From here on, calls of `name` wait. */
  hold(name) {
    this.#held.set(name, []);
  }

  /** Answers the call of `name` that has waited `index` calls longer than the newest ones, and holds on to the others. */
  release(name, index, reply) {
    const [answer] = this.#held.get(name).splice(index, 1);
    answer(reply);
  }

  waiting(name) {
    return this.#held.get(name)?.length ?? 0;
  }

  letGo(name) {
    this.#held.delete(name);
  }

  async call(name, json, bytes) {
    this.calls.push({ name, json: structuredClone(json), bytes: bytes ? (bytes.size ?? bytes.byteLength) : null });
    const replies = this.#replies.get(name) ?? [];
    const reply = replies.length > 1 ? replies.shift() : replies[0];
    const held = this.#held.get(name);
    const answer = held ? await new Promise((resolve) => held.push(resolve)) : reply;
    if (answer === undefined) throw new Error(`the test has no reply for ${name}`);
    if (answer === null) throw new Error("the connection is gone");
    return structuredClone(answer);
  }
}

window.events = [];
for (const name of ["mailbutton-saved", "mailbutton-tested", "mailbutton-sent", "mailbutton-failed"]) {
  addEventListener(name, (event) => window.events.push([event.type, event.detail.status_name]));
}
window.fake = new FakeHost();

/** An element as a page would have it: there first, and given its properties before its class is known, if `early`. */
window.show = async (tag, properties = {}, attributes = {}, early = true) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  document.querySelector("main").append(element);
  if (!early) await import("./mailbutton.js");
  Object.assign(element, properties, { host: window.fake });
  if (early) await import("./mailbutton.js");
};
