// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// Command rollout brings a new version to the agents or gateways of a cluster in stages, see docs/rollout.md.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/otelcol-carbon/otelcol-carbon/deploy/rollout/staged"
)

//go:embed stages.yaml
var stages []byte

const usage = `usage: rollout run|undo -part agent|gateway [flags]

  run   brings -image to all, in stages; goes on where it was ended
  undo  brings back the image from before

It exits with 0 if that is done, 2 if it has rolled back, and 1 otherwise.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "rollout:", err)
	if rolledBack := (*staged.RolledBackError)(nil); errors.As(err, &rolledBack) {
		os.Exit(2)
	}
	os.Exit(1)
}

func run(ctx context.Context, args []string, log io.Writer) error {
	flags := flag.NewFlagSet("rollout", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	var (
		part       = flags.String("part", "", "agent or gateway")
		image      = flags.String("image", "", "the new image, with its tag or digest")
		prometheus = flags.String("prometheus", "", "URL of the Prometheus that has deploy/prometheus/rules")
		release    = flags.String("release", "carbon", "the chart's release")
		namespace  = flags.String("namespace", "otelcol-carbon", "its namespace")
		plan       = flags.String("stages", "", "a file instead of deploy/rollout/stages.yaml")
		dryRun     = flags.Bool("dry-run", false, "say what run would do, and change nothing")
		kubeconfig = flags.String("kubeconfig", "", "as kubectl's")
		cluster    = flags.String("context", "", "as kubectl's")
	)
	var command string
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		command, args = args[0], args[1:]
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if command != "run" && command != "undo" {
		return fmt.Errorf("command %q: is not known, use run or undo; -h says more", command)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("argument %q: is not known", flags.Arg(0))
	}
	if command == "run" && (*image == "" || *prometheus == "") {
		return errors.New("run: needs -image and -prometheus")
	}
	if command == "undo" && *dryRun {
		return errors.New("undo: has no -dry-run")
	}
	if *plan != "" {
		var err error
		if stages, err = os.ReadFile(*plan); err != nil {
			return err
		}
	}
	p, err := staged.ParsePlan(stages)
	if err != nil {
		return err
	}
	client, err := connect(*kubeconfig, *cluster)
	if err != nil {
		return err
	}
	r, err := staged.New(staged.Options{
		Plan: p, Part: *part, Namespace: *namespace, Release: *release,
		Client: client, Prometheus: *prometheus, Clock: clock{}, Log: log,
	})
	switch {
	case err != nil:
		return err
	case command == "undo":
		return r.Undo(ctx)
	case *dryRun:
		return r.Preview(ctx, *image)
	}
	return r.Run(ctx, *image)
}

// connect finds the cluster as kubectl does.
func connect(kubeconfig, cluster string) (kubernetes.Interface, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: cluster}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	config.UserAgent = "carbon-rollout"
	config.Timeout = 30 * time.Second
	config.QPS, config.Burst = 50, 100 // nodes are labelled one by one
	return kubernetes.NewForConfig(config)
}

type clock struct{}

func (clock) Now() time.Time { return time.Now() }

func (clock) Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
