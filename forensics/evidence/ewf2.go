package evidence

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"kanshiki/parsers/container"
	"kanshiki/parsers/ewf2"
)

const formatEWF2 = "Ex01 (EWF version 2), one segment or many"

func isEWF2(head, _ []byte) bool { return strings.HasPrefix(string(head), ewf2.Magic) }

// openEWF2 opens the set that a segment belongs to.
func openEWF2(ctx context.Context, path string, o Options) (Image, []string, error) {
	p := &pool{opener: o.opener()}
	var files []container.File
	for _, name := range ewf2Set(p.opener, path) {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		f, err := p.main(name)
		if err != nil {
			return nil, nil, err
		}
		files = append(files, f)
	}
	r, err := ewf2.Open(files, ewf2.Options{CacheBytes: o.CacheBytes, Workers: o.Workers})
	if err != nil {
		p.Close()
		if errors.Is(err, ewf2.ErrUnsupported) {
			return nil, nil, &NotAnImage{path, "Ex01: " + err.Error()}
		}
		return nil, nil, &Broken{path, err}
	}
	img := &diskImage{Disk: r.Disk, hashed: r.Filling, pool: p, problems: r.Problems.Problems, sector: r.SectorSize(), digests: r.Digests(),
		info: Info{Format: "Ex01", Segments: r.Files(), Fields: fields(r.Fields())}}
	var notes []string
	if first := r.Files()[0]; first != filepath.Base(path) {
		notes = append(notes, fmt.Sprintf("%s is a segment; opened the set from %s", filepath.Base(path), first))
	}
	return img, notes, nil
}

// ewf2Set lists the files beside that are named like segments of the set:
// .Ex01 to .Ex99, .ExAA and so on to .EzZZ. Their own numbers order them.
func ewf2Set(op Opener, path string) []string {
	dir, base := filepath.Split(path)
	stem, ext := strings.TrimSuffix(base, filepath.Ext(base)), filepath.Ext(base)
	like := func(ext string) bool {
		return len(ext) == 5 && strings.ContainsRune("Ee", rune(ext[1])) && strings.ContainsRune("xyzXYZ", rune(ext[2]))
	}
	if !like(ext) {
		return []string{path}
	}
	names := filesBeside(op, dir, func(name string) bool {
		x := filepath.Ext(name)
		return like(x) && strings.EqualFold(strings.TrimSuffix(name, x), stem)
	})
	if len(names) == 0 { // the folder cannot be listed
		return []string{path}
	}
	for i := range names {
		names[i] = filepath.Join(dir, names[i])
	}
	return names
}
