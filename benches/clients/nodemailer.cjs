// The job with nodemailer and its pool:  node nodemailer.cjs modules=FOLDER ...
"use strict";

const fs = require("node:fs");
const path = require("node:path");

const given = Object.fromEntries(process.argv.slice(2).map((argument) => argument.split(/=(.*)/s).slice(0, 2)));
const connections = Number(given.connections);
const count = Number(given.count);
const to = Array.from({ length: Number(given.recipients) }, (_, number) => `r${number}@example.com`);
const whole = given.source === "file" ? { path: given.document } : { content: fs.readFileSync(given.document) };
const small = { content: Buffer.from("%PDF-1.7\nto warm up\n%%EOF\n") };

function open() {
  const nodemailer = require(path.join(given.modules, "nodemailer"));
  return nodemailer.createTransport({
    pool: true,
    maxConnections: connections,
    maxMessages: Infinity,
    // By address, as it would ask the name server for "localhost".
    host: "127.0.0.1",
    port: Number(given.port),
    secure: given.security === "tls",
    requireTLS: true,
    name: "client.example.com",
    auth: { user: given.user, pass: given.password },
    tls: { servername: given.host, ca: fs.readFileSync(given.ca_file) },
  });
}

function send(transport, document) {
  return transport.sendMail({
    from: given.user,
    to,
    subject: "Invoice",
    text: "Please find it attached.\n",
    attachments: [{ filename: "document.pdf", contentType: "application/pdf", ...document }],
  });
}

async function sendAll(transport) {
  if (given.mode === "batch") {
    await Promise.all(Array.from({ length: count }, () => send(transport, whole)));
    return;
  }
  let left = count;
  const work = async () => {
    while (left-- > 0) await send(transport, whole);
  };
  await Promise.all(Array.from({ length: connections }, work));
}

function go() {
  return new Promise((resolve) => {
    process.stdin.once("data", resolve);
    process.stdout.write("ready\n");
  });
}

function megabytes(name) {
  const line = fs.readFileSync("/proc/self/status", "utf8").split("\n").find((one) => one.startsWith(name));
  return (Number(line.split(/\s+/)[1]) * 1024) / 1e6;
}

const seconds = () => Number(process.hrtime.bigint()) / 1e9;

function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function main() {
  if (given.mode === "cold") {
    await go();
    const started = seconds();
    await send(open(), whole);
    return { cold_ms: (seconds() - started) * 1e3 };
  }
  const transport = open();
  await Promise.all(Array.from({ length: connections }, () => send(transport, small)));
  await go();
  fs.writeFileSync("/proc/self/clear_refs", "5");
  const [idle, started, cpu] = [megabytes("VmRSS:"), seconds(), cpuSeconds()];
  await sendAll(transport);
  const [ended, cpuAfter] = [seconds(), cpuSeconds()];
  return { seconds: ended - started, cpu_seconds: cpuAfter - cpu, memory_mb: megabytes("VmHWM:") - idle, note: "" };
}

main().then(
  (report) => {
    process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
  },
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
