// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Package redistest runs a real Redis server for the time of a test.
package redistest

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/debian"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/freeport"
	"github.com/otelcol-carbon/otelcol-carbon/testbed/pki"
)

// Server is one redis-server process that listens on 127.0.0.1 and keeps nothing over a restart.
type Server struct {
	tb        testing.TB
	program   debian.Program
	arguments []string
	folder    string
	port      int
	tls       *secured // nil without

	process *exec.Cmd
	ended   chan struct{}
	log     *output
}

type secured struct {
	authority   *pki.Authority
	certificate pki.Certificate
}

// Start runs Redis until the test ends. The arguments are those of redis-server, such as "--requirepass",
// "secret".
func Start(tb testing.TB, arguments ...string) *Server {
	tb.Helper()
	return start(tb, nil, arguments)
}

// StartTLS runs a Redis that speaks TLS only, with a certificate for 127.0.0.1 by the authority in CAFile.
func StartTLS(tb testing.TB, arguments ...string) *Server {
	tb.Helper()
	authority := pki.NewAuthority(tb, "redistest")
	return start(tb, &secured{authority: authority, certificate: authority.Issue(tb)}, arguments)
}

func start(tb testing.TB, with *secured, arguments []string) *Server {
	tb.Helper()
	// In Debian, redis-server is a link to a program in redis-tools.
	p, err := debian.Find("redis-server", "redis-server", "redis-tools")
	require.NoError(tb, err)
	s := &Server{tb: tb, program: p, arguments: arguments, folder: tb.TempDir(), tls: with}
	tb.Cleanup(s.Stop)
	const attempts = 5 // another program may take the port first
	for range attempts {
		s.port = freeport.Get(tb)
		if err = s.run(); err == nil {
			return s
		}
	}
	require.NoError(tb, err)
	return nil
}

// Addr is host:port. It stays the same over Restart.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// CAFile is the certificate of the authority that signed the server's; only with StartTLS.
func (s *Server) CAFile() string { return s.tls.authority.File }

// Stop kills the process and waits for its end.
func (s *Server) Stop() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill()
	<-s.ended
	s.process = nil
}

// Restart stops the server if it runs, and starts an empty one.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Stop()
	require.NoError(s.tb, s.run())
}

// Pause leaves connections open and takes new ones, but answers nothing until Resume.
func (s *Server) Pause() {
	s.tb.Helper()
	require.NoError(s.tb, s.process.Process.Signal(syscall.SIGSTOP))
}

// Resume ends Pause.
func (s *Server) Resume() {
	s.tb.Helper()
	require.NoError(s.tb, s.process.Process.Signal(syscall.SIGCONT))
}

// run returns when the server answers.
func (s *Server) run() error {
	port := []string{"--port", strconv.Itoa(s.port)}
	if s.tls != nil {
		port = []string{
			"--port", "0", "--tls-port", strconv.Itoa(s.port), "--tls-auth-clients", "no",
			"--tls-cert-file", s.tls.certificate.File, "--tls-key-file", s.tls.certificate.KeyFile, "--tls-ca-cert-file", s.tls.authority.File,
		}
	}
	fixed := []string{"--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.folder}
	s.process = exec.Command(s.program.Path, append(append(port, fixed...), s.arguments...)...) //nolint:gosec // found by debian.Find
	s.process.Env = append(os.Environ(), s.program.Environment()...)
	s.log = &output{}
	s.process.Stdout, s.process.Stderr = s.log, s.log
	if err := s.process.Start(); err != nil {
		s.process = nil
		return err
	}
	ended := make(chan struct{})
	s.ended = ended
	go func(process *exec.Cmd) {
		_ = process.Wait()
		close(ended)
	}(s.process)
	const enough, step = 20 * time.Second, 10 * time.Millisecond
	for deadline := time.Now().Add(enough); time.Now().Before(deadline); time.Sleep(step) {
		select {
		case <-s.ended:
			s.process = nil
			return fmt.Errorf("redis-server ended: %s", s.log)
		default:
		}
		if s.answers() {
			return nil
		}
	}
	s.Stop()
	return fmt.Errorf("redis-server does not answer after %v: %s", enough, s.log)
}

// answers reports whether the server knows what a PING is, be it that it wants a password first.
func (s *Server) answers() bool {
	conn, err := s.dial()
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	answer := make([]byte, len("+PONG"))
	n, _ := conn.Read(answer)
	return string(answer[:n]) == "+PONG" || string(answer[:n]) == "-NOAU"
}

func (s *Server) dial() (net.Conn, error) {
	if s.tls != nil {
		return tls.DialWithDialer(&net.Dialer{Timeout: time.Second}, "tcp", s.Addr(), s.tls.authority.Client(s.tb))
	}
	return net.DialTimeout("tcp", s.Addr(), time.Second)
}

// output of the process, which may still write when it is read.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
