package evidence

import (
	"context"

	"kanshiki/parsers/container"
	"kanshiki/parsers/vhd"
)

const formatVHD = "VHD (fixed, dynamic, differencing with its parents)"

func isVHD(head, tail []byte) bool { return vhd.Identify(head, tail) }

// openVHD opens a virtual disk of Microsoft's first format, and its parents.
func openVHD(ctx context.Context, path string, o Options) (Image, []string, error) {
	p := &pool{opener: o.opener()}
	f, err := p.main(path)
	if err != nil {
		return nil, nil, err
	}
	r, err := vhd.Open(f, vhd.Options{Open: func(name string) (container.File, error) {
		if err := ctx.Err(); err != nil {
			return container.File{}, err
		}
		return p.beside(path, name)
	}})
	if err != nil {
		p.Close()
		return nil, nil, &Broken{path, err}
	}
	return &diskImage{Disk: r.Disk, pool: p, problems: r.Problems, bare: true, info: Info{Format: "VHD",
		Variant: r.Footer.Variant(), Segments: r.Files(), Fields: fields(r.Fields())}}, nil, nil
}
