"""The key types of `cryptography` that are supported."""

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

PublicHandle = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
PrivateHandle = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
