// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// certificates are the files of a server and of the authority that vouches for it.
type certificates struct {
	ca, cert, key string
	authority     *x509.CertPool
}

func newCertificates(tb testing.TB) *certificates {
	tb.Helper()
	folder := tb.TempDir()
	c := &certificates{
		ca: filepath.Join(folder, "ca.pem"), cert: filepath.Join(folder, "cert.pem"), key: filepath.Join(folder, "key.pem"),
		authority: x509.NewCertPool(),
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redistest authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	rootKey := newKey(tb)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "redistest"},
		NotBefore: root.NotBefore, NotAfter: root.NotAfter, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafKey := newKey(tb)
	write(tb, c.ca, "CERTIFICATE", sign(tb, root, root, rootKey, rootKey))
	write(tb, c.cert, "CERTIFICATE", sign(tb, leaf, root, leafKey, rootKey))
	private, err := x509.MarshalPKCS8PrivateKey(leafKey)
	require.NoError(tb, err)
	write(tb, c.key, "PRIVATE KEY", private)
	text, err := os.ReadFile(c.ca)
	require.NoError(tb, err)
	require.True(tb, c.authority.AppendCertsFromPEM(text))
	return c
}

func (c *certificates) dial(address string) (net.Conn, error) {
	return tls.DialWithDialer(&net.Dialer{Timeout: time.Second}, "tcp", address, &tls.Config{RootCAs: c.authority, MinVersion: tls.VersionTLS12})
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	return key
}

func sign(tb testing.TB, certificate, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) []byte {
	tb.Helper()
	der, err := x509.CreateCertificate(rand.Reader, certificate, parent, &key.PublicKey, parentKey)
	require.NoError(tb, err)
	return der
}

func write(tb testing.TB, path, kind string, der []byte) {
	tb.Helper()
	require.NoError(tb, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}
