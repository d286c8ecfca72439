// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-carbon/otelcol-carbon/deploy/rollout/staged"
)

func readPlan(t *testing.T) (*staged.Plan, string) {
	t.Helper()
	text, err := os.ReadFile("../../deploy/rollout/stages.yaml")
	require.NoError(t, err)
	plan, err := staged.ParsePlan(text)
	require.NoError(t, err)
	return plan, string(text)
}

// The shares, the days on which they begin, and the gates of each are those of the seed.
func TestStagesAreThosePromised(t *testing.T) {
	t.Parallel()
	plan, _ := readPlan(t)
	days := map[int]int{}
	begins := 1
	for _, s := range plan.Stages {
		days[s.Percent] = begins
		begins += int(s.Watch.Hours() / 24)
		assert.Contains(t, s.Hold, "CarbonRolloutErrorsAboveSuccess")
		for _, trigger := range []string{"CarbonRolloutErrors", "CarbonRolloutResponseSlow", "CarbonRolloutMemory", "CarbonUnauthenticated"} {
			assert.Contains(t, s.Rollback, trigger)
		}
		assert.Equal(t, s.Percent == 10, slices.Contains(s.Rollback, "CarbonRolloutCanaryErrors"))
	}
	assert.Equal(t, map[int]int{10: 1, 25: 8, 50: 14, 100: 21}, days)
}

// Each name of the plan is one of the rules, and each rule of rollouts is in the plan, as what its label says.
func TestPlanAndRulesAgree(t *testing.T) {
	t.Parallel()
	plan, _ := readPlan(t)
	alerts, records := map[string]rulefmt.Rule{}, map[string]bool{"up": true}
	files, err := filepath.Glob(rulesFolder + "*.yaml")
	require.NoError(t, err)
	for _, file := range files {
		groups, errs := rulefmt.ParseFile(file, false, model.LegacyValidation, parser.NewParser(parser.Options{}), promslog.NewNopLogger())
		require.Empty(t, errs)
		for _, g := range groups.Groups {
			assert.Equal(t, plan.Poll.Duration, time.Duration(g.Interval), "an alert that fires once is seen")
			for _, rule := range g.Rules {
				if rule.Alert != "" {
					alerts[rule.Alert] = rule
				}
				records[rule.Record] = true
			}
		}
	}
	used := map[string]bool{}
	for _, s := range plan.Stages {
		for kind, names := range map[string][]string{"hold": s.Hold, "rollback": s.Rollback} {
			for _, name := range names {
				rule, ok := alerts[name]
				require.True(t, ok, "%s is no alert", name)
				used[name] = true
				if label, ok := rule.Labels["rollout"]; ok {
					assert.Equal(t, label, kind, name)
				}
				assert.Less(t, time.Duration(rule.For), s.Watch.Duration/10, "%s needs time to fire", name)
			}
		}
	}
	for name, rule := range alerts {
		assert.True(t, rule.Labels["rollout"] == "" || used[name], "%s is in no stage", name)
	}
	for _, names := range plan.Evidence {
		for _, name := range names {
			assert.True(t, records[name], "%s is not recorded", name)
		}
	}
	for name := range used {
		tested := slices.ContainsFunc(rollbacks, func(c rollbackCase) bool { return c.alert == name }) ||
			slices.ContainsFunc(holds, func(c holdCase) bool { return c.says == name })
		assert.True(t, tested, "%s has no case", name)
	}
}

func TestPlansThatCannotBe(t *testing.T) {
	t.Parallel()
	_, text := readPlan(t)
	for change, says := range map[[2]string]string{
		{"poll: 30s", "poll: 0s"}:                                                       "poll: 0s is not a duration above 0",
		{"poll: 30s", "poll: thirty"}:                                                   "thirty",
		{"poll: 30s", "pull: 30s"}:                                                      `unknown field "pull"`,
		{"hold_limit: 24h", ""}:                                                         "hold_limit: 0s",
		{"ready_limit: 15m", "ready_limit: -1m"}:                                        "ready_limit: -1m0s",
		{"percent: 25", "percent: 10"}:                                                  "stages[1].percent: 10 is not above the last one's 10 and up to 100",
		{"percent: 100", "percent: 101"}:                                                "stages[3].percent: 101",
		{"percent: 100", "percent: 99"}:                                                 "end at 99 %, not at 100 %",
		{"watch: 144h", "watch: 0h"}:                                                    "stages[1].watch: 0s",
		{"agent: [up, ", "agents: [up, "}:                                               "evidence.agents: is not a part, use agent or gateway",
		{"gateway: [up, ", "gateway: ['a|b', "}:                                         `evidence.gateway: "a|b" is not a name`,
		{"- CarbonRolloutCanaryErrors", "- CarbonTargetDown"}:                           "stages[0]: CarbonTargetDown is in hold and in rollback",
		{"- CarbonRolloutCanaryErrors", "- 'Carbon Rollout'"}:                           `stages[0].rollback: "Carbon Rollout" is not a name`,
		{"rollback: *rollback}\n  - {percent: 100", "rollback: []}\n  - {percent: 100"}: "stages[2].rollback: names no alert",
	} {
		changed := strings.Replace(text, change[0], change[1], 1)
		require.NotEqual(t, text, changed, change[0])
		_, err := staged.ParsePlan([]byte(changed))
		require.ErrorContains(t, err, says)
	}
	_, err := staged.ParsePlan([]byte(strings.Replace(text, "agent: [up", "agents: [up", 1)))
	require.ErrorContains(t, err, "evidence.agent: names no series")
}
