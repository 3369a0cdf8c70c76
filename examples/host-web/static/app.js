// Gives mailbutton's elements what they need from this page, and shows what became of an email.
import { fetchHost } from "./mailbutton.js";

const token = document.querySelector("meta[name=csrf-token]")?.content;

for (const element of document.querySelectorAll("mailbutton-settings, mailbutton-compose")) {
  const { base, document: about, pdf } = element.dataset;
  if (about) element.document = JSON.parse(about);
  if (pdf) element.pdf = pdf;
  element.host = fetchHost(base, { headers: { "X-CSRF-Token": token } });
}

// The same page as it is now, parsed by the browser and never run: its history is put in place of this one's.
function refresh() {
  const history = document.getElementById("history");
  if (!history) return;
  const request = new XMLHttpRequest();
  request.open("GET", location.pathname);
  request.responseType = "document";
  request.onload = () => {
    const now = request.response?.getElementById("history");
    if (now) history.replaceWith(document.adoptNode(now));
  };
  request.send();
}

addEventListener("mailbutton-sent", refresh);
addEventListener("mailbutton-failed", refresh);
