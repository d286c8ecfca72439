// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listening are the addresses that each shipped config listens on. The collector's own metrics are on 8888.
var listening = map[string][]string{
	"distro/config/standalone.yaml": {"127.0.0.1:4317", "127.0.0.1:4318", "127.0.0.1:8888", "127.0.0.1:9464"},
	"distro/config/secure-gateway.yaml": {
		"127.0.0.1:13133", "127.0.0.1:1777", "127.0.0.1:4317", "127.0.0.1:4318", "127.0.0.1:55679", "127.0.0.1:8888", "127.0.0.1:9464",
	},
	"deploy/packages/config.yaml": {"127.0.0.1:8888", "127.0.0.1:9464"},
}

// Nobody but this machine can reach a collector that runs with what is shipped.
func TestListenersAreOnLoopback(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	keys, err := json.Marshal(g.issuer.public())
	require.NoError(t, err)
	// What a machine has when these are installed.
	overrides := map[string][]string{
		"distro/config/secure-gateway.yaml": {"--config=yaml:extensions::oidc::providers: [{issuer_url: https://issuer.example.org, " +
			"audience: otelcol-carbon, public_keys_file: " + writeFile(t, "jwks.json", string(keys)) + "}]"},
		"deploy/packages/config.yaml": {"--config=yaml:extensions::file_storage::directory: " + t.TempDir()},
	}
	for _, file := range tracked(t, "distro/config/*.yaml", "deploy/packages/config.yaml") {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			want := listening[file]
			require.NotEmpty(t, want, "a config without a row of this test")
			// In a network of its own all ports are free.
			p := startWith(t, &syscall.SysProcAttr{
				Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
				UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
				GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
			}, append([]string{"--config=" + filepath.Join(repository, file)}, overrides[file]...), "TLS_DIR="+g.files.dir)
			p.eventually(func() bool { return len(listeners(t, p)) >= len(want) }, "its listeners")
			assert.Equal(t, want, listeners(t, p))
		})
	}
}

// Opened to the network, the gateway keeps to itself what has no TLS.
func TestOpenedToTheNetwork(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"0.0.0.0", "[::]"} {
		g := newGateway(t)
		g.run(nil, "TLS_DIR="+g.files.dir, "OIDC_ISSUER="+g.issuer.url, "OIDC_ISSUER_CA="+g.authority.File, "LISTEN="+listen)
		var local, open []string
		for _, address := range listeners(t, g.process) {
			at := netip.MustParseAddrPort(address)
			port := strconv.Itoa(int(at.Port()))
			if at.Addr().IsLoopback() {
				local = append(local, port)
			} else {
				open = append(open, port)
			}
		}
		assert.ElementsMatch(t, ports(t, g.pprof, g.zpages, g.self), local)
		assert.ElementsMatch(t, ports(t, g.grpc, g.http, g.metrics, g.health), open)
		for _, ip := range others(t) {
			for _, port := range ports(t, g.pprof, g.zpages, g.self) {
				_, err := net.DialTimeout("tcp", net.JoinHostPort(ip.String(), port), patience)
				require.ErrorIs(t, err, syscall.ECONNREFUSED, "%s of %v", port, ip)
			}
			connection, err := net.DialTimeout("tcp", net.JoinHostPort(ip.String(), ports(t, g.grpc)[0]), patience)
			if assert.NoError(t, err) {
				assert.NoError(t, connection.Close())
			}
		}
	}
}

func ports(tb testing.TB, addresses ...string) (ports []string) {
	tb.Helper()
	for _, address := range addresses {
		_, port, err := net.SplitHostPort(address)
		require.NoError(tb, err)
		ports = append(ports, port)
	}
	return ports
}

// others are the addresses of this machine by which others reach it over IPv4.
func others(tb testing.TB) (ips []net.IP) {
	tb.Helper()
	addresses, err := net.InterfaceAddrs()
	require.NoError(tb, err)
	for _, a := range addresses {
		if network, ok := a.(*net.IPNet); ok && network.IP.To4() != nil && network.IP.IsGlobalUnicast() {
			ips = append(ips, network.IP)
		}
	}
	return ips
}

// listeners are the addresses that a process listens on, from the kernel's tables: proc_pid_net(5).
func listeners(tb testing.TB, p *process) (addresses []string) {
	tb.Helper()
	sockets := map[string]bool{}
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.cmd.Process.Pid))
	require.NoError(tb, err)
	for _, file := range files {
		if target, err := os.Readlink(file); err == nil {
			sockets[strings.Trim(strings.TrimPrefix(target, "socket:"), "[]")] = true
		}
	}
	const listen = "0A" // TCP_LISTEN of net/tcp_states.h
	for _, table := range []string{"tcp", "tcp6"} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/net/%s", p.cmd.Process.Pid, table))
		require.NoError(tb, err)
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if fields := strings.Fields(lines.Text()); len(fields) > 9 && fields[3] == listen && sockets[fields[9]] {
				addresses = append(addresses, address(tb, fields[1]).String())
			}
		}
		require.NoError(tb, f.Close())
	}
	slices.Sort(addresses)
	return addresses
}

// address reads one of /proc/net/tcp: words of 32 bits in the byte order of the machine, and a port.
func address(tb testing.TB, text string) netip.AddrPort {
	tb.Helper()
	host, hexPort, _ := strings.Cut(text, ":")
	ip, err := hex.DecodeString(host)
	require.NoError(tb, err)
	for i := 0; i < len(ip); i += 4 {
		ip[i], ip[i+1], ip[i+2], ip[i+3] = ip[i+3], ip[i+2], ip[i+1], ip[i]
	}
	port, err := strconv.ParseUint(hexPort, 16, 16)
	require.NoError(tb, err)
	at, ok := netip.AddrFromSlice(ip)
	require.True(tb, ok, text)
	return netip.AddrPortFrom(at, uint16(port))
}
