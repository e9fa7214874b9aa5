package evidence

import (
	"bytes"
	"context"
	"errors"

	"kanshiki/parsers/aff4"
)

const formatAFF4 = "AFF4 (version 1: streams and maps; snappy, LZ4, deflate, stored)"

// isAFF4 tells a volume from other zip archives: its first segments are named
// by its resources, or describe it.
func isAFF4(head, _ []byte) bool {
	return bytes.HasPrefix(head, []byte("PK\x03\x04")) &&
		(bytes.Contains(head, []byte("aff4%3A")) || bytes.Contains(head, []byte("container.description")))
}

// openAFF4 opens the disk image in a volume.
func openAFF4(_ context.Context, path string, o Options) (Image, []string, error) {
	p := &pool{opener: o.opener()}
	f, err := p.main(path)
	if err != nil {
		return nil, nil, err
	}
	r, err := aff4.Open(f, aff4.Options{CacheBytes: o.CacheBytes, Workers: o.Workers})
	if err != nil {
		p.Close()
		if errors.Is(err, aff4.ErrUnsupported) {
			return nil, nil, &NotAnImage{path, "AFF4: " + err.Error()}
		}
		return nil, nil, &Broken{path, err}
	}
	return &diskImage{Disk: r.Disk, pool: p, problems: r.Problems.Problems, bare: true, sector: r.SectorSize(), digests: r.Digests(),
		info: Info{Format: "AFF4", Segments: []string{f.Name}, Fields: fields(r.Fields())}}, nil, nil
}
