package trace

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"kanshiki/forensics/custody"
	"kanshiki/forensics/event"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/program"
	"kanshiki/forensics/program/known"
	"kanshiki/forensics/timeline"
	"kanshiki/forensics/volume"
)

// Reopened is the evidence of a case, opened again to look into files that the
// timeline names. It is not safe for concurrent use.
type Reopened struct {
	info   custody.Info
	pool   *program.Pool
	known  []*known.List
	ev     map[string]*evidence.Evidence
	fs     map[[2]any]*filesystem.NTFS
	cats   map[string]*program.Catalogues
	failed map[string]error
}

// Reopen prepares a case's evidence; nothing is opened before it is asked for.
func Reopen(info custody.Info, pool *program.Pool, known []*known.List) *Reopened {
	return &Reopened{info: info, pool: pool, known: known, ev: map[string]*evidence.Evidence{}, fs: map[[2]any]*filesystem.NTFS{},
		cats: map[string]*program.Catalogues{}, failed: map[string]error{}}
}

// Close closes what was opened.
func (r *Reopened) Close() {
	for _, e := range r.ev {
		e.Close()
	}
}

func (r *Reopened) evidence(ctx context.Context, exhibit string) (*evidence.Evidence, error) {
	if e := r.ev[exhibit]; e != nil {
		return e, nil
	}
	if err := r.failed[exhibit]; err != nil {
		return nil, err
	}
	e, err := r.open(ctx, exhibit)
	if err != nil {
		if ctx.Err() == nil {
			r.failed[exhibit] = err
		}
		return nil, err
	}
	r.ev[exhibit] = e
	return e, nil
}

func (r *Reopened) open(ctx context.Context, exhibit string) (*evidence.Evidence, error) {
	x, ok := r.info.Exhibit(exhibit)
	if !ok || len(x.Evidence) == 0 {
		return nil, fmt.Errorf("the case does not say where exhibit %s lies", exhibit)
	}
	return evidence.Open(ctx, x.Evidence[0], evidence.Options{Exhibit: exhibit, Machine: x.Machine})
}

// Volume gives the file system of a volume.
func (r *Reopened) Volume(ctx context.Context, exhibit string, number int) (*filesystem.NTFS, error) {
	key := [2]any{exhibit, number}
	if fs := r.fs[key]; fs != nil {
		return fs, nil
	}
	e, err := r.evidence(ctx, exhibit)
	if err != nil {
		return nil, err
	}
	if e.Image == nil {
		return nil, fmt.Errorf("%s is no image", e.Name)
	}
	list, _ := volume.List(e.Image, exhibit, e.Name)
	for _, v := range list {
		if v.Number != number || !v.Kind.Readable() {
			continue
		}
		at := locator.Locator{Exhibit: exhibit, Volume: number}
		fs, err := filesystem.OpenNTFS(ctx, io.NewSectionReader(e.Image, v.Off, v.Len), v.Len, filesystem.Options{At: at, Base: v.Off})
		if err != nil {
			return nil, err
		}
		r.fs[key] = fs
		return fs, nil
	}
	return nil, fmt.Errorf("%s has no volume %d that is read", e.Name, number)
}

// Describe asks what a program says of itself, in a child process, with the
// catalogues of its own machine.
func (r *Reopened) Describe(ctx context.Context, f *File, content io.ReaderAt, size int64) (*program.Facts, error) {
	cats, err := r.catalogues(ctx, f.Exhibit)
	if err != nil {
		return nil, err
	}
	facts, _ := program.Describe(ctx, content, size, program.Options{
		At:     locator.Locator{Exhibit: f.Exhibit, Volume: f.Volume, Entry: f.Entry, Sequence: f.Sequence},
		Source: f.Path, Pool: r.pool, Catalogues: cats, Known: r.known})
	return facts, ctx.Err()
}

// catalogues reads those of all volumes of an exhibit into one set: a program on
// D: is judged by what C: trusts.
func (r *Reopened) catalogues(ctx context.Context, exhibit string) (*program.Catalogues, error) {
	if c := r.cats[exhibit]; c != nil {
		return c, nil
	}
	e, err := r.evidence(ctx, exhibit)
	if err != nil {
		return nil, err
	}
	c := program.NewCatalogues()
	if e.Image != nil {
		list, _ := volume.List(e.Image, exhibit, e.Name)
		for _, v := range list {
			if !v.Kind.Readable() {
				continue
			}
			fs, err := r.Volume(ctx, exhibit, v.Number)
			if err != nil {
				if ctx.Err() != nil {
					return nil, err
				}
				continue // the build has told of this volume
			}
			if err := c.Load(ctx, fs, locator.Locator{Exhibit: exhibit, Volume: v.Number}); err != nil {
				return nil, err
			}
		}
	}
	r.cats[exhibit] = c
	return c, nil
}

// Bytes reads a record again, at most most bytes of it; image is where its
// first byte lies in the image, -1 where it has no place of its own.
func (r *Reopened) Bytes(ctx context.Context, e *event.Event, most int64) (b []byte, image int64, err error) {
	n := min(e.Length, most)
	if n <= 0 {
		return nil, -1, nil
	}
	b = make([]byte, n)
	ev, err := r.evidence(ctx, e.Exhibit)
	if err != nil {
		return nil, -1, err
	}
	if ev.Image == nil {
		rec, err := timeline.OpenRecord(ctx, ev, e.At)
		if err != nil {
			return nil, -1, err
		}
		defer rec.Close()
		if _, err := rec.ReadAt(b, e.At.Offset); err != nil && err != io.EOF {
			return nil, -1, err
		}
		return b, -1, nil
	}
	fs, err := r.Volume(ctx, e.Exhibit, e.At.Volume)
	if err != nil {
		return nil, -1, err
	}
	s, err := fs.Open(ctx, filesystem.Ref{Entry: e.At.Entry, Sequence: e.At.Sequence}, e.At.Stream)
	if err != nil {
		return nil, -1, err
	}
	if e.At.Offset >= s.Size() {
		return nil, -1, fmt.Errorf("the record lies behind the end of its source")
	}
	k, err := s.ReadAt(b, e.At.Offset)
	if err != nil && err != io.EOF && k == 0 {
		return nil, -1, err
	}
	image = -1
	if off, ok := s.DiskOffset(e.At.Offset); ok {
		image = off
	}
	return b[:k], image, nil
}

// Exhibits lists the case's evidence for the report.
func (r *Reopened) Exhibits(network func(exhibit string) bool) []Exhibit {
	var out []Exhibit
	for _, x := range r.info.Exhibits {
		e := Exhibit{ID: x.ID, Machine: x.Machine, Format: x.Format, Size: x.Size, Network: network(x.ID)}
		if len(x.Evidence) > 0 {
			e.Name = filepath.Base(strings.ReplaceAll(x.Evidence[0], `\`, "/"))
		}
		out = append(out, e)
	}
	return out
}
