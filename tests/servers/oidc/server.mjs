// An OpenID provider on loopback, of the package oidc-provider: node server.mjs PORT LIFETIME_OF_ACCESS_TOKENS
import { Provider } from "oidc-provider";

const [port, lifetime] = process.argv.slice(2).map(Number);
const issuer = `http://127.0.0.1:${port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "desktop",
      application_type: "native",
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
      redirect_uris: ["http://127.0.0.1/"],
    },
    {
      client_id: "web",
      client_secret: "secret-of-the-web-client",
      grant_types: ["authorization_code", "refresh_token"],
      redirect_uris: ["https://books.example.test/callback"],
    },
    {
      client_id: "service",
      client_secret: "secret-of-the-service",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    },
  ],
  features: {
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    devInteractions: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true },
  },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  scopes: ["openid", "offline_access", "send"],
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  ttl: { AccessToken: lifetime, ClientCredentials: lifetime, DeviceCode: 600, RefreshToken: 86400 },
});

// For the tests: what the provider was asked for.
const asked = {};
for (const event of ["grant.success", "grant.error", "grant.revoked"]) {
  provider.on(event, (ctx) => {
    const kind = `${event} ${ctx?.oidc?.params?.grant_type ?? ""}`.trim();
    asked[kind] = (asked[kind] ?? 0) + 1;
  });
}
provider.use(async (ctx, next) => {
  if (ctx.path === "/asked") ctx.body = asked;
  else await next();
});
provider.listen(port, "127.0.0.1", () => console.log("ready"));
