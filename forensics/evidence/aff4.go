package evidence

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"

	"kanshiki/parsers/aff4"
	"kanshiki/parsers/container"
)

const formatAFF4 = "AFF4 (version 1: streams and maps; snappy, LZ4, deflate, stored)"

// isAFF4 tells a volume from other zip archives: its first segments are named
// by its resources, or describe it.
func isAFF4(head, _ []byte) bool {
	return bytes.HasPrefix(head, []byte("PK\x03\x04")) &&
		(bytes.Contains(head, []byte("aff4%3A")) || bytes.Contains(head, []byte("container.description")))
}

// openAFF4 opens the disk image in a volume, and the other volumes of a striped
// one that lie beside it.
func openAFF4(_ context.Context, path string, o Options) (Image, []string, error) {
	p := &pool{opener: o.opener()}
	f, err := p.main(path)
	if err != nil {
		return nil, nil, err
	}
	r, err := aff4.Open(f, aff4.Options{CacheBytes: o.CacheBytes, Workers: o.Workers, Beside: func() []container.File { return aff4Beside(p, path) }})
	if err != nil {
		p.Close()
		if errors.Is(err, aff4.ErrUnsupported) || errors.Is(err, aff4.ErrNoDisk) {
			return nil, nil, &NotAnImage{path, "AFF4: " + err.Error()}
		}
		return nil, nil, &Broken{path, err}
	}
	return &diskImage{Disk: r.Disk, hashed: r.Filling, check: r.Check, pool: p, problems: r.Problems.Problems, bare: !r.Checked(), sector: r.SectorSize(), digests: r.Digests(),
		info: Info{Format: "AFF4", Segments: r.Files(), Fields: fields(r.Fields())}}, nil, nil
}

// aff4Beside gives the volumes in the same folder.
func aff4Beside(p *pool, path string) (out []container.File) {
	like := func(name string) bool {
		return name != filepath.Base(path) && strings.EqualFold(filepath.Ext(name), filepath.Ext(path))
	}
	dir := filepath.Dir(path)
	for _, name := range filesBeside(p.opener, dir, like) {
		if f, err := p.main(filepath.Join(dir, name)); err == nil {
			out = append(out, f)
		}
	}
	return out
}
