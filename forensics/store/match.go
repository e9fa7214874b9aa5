package store

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// matchFold compares without regard to case; * is any text, ? one character.
func matchFold(pattern, s string) bool {
	star, mark := -1, 0 // last star, and what of s it has taken
	p, i := 0, 0
	for i < len(s) {
		if p < len(pattern) {
			if pattern[p] == '*' {
				star, mark = p, i
				p++
				continue
			}
			pr, pn := utf8.DecodeRuneInString(pattern[p:])
			r, n := utf8.DecodeRuneInString(s[i:])
			if pr == '?' || pr == r || fold(pr) == fold(r) {
				p, i = p+pn, i+n
				continue
			}
		}
		if star < 0 {
			return false
		}
		_, n := utf8.DecodeRuneInString(s[mark:])
		mark += n
		p, i = star+1, mark
	}
	return strings.Trim(pattern[p:], "*") == ""
}

func fold(r rune) rune {
	if r < utf8.RuneSelf {
		if r >= 'A' && r <= 'Z' {
			return r + 32
		}
		return r
	}
	return unicode.ToLower(r)
}

// containsFold tells whether s contains lower, which is in lower case.
func containsFold(s, lower string) bool {
	if len(lower) > len(s) {
		return false
	}
	for i := 0; i < len(lower); i++ {
		if lower[i] >= utf8.RuneSelf {
			return strings.Contains(s, lower) || strings.Contains(strings.ToLower(s), lower)
		}
	}
	first := lower[0]
	for i := 0; i+len(lower) <= len(s); i++ {
		if low(s[i]) != first {
			continue
		}
		j := 1
		for j < len(lower) && low(s[i+j]) == lower[j] {
			j++
		}
		if j == len(lower) {
			return true
		}
	}
	return false
}

func low(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 32
	}
	return c
}

// Match tells whether one of the patterns fits, as in Query; no patterns fit
// all.
func Match(patterns []string, s string) bool {
	for _, p := range patterns {
		if matchFold(p, s) {
			return true
		}
	}
	return len(patterns) == 0
}
