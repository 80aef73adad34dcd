// npm's oidc-provider as it comes, with its own pages: a server that keyfob logs in at. Told in one argument of JSON:
// secret, plus (another), jwk (public), audience. Prints one line of JSON once it listens; ends when nobody holds its stdin any more.
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const told = JSON.parse(process.argv[2]);
const server = createServer().listen(0, '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;

const signing = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
const native = {
  application_type: 'native',
  redirect_uris: ['http://127.0.0.1/callback'],
  grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'authorization_code', 'refresh_token'],
  token_endpoint_auth_method: 'none',
  id_token_signed_response_alg: 'ES256',
};
const machine = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [], client_secret: told.secret, id_token_signed_response_alg: 'ES256' };
const keyed = { ...machine, client_secret: undefined, jwks: { keys: [told.jwk] } };
const provider = new Provider(issuer, {
  clients: [
    { client_id: 'native', ...native },
    { client_id: 'keeps', ...native },
    { client_id: 'confidential', ...native, token_endpoint_auth_method: 'client_secret_basic', client_secret: told.secret },
    { client_id: 'basic', ...machine, token_endpoint_auth_method: 'client_secret_basic' },
    { client_id: 'plus', ...machine, token_endpoint_auth_method: 'client_secret_basic', client_secret: told.plus },
    { client_id: 'key', ...keyed, token_endpoint_auth_method: 'private_key_jwt' },
  ],
  jwks: { keys: [{ ...signing, use: 'sig', alg: 'ES256', kid: 'one' }] },
  claims: { openid: ['sub'], email: ['email'], profile: ['name'] },
  conformIdTokenClaims: false,
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: `${id}@example.com`, name: id }) }),
  // One program gets a new refresh token each time, the other keeps its first.
  rotateRefreshToken: (ctx) => ctx.oidc.client.clientId !== 'keeps',
  features: {
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    dPoP: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: 'orders',
        audience: told.audience,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
});
provider.on('server_error', (_, error) => console.error(error));
server.on('request', provider.callback());
process.stdin.resume().on('end', () => process.exit());
console.log(JSON.stringify({ issuer }));
