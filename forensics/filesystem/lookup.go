package filesystem

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"kanshiki/forensics/escape"
	"kanshiki/parsers/ntfs"
)

// Lookup finds a live entry by its path from the root, "/" between names. Of
// two names that differ in case the exact one wins, then the first. The last
// name may be followed by ":" and a stream. Where a file has that very name,
// the file is meant; "name:stream:$DATA" always means the stream.
func (n *NTFS) Lookup(ctx context.Context, path string) (Ref, string, error) {
	return n.lookup(ctx, path, func(f ntfs.File) bool { return f.InUse() })
}

// LookupDeleted is Lookup among entries that are no more, below live or
// deleted directories, and of those whose directory the $MFT does not know any
// more by the path that is shown of them.
func (n *NTFS) LookupDeleted(ctx context.Context, path string) (Ref, string, error) {
	ref, stream, err := n.lookup(ctx, path, func(f ntfs.File) bool { return !f.InUse() })
	if errors.Is(err, fs.ErrNotExist) {
		if ref, stream, ok := n.lookupGone(ctx, path); ok {
			return ref, stream, nil
		}
	}
	return ref, stream, err
}

// lookupGone compares whole paths.
func (n *NTFS) lookupGone(ctx context.Context, path string) (Ref, string, bool) {
	b := builder{n: n}
	units := unitsOf(strings.Trim(path, "/"))
	for f := range n.cat.Files() {
		if ctx.Err() != nil {
			break
		}
		for _, name := range b.entry(f).Names {
			if name.Proof == ntfs.ProofLive.String() || name.Proof == ntfs.ProofPlusOne.String() {
				continue // a walk from the root finds it
			}
			own := unitsOf(name.Path)
			if n.vol.EqualFold(own, units) {
				return RefOf(f.Was()), "", true
			}
			if len(own) > 0 && len(units) > len(own)+2 && units[len(own)] == ':' && units[len(own)+1] == 0 && n.vol.EqualFold(own, units[:len(own)]) {
				if s, ok := f.StreamFold(text(units[len(own)+2:])); ok {
					return RefOf(f.Was()), text(s.Name()), true
				}
			}
		}
	}
	return Ref{}, "", false
}

func (n *NTFS) lookup(ctx context.Context, path string, want func(ntfs.File) bool) (Ref, string, error) {
	none := func() (Ref, string, error) {
		return Ref{}, "", fmt.Errorf("%s: %w", escape.Text(path), fs.ErrNotExist)
	}
	dir, ok := n.cat.File(ntfs.RootRecord)
	if !ok {
		return none()
	}
	names := strings.Split(strings.Trim(path, "/"), "/")
	dirs := []ntfs.File{dir}
	for i, name := range names {
		if err := ctx.Err(); err != nil {
			return Ref{}, "", err
		}
		last := i == len(names)-1
		if last && name == "" {
			return RefOf(dir.Was()), "", nil
		}
		if !last {
			// A deleted directory may have a live namesake: both are gone through.
			if dirs = n.step(dirs, name, func(f ntfs.File) bool { return f.IsDir() && (f.InUse() || want(f)) }); len(dirs) == 0 {
				return none()
			}
			continue
		}
		if f, stream, ok := n.lastName(dirs, name, want); ok {
			return RefOf(f.Was()), stream, nil
		}
	}
	return none()
}

// step finds the children of a name: those with the exact name first. A short
// name (PROGRA~1) counts where no name of its own fits.
func (n *NTFS) step(dirs []ntfs.File, name string, want func(ntfs.File) bool) []ntfs.File {
	units := unitsOf(name)
	var exact, folded []ntfs.File
	for _, dir := range dirs {
		for l, f := range dir.Children() {
			if !want(f) {
				continue
			}
			switch {
			case string(l.Name()) == string(units):
				exact = append(exact, f)
			case n.vol.EqualFold(l.Name(), units):
				folded = append(folded, f)
			}
		}
	}
	if len(exact)+len(folded) == 0 {
		for _, dir := range dirs {
			for l, f := range dir.Children() {
				if want(f) && n.vol.EqualFold(f.DOSName(l), units) {
					folded = append(folded, f)
				}
			}
		}
	}
	// Live entries before deleted ones of the same name.
	out := append(exact, folded...)
	var live, dead []ntfs.File
	for _, f := range out {
		if f.InUse() {
			live = append(live, f)
		} else {
			dead = append(dead, f)
		}
	}
	return append(live, dead...)
}

// lastName takes the last part of a path as a name, or as name and stream.
func (n *NTFS) lastName(dirs []ntfs.File, name string, want func(ntfs.File) bool) (ntfs.File, string, bool) {
	const typed = ":$DATA"
	bare := name
	isTyped := len(name) > len(typed) && strings.EqualFold(name[len(name)-len(typed):], typed)
	if isTyped {
		bare = name[:len(name)-len(typed)]
		if f, s, ok := n.withStream(dirs, bare, want); ok {
			return f, s, true
		}
		if trimmed, ok := strings.CutSuffix(bare, ":"); ok { // "name::$DATA"
			bare = trimmed
		}
	}
	if found := n.step(dirs, bare, want); len(found) > 0 {
		return found[0], "", true
	}
	if isTyped {
		return ntfs.File{}, "", false
	}
	return n.withStream(dirs, name, want)
}

// withStream tries each ":" as the border: POSIX names may hold one.
func (n *NTFS) withStream(dirs []ntfs.File, name string, want func(ntfs.File) bool) (ntfs.File, string, bool) {
	for i := 1; i < len(name)-1; i++ {
		if name[i] != ':' {
			continue
		}
		for _, f := range n.step(dirs, name[:i], want) {
			if s, ok := f.StreamFold(name[i+1:]); ok {
				return f, text(s.Name()), true
			}
		}
	}
	// A stream of the root directory has no name before it.
	if len(name) > 1 && name[0] == ':' {
		for _, f := range dirs {
			if s, ok := f.StreamFold(name[1:]); ok {
				return f, text(s.Name()), true
			}
		}
	}
	return ntfs.File{}, "", false
}
