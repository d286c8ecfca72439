// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package pki makes certificates for tests that speak TLS.
package pki

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

// Authority signs certificates.
type Authority struct {
	// File is its certificate.
	File string
	Pool *x509.CertPool

	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// Certificate is the files of one, with its key.
type Certificate struct{ File, KeyFile string }

// NewAuthority makes one that is valid for an hour.
func NewAuthority(tb testing.TB, name string) *Authority {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	a := &Authority{
		File: filepath.Join(tb.TempDir(), "ca.crt"), Pool: x509.NewCertPool(), key: key,
		certificate: &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(time.Hour),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		},
	}
	der, err := x509.CreateCertificate(rand.Reader, a.certificate, a.certificate, &key.PublicKey, key)
	require.NoError(tb, err)
	write(tb, a.File, "CERTIFICATE", der)
	// With its identifiers of the key, as those that it signs have them.
	a.certificate, err = x509.ParseCertificate(der)
	require.NoError(tb, err)
	a.Pool.AddCert(a.certificate)
	return a
}

// Issue makes a certificate for servers and clients on loopback, changed as told.
func (a *Authority) Issue(tb testing.TB, changes ...func(*x509.Certificate)) Certificate {
	tb.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 64))
	require.NoError(tb, err)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: a.certificate.NotBefore, NotAfter: a.certificate.NotAfter,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, change := range changes {
		change(template)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	require.NoError(tb, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(tb, err)
	folder := tb.TempDir()
	c := Certificate{File: filepath.Join(folder, "tls.crt"), KeyFile: filepath.Join(folder, "tls.key")}
	write(tb, c.File, "CERTIFICATE", der)
	write(tb, c.KeyFile, "PRIVATE KEY", private)
	return c
}

// Client is TLS as a client that trusts the authority, and shows certificates if given.
func (a *Authority) Client(tb testing.TB, certificates ...Certificate) *tls.Config {
	tb.Helper()
	config := &tls.Config{RootCAs: a.Pool, MinVersion: tls.VersionTLS12}
	for _, c := range certificates {
		pair, err := tls.LoadX509KeyPair(c.File, c.KeyFile)
		require.NoError(tb, err)
		config.Certificates = append(config.Certificates, pair)
	}
	return config
}

func write(tb testing.TB, path, kind string, der []byte) {
	tb.Helper()
	require.NoError(tb, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}
