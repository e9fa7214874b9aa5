package filesystem

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"kanshiki/forensics/escape"
	"kanshiki/parsers/fat"
)

// Lookup finds a live entry by its path from the root. There are no streams but
// the unnamed one: "name::$DATA" means the file.
func (f *FAT) Lookup(ctx context.Context, path string) (Ref, string, error) {
	return f.lookup(ctx, path, func(e *fat.Entry) bool { return !e.Deleted })
}

// LookupDeleted is Lookup among entries that are no more, by the path that is
// shown of them.
func (f *FAT) LookupDeleted(ctx context.Context, path string) (Ref, string, error) {
	return f.lookup(ctx, path, func(e *fat.Entry) bool { return e.Deleted })
}

func (f *FAT) lookup(ctx context.Context, path string, want func(*fat.Entry) bool) (Ref, string, error) {
	if err := ctx.Err(); err != nil {
		return Ref{}, "", err
	}
	path = strings.Trim(strings.TrimSuffix(path, "::$DATA"), "/")
	if path == "" {
		return fatRoot, "", nil
	}
	folded := f.foldText(path)
	var near Ref
	for i := range f.cat.Entries() {
		e := &f.cat.Entries()[i]
		if !want(e) || len(path) < len(f.name(e)) && len(folded) < len(f.foldText(f.name(e))) {
			continue
		}
		own, _, _ := f.path(e)
		if own == path {
			return fatRef(e.Off), "", nil
		}
		if near == (Ref{}) && slices.Equal(f.foldText(own), folded) {
			near = fatRef(e.Off)
		}
	}
	if near != (Ref{}) {
		return near, "", nil
	}
	return Ref{}, "", fmt.Errorf("%s: %w", escape.Text(path), fs.ErrNotExist)
}

func (f *FAT) foldText(s string) []uint16 {
	g := globber{up: f.upcase()}
	return g.fold(unitsOf(s))
}

// Matcher compiles patterns as Glob takes them. One without * and ? fits what lies
// below it as well.
func (f *FAT) Matcher(patterns []string) *Matcher { return newMatcher(f.upcase(), patterns, true) }

// Glob finds live names.
func (f *FAT) Glob(ctx context.Context, patterns []string) iter.Seq2[Match, error] {
	return func(yield func(Match, error) bool) {
		var each []*Matcher
		for _, p := range patterns {
			each = append(each, newMatcher(f.upcase(), []string{p}, false))
		}
		for e, err := range f.Walk(ctx) {
			if err != nil {
				yield(Match{}, err)
				return
			}
			if !e.InUse || len(e.Streams) == 0 {
				continue
			}
			for i, m := range each {
				if m.Match(e.Names[0].Path, "") && !yield(Match{Pattern: i, Entry: e}, nil) {
					return
				}
			}
		}
	}
}
