// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"

	"github.com/otelcol-carbon/otelcol-carbon/internal/selfreport"
)

// KubeletConfig says how to ask the kubelet.
type KubeletConfig struct {
	// Socket is <root_path>/var/lib/kubelet/pod-resources/kubelet.sock. Mount its folder: the file is a new
	// one each time that the kubelet starts.
	Socket string
	// Claims maps devices of dynamic resource allocation whose names have no UUID; may be nil. A returned
	// ok of false means not known.
	Claims func(ctx context.Context, d ClaimedDevice) (uuid string, ok bool)
	Logger *zap.Logger
}

// Kubelet knows which containers hold which GPUs, from the kubelet's PodResources API. That there is no
// kubelet is normal.
type Kubelet struct {
	config KubeletConfig
	now    func() time.Time
	// deadline is for one question and its answer.
	deadline time.Duration

	hint chan struct{}
	stop context.CancelFunc
	done sync.WaitGroup

	refreshing sync.Mutex
	answered   time.Time
	unresolved bool

	mu        sync.Mutex
	state     kubeletState
	problem   string // why it fails
	current   atomic.Pointer[allocation]
	refreshes atomic.Int64
	failures  atomic.Int64
}

// KubeletStats counts what the kubelet was asked and did not answer. That it is absent is no failure.
type KubeletStats struct {
	Refreshes, Failures int64
	// Unresolved is the number of claimed GPUs in the last answer that are mapped to no UUID.
	Unresolved int
}

type kubeletState int

const (
	unknown kubeletState = iota
	absent
	answering
	failing
)

const (
	interval = 15 * time.Second
	// pause keeps hints far below the kubelet's limit of 100 requests a second.
	pause = time.Second
	// memory is how long an answer stands in for those that fail: containers live on while the kubelet
	// restarts, and a node that left its cluster must not book to pods for ever.
	memory = 5 * time.Minute
	// maxAnswer is what kubectl and the kubelet's own client accept.
	maxAnswer = 16 << 20
)

// NewKubelet starts nothing.
func NewKubelet(c KubeletConfig) *Kubelet {
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	return &Kubelet{config: c, now: time.Now, deadline: 5 * time.Second, hint: make(chan struct{}, 1)}
}

// Start asks every 15 s, and sooner after a hint. It does not wait for the first answer.
func (k *Kubelet) Start() {
	ctx, stop := context.WithCancel(context.Background())
	k.stop = stop
	k.done.Go(func() { k.poll(ctx) })
}

// Shutdown may be called without Start and more than once.
func (k *Kubelet) Shutdown() {
	if k.stop != nil {
		k.stop()
	}
	k.done.Wait()
}

// Hint asks for a refresh soon: a process is seen that no known container explains.
func (k *Kubelet) Hint() {
	select {
	case k.hint <- struct{}{}:
	default:
	}
}

// Holders are the containers that hold a device, sorted by name; nil if none, or not known. The slice is
// shared and not to be changed.
func (k *Kubelet) Holders(d DeviceRef) []Holder {
	a := k.current.Load()
	if a == nil {
		return nil
	}
	for _, name := range d.names() {
		if holders := a.holders[name]; len(holders) > 0 {
			return holders
		}
	}
	return nil
}

// Stats is a snapshot.
func (k *Kubelet) Stats() KubeletStats {
	s := KubeletStats{Refreshes: k.refreshes.Load(), Failures: k.failures.Load()}
	if a := k.current.Load(); a != nil {
		s.Unresolved = a.unresolved
	}
	return s
}

func (k *Kubelet) poll(ctx context.Context) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		_ = k.Refresh(ctx) // it logs
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-k.hint:
		}
	}
}

// Refresh asks now, for at most 5 s. It returns fs.ErrNotExist where there is no kubelet.
func (k *Kubelet) Refresh(caller context.Context) error {
	k.refreshing.Lock()
	defer k.refreshing.Unlock()
	ctx, cancel := context.WithTimeout(caller, k.deadline)
	defer cancel()
	a, err := k.ask(ctx)
	k.refreshes.Add(1)
	switch {
	case err == nil:
		k.answered = k.now()
		k.current.Store(a)
		k.enter(answering, nil)
		k.report(a.unresolved)
	case errors.Is(err, fs.ErrNotExist):
		k.enter(absent, nil)
		k.expire()
	case caller.Err() != nil: // a shutdown says nothing of the kubelet
	default:
		k.failures.Add(1)
		k.enter(failing, err)
		k.expire()
	}
	return err
}

func (k *Kubelet) expire() {
	if k.now().Sub(k.answered) > memory {
		k.current.Store(nil)
	}
}

func (k *Kubelet) ask(ctx context.Context) (*allocation, error) {
	if _, err := os.Stat(k.config.Socket); err != nil {
		return nil, err
	}
	// A connection per question: one that is kept backs off for up to two minutes after a restart.
	connection, err := grpc.NewClient("unix://"+k.config.Socket,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithNoProxy(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	client := podresources.NewPodResourcesListerClient(connection)
	pods, err := client.List(ctx, &podresources.ListPodResourcesRequest{})
	if err != nil {
		return nil, fmt.Errorf("list the kubelet's pods: %w", err)
	}
	// How many shares there are is worth having, and before Kubernetes 1.28 not always to be had.
	allocatable, _ := client.GetAllocatableResources(ctx, &podresources.AllocatableResourcesRequest{})
	return newAllocation(ctx, pods, allocatable, k.config.Claims), nil
}

// enter logs a change of state once.
func (k *Kubelet) enter(s kubeletState, err error) {
	if s == k.state {
		return
	}
	before := k.state
	k.mu.Lock()
	k.state = s
	if k.problem = ""; err != nil {
		k.problem = err.Error()
	}
	k.mu.Unlock()
	log, socket := k.config.Logger, zap.String("socket", k.config.Socket)
	switch s {
	case answering:
		log.Info("the kubelet says which pods hold which GPUs", socket)
	case failing:
		log.Warn("the kubelet does not say which pods hold which GPUs; its last answer is used for 5 minutes", socket, zap.Error(err))
	case absent:
		if before != unknown {
			log.Info("the kubelet's socket is gone; its last answer is used for 5 minutes", socket)
		}
	}
}

// Row says whether the kubelet answers.
func (k *Kubelet) Row() selfreport.Row {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := selfreport.Row{What: "GPUs of pods", Detail: k.config.Socket}
	switch k.state {
	case answering:
		r.State = selfreport.Used
	case failing:
		r.State, r.Detail = selfreport.Refused, r.Detail+": "+k.problem
		r.Remedy = "give the collector's user or group access to the socket, or run it as root"
	default:
		r.State, r.Detail = selfreport.Absent, r.Detail+" is not there"
		r.Remedy = "where there is a kubelet, mount its folder /var/lib/kubelet/pod-resources"
	}
	return r
}

func (k *Kubelet) report(unresolved int) {
	if unresolved > 0 && !k.unresolved {
		k.config.Logger.Warn("GPUs are claimed whose UUIDs are not known, and nobody is known to hold them; set resource_slices: true"+
			" and allow list of resourceslices.resource.k8s.io", zap.Int("claims", unresolved))
	}
	k.unresolved = unresolved > 0
}
