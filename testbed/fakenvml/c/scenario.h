// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// The reading of a scenario.

#ifndef SCENARIO_H
#define SCENARIO_H

#include "words.h"

// A reader takes the rest of its line, and returns what is wrong with it, or NULL.
struct gpu_statement {
	const char *key;
	const char *(*read)(struct gpu *g, char **line);
};

// Each list ends with a key of NULL.
extern const struct gpu_statement sensor_statements[], load_statements[];

// settle completes what the lines have left to each other. It returns what is wrong, or NULL.
const char *settle(struct gpu *g);

#endif
