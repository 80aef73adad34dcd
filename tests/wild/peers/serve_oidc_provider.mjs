// npm's oidc-provider as it comes, with its own pages: a server that keyfob logs in at. Told in one argument of JSON:
// secret, plus (another), jwk (public), audience, tls (a server's certificate, key and ca; own, a program's JWK with x5c). Prints one line of JSON once it listens; ends when nobody holds its stdin any more.
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import Provider from 'oidc-provider';

const told = JSON.parse(process.argv[2]);
const server = createServer().listen(0, '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;
// Where programs show certificates: it lets everybody in, and the provider judges.
const { certificate: cert, key, ca, own } = told.tls;
const secure = createSecureServer({ cert, key, ca, requestCert: true, rejectUnauthorized: false }).listen(0, '127.0.0.1');
await once(secure, 'listening');
const mtls = `https://127.0.0.1:${secure.address().port}`;

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
const certified = { ...machine, client_secret: undefined, tls_client_certificate_bound_access_tokens: true };
const provider = new Provider(issuer, {
  clients: [
    { client_id: 'native', ...native },
    { client_id: 'keeps', ...native },
    { client_id: 'confidential', ...native, token_endpoint_auth_method: 'client_secret_basic', client_secret: told.secret },
    { client_id: 'basic', ...machine, token_endpoint_auth_method: 'client_secret_basic' },
    { client_id: 'plus', ...machine, token_endpoint_auth_method: 'client_secret_basic', client_secret: told.plus },
    { client_id: 'key', ...keyed, token_endpoint_auth_method: 'private_key_jwt' },
    { client_id: 'named', ...certified, token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: 'CN=robot' },
    { client_id: 'own', ...certified, token_endpoint_auth_method: 'self_signed_tls_client_auth', jwks: { keys: [own] } },
  ],
  jwks: { keys: [{ ...signing, use: 'sig', alg: 'ES256', kid: 'one' }] },
  claims: { openid: ['sub'], email: ['email'], profile: ['name'] },
  conformIdTokenClaims: false,
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: `${id}@example.com`, name: id }) }),
  // One program gets a new refresh token each time, the other keeps its first.
  rotateRefreshToken: (ctx) => ctx.oidc.client.clientId !== 'keeps',
  clientAuthMethods: [
    'none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth',
  ],
  discovery: { mtls_endpoint_aliases: { token_endpoint: `${mtls}/token`, userinfo_endpoint: `${mtls}/me` } },
  features: {
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      selfSignedTlsClientAuth: true,
      tlsClientAuth: true,
      getCertificate: (ctx) => ctx.socket.getPeerX509Certificate?.(),
      certificateAuthorized: (ctx) => ctx.socket.authorized,
      certificateSubjectMatches: (ctx, property, expected) =>
        property === 'tls_client_auth_subject_dn' && ctx.socket.getPeerX509Certificate().subject === expected,
    },
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
secure.on('request', provider.callback());
process.stdin.resume().on('end', () => process.exit());
console.log(JSON.stringify({ issuer, mtls }));
