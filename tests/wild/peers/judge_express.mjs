// express-oauth2-jwt-bearer, as its README has it, with and without `strict`; each call goes to it over HTTP.

import { once } from "node:events";
import express from "express";
import { auth, requiredScopes } from "express-oauth2-jwt-bearer";
import { perform } from "./talk.mjs";

const flows = {
  async judge({ issuer, audience, scope, strict, calls }) {
    const app = express();
    const guards = [auth({ issuerBaseURL: issuer, audience, strict }), requiredScopes(scope)];
    app.get("/orders", guards, (request, response) => response.json({ sub: request.auth.payload.sub }));
    // Four parameters make it express's handler of errors.
    app.use((problem, request, response, next) =>
      response.status(problem.status ?? 500).json({ said: problem.code || problem.constructor.name }),
    );
    const server = app.listen(0, "127.0.0.1");
    await once(server, "listening");
    const verdicts = {};
    for (const [name, { authorization, query }] of Object.entries(calls)) {
      const headers = authorization === undefined ? {} : { authorization };
      const answer = await fetch(`http://127.0.0.1:${server.address().port}/orders${query ?? ""}`, { headers });
      verdicts[name] = { takes: answer.status === 200, status: answer.status, ...(await answer.json()) };
    }
    server.close();
    return verdicts;
  },
};

await perform(flows, () => ({}));
