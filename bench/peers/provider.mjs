// npm's oidc-provider with the same work as our tenant: client credentials (RS256, ES256), device codes, refresh with
// rotation, all in its memory. Prints JSON once it listens: port, and refresh tokens to begin with.
import { generateKeyPairSync } from 'node:crypto';
import { pathToFileURL } from 'node:url';

const [modules, secret, count] = [process.argv[2], process.argv[3], Number(process.argv[4])];
const { default: Provider } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`));
const jwk = (key, more) => ({ ...key.privateKey.export({ format: 'jwk' }), use: 'sig', ...more });
const keys = [
  jwk(generateKeyPairSync('rsa', { modulusLength: 2048 }), { alg: 'RS256', kid: 'rsa' }),
  jwk(generateKeyPairSync('ec', { namedCurve: 'P-256' }), { alg: 'ES256', kid: 'ec' }),
];
const device = 'urn:ietf:params:oauth:grant-type:device_code';
const bare = { redirect_uris: [], response_types: [] };
const provider = new Provider('http://127.0.0.1', {
  jwks: { keys },
  scopes: ['openid', 'offline_access', 'read:orders', 'read:stock'],
  clients: [
    { client_id: 'machine', client_secret: secret, grant_types: ['client_credentials'], token_endpoint_auth_method: 'client_secret_post', ...bare },
    { client_id: 'native', grant_types: [device, 'refresh_token'], token_endpoint_auth_method: 'none', application_type: 'native', ...bare },
  ],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    // Of its usual eight letters, two codes were once the same in a run, which it answers with an error.
    deviceFlow: { enabled: true, mask: '****-****-****' },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'https://orders.example/',
      useGrantedResource: () => true,
      getResourceServerInfo: (_, resource) => ({
        scope: 'read:orders read:stock',
        audience: resource,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: resource.includes('stock') ? 'ES256' : 'RS256' } },
      }),
    },
  },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});
const listener = provider.listen(0, '127.0.0.1', async () => {
  const client = await provider.Client.find('native');
  const refresh = [];
  for (let number = 0; number < count; number += 1) {
    const grant = new provider.Grant({ accountId: `person${number}`, clientId: 'native' });
    grant.addOIDCScope('offline_access');
    grant.addResourceScope('https://orders.example/', 'read:orders');
    const token = new provider.RefreshToken({
      accountId: `person${number}`, client, grantId: await grant.save(), gty: device, scope: 'offline_access read:orders',
      resource: 'https://orders.example/', iiat: Math.floor(Date.now() / 1000),
    });
    refresh.push(await token.save());
  }
  console.log(JSON.stringify({ port: listener.address().port, refresh }));
});
