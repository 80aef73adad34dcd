// npm's oidc-provider gives tokens for an API (RFC 9068), RS256 and ES256, and an opaque one; the test judges them while it runs.

import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import Provider from "oidc-provider";
import { ask, perform } from "./talk.mjs";

// What it has to say, it says on the line that is for the test.
console.info = console.warn = console.error;

const made = (type, options, more) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: "jwk" }),
  use: "sig",
  ...more,
});

const flows = {
  async mint({ audience, secret }) {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const issuer = `http://127.0.0.1:${server.address().port}`;
    const provider = new Provider(issuer, {
      jwks: {
        keys: [
          made("rsa", { modulusLength: 2048 }, { alg: "RS256", kid: "rsa" }),
          made("ec", { namedCurve: "P-256" }, { alg: "ES256", kid: "ec" }),
        ],
      },
      clients: [
        {
          client_id: "machine",
          client_secret: secret,
          grant_types: ["client_credentials"],
          token_endpoint_auth_method: "client_secret_post",
          redirect_uris: [],
          response_types: [],
        },
      ],
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: (_, resource) => ({
            scope: "read:orders",
            audience,
            accessTokenFormat: resource.endsWith("opaque") ? "opaque" : "jwt",
            jwt: { sign: { alg: resource.endsWith("ec") ? "ES256" : "RS256" } },
          }),
        },
      },
    });
    server.on("request", provider.callback());
    const token = async (resource, scope) => {
      const fields = { grant_type: "client_credentials", client_id: "machine", client_secret: secret, resource, scope };
      const answer = await fetch(`${issuer}/token`, { method: "POST", body: new URLSearchParams(fields) });
      return (await answer.json()).access_token;
    };
    const tokens = {
      RS256: await token("https://orders.example/rsa", "read:orders"),
      ES256: await token("https://orders.example/ec", "read:orders"),
      unscoped: await token("https://orders.example/rsa", ""),
      opaque: await token("https://orders.example/opaque", "read:orders"),
    };
    return ask("judge", { issuer, tokens });
  },
};

await perform(flows, () => ({}));
