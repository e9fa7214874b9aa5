package timeline

import (
	"context"
	"fmt"

	"kanshiki/forensics/evidence"
	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/volume"
)

// Record is the source of a record, opened again by its place.
type Record struct {
	c  *content
	st filesystem.Stream // nil for loose files
}

// OpenRecord finds the source at a locator in evidence that is open.
func OpenRecord(ctx context.Context, ev *evidence.Evidence, at locator.Locator) (*Record, error) {
	b := &builder{ctx: ctx, ev: ev, opt: Options{Progress: silent{}}}
	if ev.Tree != nil {
		files, _, err := ev.Tree.Files(ctx)
		if err != nil {
			return nil, err
		}
		if at.Entry == 0 || at.Entry > uint64(len(files)) {
			return nil, fmt.Errorf("%s has no file number %d: is it the same evidence?", ev.Name, at.Entry)
		}
		f, err := ev.Tree.Open(files[at.Entry-1].Path)
		if err != nil {
			return nil, err
		}
		return &Record{c: &content{f, f.Size(), f.Close}}, nil
	}
	list, _ := volume.List(ev.Image, ev.Exhibit, ev.Name)
	for _, v := range list {
		if v.Number != at.Volume || !v.Kind.Readable() {
			continue
		}
		p, err := b.openVolume(v)
		if err != nil {
			return nil, err
		}
		st, err := p.fs.Open(ctx, filesystem.Ref{Entry: at.Entry, Sequence: at.Sequence}, at.Stream)
		if err != nil {
			p.close()
			return nil, err
		}
		return &Record{c: &content{st, st.Size(), func() error { p.close(); return nil }}, st: st}, nil
	}
	return nil, fmt.Errorf("%s has no volume %d that is read", ev.Name, at.Volume)
}

// ReadAt reads the source.
func (r *Record) ReadAt(p []byte, off int64) (int, error) { return r.c.ReadAt(p, off) }

// Size is the source's.
func (r *Record) Size() int64 { return r.c.size }

// ImageOffset is where a byte of the source lies in the image.
func (r *Record) ImageOffset(off int64) (int64, bool) {
	if r.st == nil {
		return 0, false
	}
	return r.st.DiskOffset(off)
}

// Close lets the source go.
func (r *Record) Close() error { return r.c.close() }
