// oauth4webapi 3: every request and every answer by hand, nothing is retried for you.

import { setTimeout as pause } from "node:timers/promises";
import { importJWK } from "jose";
import * as oauth from "oauth4webapi";
import { ask, perform } from "./talk.mjs";

const plain = { [oauth.allowInsecureRequests]: true };

async function meet({ issuer, client_id, method, secret, jwk }, algorithm = "oidc") {
  const methods = {
    client_secret_basic: () => oauth.ClientSecretBasic(secret),
    client_secret_post: () => oauth.ClientSecretPost(secret),
    private_key_jwt: async () => oauth.PrivateKeyJwt({ key: await importJWK(jwk, "RS256"), kid: jwk.kid }),
  };
  const url = new URL(issuer);
  const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm, ...plain }));
  return { as, client: { client_id }, proof: await (methods[method] ?? oauth.None)() };
}

// Ask again with the nonce that a refusal carried, once: RFC 9449 section 8.
async function twice(request, options = {}) {
  try {
    return await request(options);
  } catch (problem) {
    if (!options.DPoP || !oauth.isDPoPNonceError(problem)) throw problem;
    return request(options);
  }
}

const shown = (tokens) => ({ ...tokens, claims: oauth.getValidatedIdTokenClaims(tokens) });

async function pushed({ as, client, proof }, parameters, options) {
  const answer = await oauth.pushedAuthorizationRequest(as, client, proof, parameters, { ...plain, ...options });
  const { request_uri } = await oauth.processPushedAuthorizationResponse(as, client, answer);
  return { client_id: client.client_id, request_uri };
}

async function authorized(parties, told, options = {}) {
  const { as, client, proof } = parties;
  const verifier = oauth.generateRandomCodeVerifier();
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
  let parameters = {
    client_id: client.client_id,
    response_type: "code",
    redirect_uri: told.callback,
    scope: told.scope,
    audience: told.audience,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    nonce,
  };
  if (told.par) parameters = await twice((more) => pushed(parties, parameters, more), options);
  const url = `${as.authorization_endpoint}?${new URLSearchParams(parameters)}`;
  const back = oauth.validateAuthResponse(as, client, new URL(await ask("browser", { url })), state);
  const used = told.verifier ?? verifier;
  return twice(async (more) => {
    const all = { ...plain, ...more };
    const answer = await oauth.authorizationCodeGrantRequest(as, client, proof, back, told.callback, used, all);
    return oauth.processAuthorizationCodeResponse(as, client, answer, {
      expectedNonce: nonce,
      requireIdToken: true,
    });
  }, options);
}

async function renewed({ as, client, proof }, token, more = {}, options = {}) {
  return twice(async (dpop) => {
    const all = { ...plain, ...dpop, additionalParameters: more };
    const answer = await oauth.refreshTokenGrantRequest(as, client, proof, token, all);
    return oauth.processRefreshTokenResponse(as, client, answer);
  }, options);
}

async function described({ as, client }, token, sub, options = {}) {
  return twice(async (more) => {
    const answer = await oauth.userInfoRequest(as, client, token, { ...plain, ...more });
    return oauth.processUserInfoResponse(as, client, sub, answer);
  }, options);
}

const handle = async (client) => ({ DPoP: oauth.DPoP(client, await oauth.generateKeyPair("ES256")) });

const flows = {
  async discovery(told) {
    const [oidc, oauth2] = [await meet(told), await meet(told, "oauth2")];
    return { ...oidc.as, same: JSON.stringify(oidc.as) === JSON.stringify(oauth2.as) };
  },
  async device(told) {
    const { as, client, proof } = await meet(told);
    const asked = { scope: told.scope, audience: told.audience };
    const begun = await oauth.deviceAuthorizationRequest(as, client, proof, asked, plain);
    const codes = await oauth.processDeviceAuthorizationResponse(as, client, begun);
    await ask("device", codes);
    let interval = codes.interval ?? 5;
    const options = told.dpop ? await handle(client) : {};
    for (;;) {
      try {
        const tokens = await twice(async (more) => {
          const all = { ...plain, ...more };
          const answer = await oauth.deviceCodeGrantRequest(as, client, proof, codes.device_code, all);
          return oauth.processDeviceCodeResponse(as, client, answer);
        }, options);
        return shown(tokens);
      } catch (problem) {
        if (problem.error === "slow_down") interval += 5;
        else if (problem.error !== "authorization_pending") throw problem;
      }
      await pause(interval * 1000);
    }
  },
  async credentials(told) {
    const { as, client, proof } = await meet(told);
    const asked = { audience: told.audience, ...(told.scope && { scope: told.scope }) };
    const options = told.dpop ? await handle(client) : {};
    return twice(async (more) => {
      const answer = await oauth.clientCredentialsGrantRequest(as, client, proof, asked, { ...plain, ...more });
      return oauth.processClientCredentialsResponse(as, client, answer);
    }, options);
  },
  async code(told) {
    return shown(await authorized(await meet(told), told));
  },
  async refresh(told) {
    return shown(await renewed(await meet(told), told.refresh_token, told.more));
  },
  async revoke(told) {
    const { as, client, proof } = await meet(told);
    await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, proof, told.token, plain));
    return {};
  },
  async userinfo(told) {
    return described(await meet(told), told.token, told.sub);
  },
  async introspect(told) {
    const { as, client, proof } = await meet(told);
    const answer = await oauth.introspectionRequest(as, client, proof, told.token, plain);
    return oauth.processIntrospectionResponse(as, client, answer);
  },
  async dpop(told) {
    const parties = await meet(told);
    const options = await handle(parties.client);
    const tokens = await authorized(parties, { ...told, par: true }, options);
    const { sub } = oauth.getValidatedIdTokenClaims(tokens);
    const userinfo = await described(parties, tokens.access_token, sub, options);
    const again = await renewed(parties, tokens.refresh_token, {}, options);
    return { ...shown(tokens), userinfo, renewed: again, thumbprint: await options.DPoP.calculateThumbprint() };
  },
};

const explain = (problem) => ({ error: problem.error ?? problem.code, status: problem.status });

await perform(flows, explain);
