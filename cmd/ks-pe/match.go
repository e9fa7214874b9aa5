package main

import (
	"path"
	"strings"
)

// matches tells whether a path of a folder fits one of the patterns, without
// regard to case: * and ? within a name, ** for any number of folders. (In an
// image the volume's own case table decides.)
func matches(patterns []string, p string) bool {
	names := strings.Split(strings.ToLower(p), "/")
	for _, g := range patterns {
		g = strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(g, "/")), `\`, "/")
		if match(strings.Split(g, "/"), names) {
			return true
		}
	}
	return false
}

// match goes through both at once; of several ** only the last is tried again,
// so that no pattern takes more than length times length.
func match(g, p []string) bool {
	star, from := -1, 0
	i, j := 0, 0
	for j < len(p) {
		switch {
		case i < len(g) && g[i] == "**":
			star, from = i, j
			i++
			if i == len(g) {
				return true
			}
		case i < len(g) && one(g[i], p[j]):
			i, j = i+1, j+1
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	for i < len(g) && g[i] == "**" {
		i++
	}
	return i == len(g)
}

func one(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	if err != nil { // no pattern: it is meant as it stands
		return pattern == name
	}
	return ok
}
