package evidence

import (
	"context"
	"errors"
	"fmt"

	"kanshiki/parsers/container"
	"kanshiki/parsers/vhdx"
)

const formatVHDX = "VHDX (fixed, dynamic, differencing with its parents; the log is replayed in memory)"

func isVHDX(head, _ []byte) bool { return len(head) >= 8 && string(head[:8]) == vhdx.Magic }

// openVHDX opens a virtual disk of Microsoft's second format, and its parents.
func openVHDX(ctx context.Context, path string, o Options) (Image, []string, error) {
	p := &pool{opener: o.opener()}
	f, err := p.main(path)
	if err != nil {
		return nil, nil, err
	}
	r, err := vhdx.Open(f, vhdx.Options{Open: func(name string) (container.File, error) {
		if err := ctx.Err(); err != nil {
			return container.File{}, err
		}
		return p.beside(path, name)
	}})
	if err != nil {
		p.Close()
		if errors.Is(err, vhdx.ErrUnsupported) {
			return nil, nil, &NotAnImage{path, "VHDX: " + err.Error()}
		}
		return nil, nil, &Broken{path, err}
	}
	var notes []string
	if r.Replayed > 0 {
		notes = append(notes, fmt.Sprintf("the disk was not closed: %s of its log replayed in memory, the file is as it was", count(make([]string, r.Replayed), "entry", "entries")))
	}
	return &diskImage{Disk: r.Disk, pool: p, problems: r.Problems, bare: true, sector: int(r.Metadata.Logical), info: Info{Format: "VHDX",
		Variant: r.Variant(), Segments: r.Files(), Fields: fields(r.Fields())}}, notes, nil
}
