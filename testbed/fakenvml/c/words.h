// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

// The words of a line of a scenario. Each function takes them off the line, and returns false if they are
// not what it wants.

#ifndef WORDS_H
#define WORDS_H

#include "fakenvml.h"

// word cuts the next word off the line; empty at its end.
char *word(char **line);
bool at_end(char **line);
// scaled reads a decimal and rounds it to a multiple of the unit.
bool scaled(char **line, double unit, int64_t *value);
bool whole(char **line, uint64_t *value);
bool whole32(char **line, uint32_t *value);
bool name_of(char **line, char *to, unsigned size);
// choice finds the next word among the words of a list that ends with NULL; -1 if it is none of them.
int choice(char **line, const char *const *words);
// waveform_read returns what is wrong, or NULL.
const char *waveform_read(char **line, struct waveform *w);

#endif
