package evidence

import (
	"context"
	"errors"
	"fmt"

	"kanshiki/parsers/container"
	"kanshiki/parsers/qcow2"
)

const formatQCOW2 = "QCOW2 (versions 2 and 3; zlib, zstd, subclusters, backing files, internal snapshots)"

func isQCOW2(head, _ []byte) bool { return len(head) >= 4 && string(head[:4]) == qcow2.Magic }

// openQCOW2 opens a disk of QEMU and the disks below it.
func openQCOW2(ctx context.Context, path string, o Options) (Image, []string, error) {
	c := &qcow2Chain{ctx: ctx, o: o, path: path, pool: &pool{opener: o.opener()}}
	f, err := c.pool.main(path)
	if err != nil {
		return nil, nil, err
	}
	r, err := c.open(f, o.Snapshot)
	if err != nil {
		c.pool.Close()
		if errors.Is(err, qcow2.ErrUnsupported) {
			return nil, nil, &NotAnImage{path, "QCOW2: " + err.Error()}
		}
		return nil, nil, &Broken{path, err}
	}
	h := r.Header()
	var notes []string
	if n := len(r.Snapshots()); n > 0 && o.Snapshot == "" {
		notes = append(notes, fmt.Sprintf("the disk holds %s of earlier states; its last state is read", plural(n, "snapshot")))
	}
	return &diskImage{Disk: r.Disk, pool: c.pool, problems: c.problems, bare: true, info: Info{Format: "QCOW2",
		Variant: fmt.Sprintf("version %d", h.Version), Segments: c.files, Fields: fields(r.Fields())}}, notes, nil
}

// qcow2Chain is what the disks of a chain of backing files share.
type qcow2Chain struct {
	ctx   context.Context
	o     Options
	path  string
	pool  *pool
	all   []*qcow2.Reader
	files []string
	depth int
}

func (c *qcow2Chain) open(f container.File, snapshot string) (*qcow2.Reader, error) {
	if c.depth++; c.depth > qcow2.MaxBacking {
		return nil, fmt.Errorf("more than %d backing files below each other", qcow2.MaxBacking)
	}
	c.files = append(c.files, f.Name)
	r, err := qcow2.Open(f, qcow2.Options{Open: c.under, Snapshot: snapshot, CacheBytes: c.o.CacheBytes, Workers: c.o.Workers})
	if err == nil {
		c.all = append(c.all, r)
	}
	return r, err
}

// under opens a backing file or an external data file.
func (c *qcow2Chain) under(name, format string) (container.File, error) {
	if err := c.ctx.Err(); err != nil {
		return container.File{}, err
	}
	f, err := c.pool.beside(c.path, name)
	if err != nil {
		return f, err
	}
	var head [4]byte
	if n, _ := f.R.ReadAt(head[:], 0); format == "" && n == len(head) && isQCOW2(head[:], nil) {
		format = "qcow2" // as QEMU itself guesses
	}
	switch format {
	case "raw", "", "file", "host_device":
		c.files = append(c.files, f.Name)
		return f, nil
	case "qcow2":
		r, err := c.open(f, "")
		if err != nil {
			return container.File{}, err
		}
		return container.File{Name: f.Name, R: r.Disk, Size: r.Size()}, nil
	}
	return container.File{}, fmt.Errorf("%s: format %q is not read below a QCOW2", f.Name, format)
}

func (c *qcow2Chain) problems() (out []container.Problem) {
	for i := len(c.all) - 1; i >= 0; i-- { // the one that was opened first
		out = append(out, c.all[i].Problems()...)
	}
	return out
}
