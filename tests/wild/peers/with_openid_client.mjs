// openid-client 6: what its README shows, one function for each flow.

import * as client from "openid-client";
import { importJWK } from "jose";
import { ask, perform } from "./talk.mjs";

async function configured({ issuer, client_id, method, secret, jwk }) {
  const methods = {
    client_secret_basic: () => client.ClientSecretBasic(secret),
    client_secret_post: () => client.ClientSecretPost(secret),
    private_key_jwt: async () => client.PrivateKeyJwt({ key: await importJWK(jwk, "RS256"), kid: jwk.kid }),
  };
  const authentication = await (methods[method] ?? client.None)();
  const options = { execute: [client.allowInsecureRequests] };
  return client.discovery(new URL(issuer), client_id, undefined, authentication, options);
}

async function bound(config, dpop) {
  return dpop ? { DPoP: client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256")) } : {};
}

const shown = (tokens) => ({ ...tokens, claims: tokens.claims?.() });

async function authorized(config, told, handle = {}) {
  const verifier = client.randomPKCECodeVerifier();
  const [state, nonce] = [client.randomState(), client.randomNonce()];
  const parameters = {
    redirect_uri: told.callback,
    scope: told.scope,
    audience: told.audience,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    nonce,
  };
  const url = told.par
    ? await client.buildAuthorizationUrlWithPAR(config, parameters, handle)
    : client.buildAuthorizationUrl(config, parameters);
  const back = new URL(await ask("browser", { url: url.href }));
  const checks = { pkceCodeVerifier: told.verifier ?? verifier, expectedState: state, expectedNonce: nonce };
  return client.authorizationCodeGrant(config, back, checks, undefined, handle);
}

const flows = {
  async discovery(told) {
    const config = await configured(told);
    return config.serverMetadata();
  },
  async device(told) {
    const config = await configured(told);
    const codes = await client.initiateDeviceAuthorization(config, { scope: told.scope, audience: told.audience });
    await ask("device", codes);
    if (told.hurry) codes.interval = 0.2;
    return shown(await client.pollDeviceAuthorizationGrant(config, codes, undefined, await bound(config, told.dpop)));
  },
  async credentials(told) {
    const config = await configured(told);
    const asked = { audience: told.audience, ...(told.scope && { scope: told.scope }) };
    return shown(await client.clientCredentialsGrant(config, asked, await bound(config, told.dpop)));
  },
  async code(told) {
    return shown(await authorized(await configured(told), told));
  },
  async refresh(told) {
    return shown(await client.refreshTokenGrant(await configured(told), told.refresh_token, told.more));
  },
  async revoke(told) {
    await client.tokenRevocation(await configured(told), told.token);
    return {};
  },
  async userinfo(told) {
    return client.fetchUserInfo(await configured(told), told.token, told.sub);
  },
  async introspect(told) {
    return client.tokenIntrospection(await configured(told), told.token);
  },
  // A key of its own from the code to /userinfo and the renewal.
  async dpop(told) {
    const config = await configured(told);
    const handle = await bound(config, true);
    const tokens = await authorized(config, told, handle);
    const { sub } = tokens.claims();
    const userinfo = await client.fetchUserInfo(config, tokens.access_token, sub, handle);
    const renewed = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, handle);
    const thumbprint = await handle.DPoP.calculateThumbprint();
    return { ...shown(tokens), userinfo, renewed, thumbprint };
  },
};

const explain = (problem) => ({
  error: problem.error ?? problem.code,
  status: problem.status ?? problem.cause?.status,
});

await perform(flows, explain);
