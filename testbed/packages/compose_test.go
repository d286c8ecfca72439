// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package packages

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/prometheus/common/promslog"
	prometheus "github.com/prometheus/prometheus/config"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/testbed/fakenvml"
)

const composeFolder = repository + "/deploy/compose/"

func loadCompose(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{composeFolder + "compose.yaml"}, cli.WithProfiles([]string{"*"}))
	require.NoError(t, err)
	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	return project
}

func TestComposeFile(t *testing.T) {
	t.Parallel()
	project := loadCompose(t)
	started := map[string]bool{}
	for name, service := range project.Services {
		if len(service.Profiles) == 0 {
			started[name] = true
		}
		assert.False(t, service.Privileged, name)
		assert.Contains(t, []string{"", "none", "service:grafana"}, service.NetworkMode, name)
		for _, port := range service.Ports {
			assert.Equal(t, "127.0.0.1", port.HostIP, name)
		}
		for _, volume := range service.Volumes {
			if volume.Type == types.VolumeTypeBind {
				assert.True(t, volume.ReadOnly, "%s: %s", name, volume.Source)
				_, err := os.Stat(volume.Source)
				require.NoError(t, err, name)
			}
		}
		if service.Build == nil {
			assert.Regexp(t, `^[a-z/]+:v?\d+\.\d+\.\d+$`, service.Image, name)
			continue
		}
		assert.FileExists(t, filepath.Join(service.Build.Context, service.Build.Dockerfile))
		assert.Equal(t, []string{"ALL"}, service.CapDrop, name)
		assert.True(t, service.ReadOnly, name)
	}
	assert.Equal(t, map[string]bool{"collector": true, "prometheus": true, "grafana": true}, started, "without a profile")
}

// The folders that Prometheus and Grafana are given are those that their configs name.
func TestComposeMountsWhatIsRead(t *testing.T) {
	t.Parallel()
	project := loadCompose(t)
	config, err := prometheus.LoadFile(composeFolder+"prometheus.yaml", false, promslog.NewNopLogger())
	require.NoError(t, err)
	for _, pattern := range config.RuleFiles {
		found, err := filepath.Glob(filepath.Join(mounted(t, project.Services["prometheus"], filepath.Dir(pattern)), filepath.Base(pattern)))
		require.NoError(t, err)
		assert.NotEmpty(t, found, pattern)
	}
	provisioning := mounted(t, project.Services["grafana"], "/etc/grafana/provisioning")
	provider, err := os.ReadFile(filepath.Join(provisioning, "dashboards", "carbon.yaml"))
	require.NoError(t, err)
	home := *project.Services["grafana"].Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
	assert.Contains(t, string(provider), filepath.Dir(home))
	assert.FileExists(t, filepath.Join(mounted(t, project.Services["grafana"], filepath.Dir(home)), filepath.Base(home)))
}

// mounted is the folder of this repository that a container finds at a path.
func mounted(t *testing.T, service types.ServiceConfig, path string) string {
	t.Helper()
	for _, volume := range service.Volumes {
		if volume.Target == path {
			return volume.Source
		}
	}
	require.Fail(t, "nothing is mounted", "%s at %s", service.Name, path)
	return ""
}

// The collectors run as their containers do, and Prometheus finds them where it looks. What they say of themselves is asked for by
// testbed/observe.
func TestComposeCollectorsServe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := fakenvml.Build(dir)
	require.NoError(t, err)
	grid := filepath.Join(dir, "intensity.csv")
	mustRun(t, nil, "sh", composeFolder+"grid.sh", grid, "once")
	scraped, err := os.ReadFile(composeFolder + "prometheus.yaml")
	require.NoError(t, err)

	for name, test := range map[string]struct {
		page string
		want []string
	}{
		"collector.yaml": {"127.0.0.1:9464", []string{`hw_emissions_grams_total{`, `grid_zone="DE"`, `hw_type="cpu"`}},
		"scripted.yaml":  {"127.0.0.1:9465", []string{`hw_emissions_grams_total{`, `hw_name="NVIDIA H100 80GB HBM3"`, `carbon_source="scripted"`, `grid_carbon_intensity_grams_per_kW_h{`, `grid_greenest_start_seconds{`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Contains(t, string(scraped), test.page)
			config := filepath.Join(t.TempDir(), name)
			copyFile(t, composeFolder+name, config)
			address := moveListeners(t, config, test.page)
			c := collector{
				arguments: []string{"--config=" + config},
				environment: []string{
					"CARBON_ZONE=DE", "GRID_FILE=" + grid, "LD_LIBRARY_PATH=" + dir, fakenvml.ScenarioEnv + "=" + composeFolder + "gpus",
				},
			}
			if name == "collector.yaml" { // which sees all of the machine it runs on
				c.arguments = append(c.arguments, "--config=yaml:receivers::hostenergy::root_path: /", "--config=yaml:receivers::nvmlenergy::root_path: /")
			}
			c.serve(t, address, func(metrics string) bool {
				return !slices.ContainsFunc(test.want, func(want string) bool { return !strings.Contains(metrics, want) })
			})
		})
	}
}
