export { fetchHost, messageHost } from "./host.js";
export type { Channel, Host, Progress, Reply } from "./host.js";
export { MailbuttonCompose } from "./compose.js";
export { MailbuttonSettings } from "./settings.js";

import { MailbuttonCompose } from "./compose.js";
import { MailbuttonSettings } from "./settings.js";

// A page may load this twice.
if (!customElements.get("mailbutton-settings")) customElements.define("mailbutton-settings", MailbuttonSettings);
if (!customElements.get("mailbutton-compose")) customElements.define("mailbutton-compose", MailbuttonCompose);

declare global {
  interface HTMLElementTagNameMap {
    "mailbutton-settings": MailbuttonSettings;
    "mailbutton-compose": MailbuttonCompose;
  }
}
