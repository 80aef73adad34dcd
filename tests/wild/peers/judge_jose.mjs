// jose: jwtVerify with the issuer's keys fetched by createRemoteJWKSet.

import { createRemoteJWKSet, jwtVerify } from "jose";
import { perform } from "./talk.mjs";

const flows = {
  async judge({ issuer, audience, type, calls }) {
    const metadata = await (await fetch(`${issuer}.well-known/openid-configuration`)).json();
    const keys = createRemoteJWKSet(new URL(metadata.jwks_uri));
    const wanted = { issuer, audience, algorithms: ["RS256"], typ: type, requiredClaims: ["exp", "sub"] };
    const verdicts = {};
    for (const [name, { authorization }] of Object.entries(calls)) {
      try {
        const { payload } = await jwtVerify(authorization?.slice("Bearer ".length), keys, wanted);
        verdicts[name] = { takes: true, sub: payload.sub };
      } catch (problem) {
        verdicts[name] = { takes: false, said: problem.code ?? String(problem) };
      }
    }
    return verdicts;
  },
};

await perform(flows, () => ({}));
