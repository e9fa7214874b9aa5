package evidence

import (
	"context"
	"errors"

	"kanshiki/parsers/vdi"
)

const formatVDI = "VDI (VirtualBox 1.1: fixed, dynamic)"

func isVDI(head, _ []byte) bool {
	return len(head) >= 68 && string(head[64:68]) == vdi.Signature
}

// openVDI opens a disk of VirtualBox.
func openVDI(_ context.Context, path string, o Options) (Image, []string, error) {
	p := &pool{opener: o.opener()}
	f, err := p.main(path)
	if err != nil {
		return nil, nil, err
	}
	r, err := vdi.Open(f)
	if err != nil {
		p.Close()
		if errors.Is(err, vdi.ErrUnsupported) {
			return nil, nil, &NotAnImage{path, "VDI: " + err.Error()}
		}
		return nil, nil, &Broken{path, err}
	}
	var notes []string
	if r.Parent != [16]byte{} {
		notes = append(notes, "a differencing disk: what it does not store lies in its parent, which VDI names by an identifier alone, and is not known")
	}
	return &diskImage{Disk: r.Disk, pool: p, problems: r.Problems, bare: true, info: Info{Format: "VDI", Variant: r.Variant(),
		Segments: []string{f.Name}, Fields: fields(r.Fields())}}, notes, nil
}
