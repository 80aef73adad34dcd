// Zitadel's OpenID Connect library for Go with the same work as our tenant, on the in-memory storage of its example.
// bench/tenant.py builds and starts it: ALGORITHM SECRET COUNT. It prints JSON once it listens: its port, and refresh
// tokens to begin with. It stores each access token, and adds an ID token to each refresh: both are its own ways.
package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const user, native, machine = "id1", "native", "machine"

type signer struct {
	algorithm jose.SignatureAlgorithm
	key       crypto.Signer
}

func (s signer) SignatureAlgorithm() jose.SignatureAlgorithm { return s.algorithm }
func (s signer) Key() any                                    { return s.key }
func (s signer) ID() string                                  { return string(s.algorithm) }

// A client of the example, with our grants and with JWTs as access tokens.
type client struct{ op.Client }

func (client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }
func (client) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeDeviceCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeClientCredentials}
}

type store struct {
	*storage.Storage
	signer signer
	secret string
}

func (s store) SigningKey(context.Context) (op.SigningKey, error) { return s.signer, nil }

func (s store) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{s.signer.algorithm}, nil
}

func (s store) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	found, err := s.Storage.GetClientByClientID(ctx, id)
	return client{found}, err
}

func (s store) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	if id != machine || subtle.ConstantTimeCompare([]byte(secret), []byte(s.secret)) != 1 {
		return nil, errors.New("unknown client")
	}
	return s.GetClientByClientID(ctx, id)
}

func (s store) ClientCredentialsTokenRequest(_ context.Context, id string, scopes []string) (op.TokenRequest, error) {
	return &oidc.JWTTokenRequest{Subject: id, Audience: []string{"https://orders.example/"}, Scopes: scopes}, nil
}

func newKey(algorithm string) crypto.Signer {
	if algorithm == "ES256" {
		return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	}
	return must(rsa.GenerateKey(rand.Reader, 2048))
}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func main() {
	algorithm, secret, count := os.Args[1], os.Args[2], must(strconv.Atoi(os.Args[3]))
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError})))
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	port := listener.Addr().(*net.TCPAddr).Port
	issuer := fmt.Sprintf("http://127.0.0.1:%d/", port)
	storage.RegisterClients(storage.NativeClient(native), storage.WebClient(machine, secret))
	signing := signer{jose.SignatureAlgorithm(algorithm), newKey(algorithm)}
	here := store{storage.NewStorage(storage.NewUserStore(issuer)), signing, secret}
	provider := must(op.NewProvider(&op.Config{
		CryptoKey:             sha256.Sum256([]byte(secret)),
		AuthMethodPost:        true,
		GrantTypeRefreshToken: true,
		DeviceAuthorization: op.DeviceAuthorizationConfig{
			Lifetime: 15 * time.Minute, PollInterval: 5 * time.Second, UserFormPath: "/device", UserCode: op.UserCodeBase20,
		},
	}, here, op.StaticIssuer(issuer), op.WithAllowInsecure()))
	refresh := make([]string, count)
	for number := range refresh {
		login := &storage.AuthRequest{
			ApplicationID: native, UserID: user, Scopes: []string{oidc.ScopeOfflineAccess, "read:orders"},
		}
		_, token, _, err := here.CreateAccessAndRefreshTokens(context.Background(), login, "")
		refresh[number] = must(token, err)
	}
	must(0, json.NewEncoder(os.Stdout).Encode(map[string]any{"port": port, "refresh": refresh}))
	must(0, http.Serve(listener, provider))
}
