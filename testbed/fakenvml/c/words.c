// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

#include "words.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

char *word(char **line)
{
	*line += strspn(*line, " \t");
	char *start = *line;
	*line += strcspn(start, " \t");
	if (**line)
		*(*line)++ = 0;
	return start;
}

bool at_end(char **line)
{
	*line += strspn(*line, " \t");
	return !**line;
}

bool scaled(char **line, double unit, int64_t *value)
{
	char *text = word(line), *end;
	double number = strtod(text, &end);
	if (end == text || *end || !(number >= 0) || number * unit > 4e18)
		return false;
	*value = llround(number * unit);
	return true;
}

bool whole(char **line, uint64_t *value)
{
	char *text = word(line), *end;
	errno = 0;
	*value = strtoull(text, &end, strncmp(text, "0x", 2) ? 10 : 16);
	return end != text && !*end && !errno && *text != '-';
}

bool whole32(char **line, uint32_t *value)
{
	uint64_t number;
	bool fits = whole(line, &number) && number <= UINT32_MAX;
	*value = fits ? (uint32_t)number : 0;
	return fits;
}

bool name_of(char **line, char *to, unsigned size)
{
	const char *name = word(line);
	if (!*name || strlen(name) >= size)
		return false;
	strcpy(to, name);
	return true;
}

int choice(char **line, const char *const *words)
{
	const char *chosen = word(line);
	for (int i = 0; words[i]; i++)
		if (!strcmp(words[i], chosen))
			return i;
	return -1;
}
