package timeline

import (
	"context"
	"iter"
	"strings"

	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/store"
)

// tapped writes the table of files from the walk that an artifact makes, so
// that the entries are decoded once.
type tapped struct {
	filesystem.FS
	b      *builder
	p      *place
	walked bool
}

// Walk is the file system's, seen by the table of files the first time.
func (t *tapped) Walk(ctx context.Context) iter.Seq2[*filesystem.Entry, error] {
	if t.walked {
		return t.FS.Walk(ctx)
	}
	t.walked = true
	return func(yield func(*filesystem.Entry, error) bool) {
		open := true
		for e, err := range t.FS.Walk(ctx) {
			if err == nil {
				if ferr := t.b.fileRows(t.p, e); ferr != nil {
					yield(nil, ferr)
					return
				}
			}
			// The table goes on to its end, whoever stops listening.
			if open {
				open = yield(e, err)
			}
		}
	}
}

// rest walks where no artifact did.
func (t *tapped) rest() error {
	if t.walked {
		return nil
	}
	for _, err := range t.Walk(t.b.ctx) {
		if err != nil {
			return err
		}
	}
	return nil
}

// fileRows writes a row for each name and each stream of it; a directory has
// one row, its index streams are not listed.
func (b *builder) fileRows(p *place, e *filesystem.Entry) error {
	f := store.File{
		Machine: b.res.Machine.Name, Volume: p.at.Volume, Snapshot: p.at.Snapshot, Entry: e.Ref.Entry, Sequence: e.Ref.Sequence,
		Kind: string(e.Kind), State: string(e.State), Attributes: e.Attributes, ReparseTag: e.ReparseTag,
		SI: store.Times(e.SI), Problems: e.Problems,
	}
	if len(e.Names) == 0 {
		return b.streamRows(&f, e)
	}
	for i := range e.Names {
		n := &e.Names[i]
		f.Link, f.Path, f.PathUTF16, f.PathProof = i, n.Path, n.UTF16, n.Proof
		f.ParentEntry, f.ParentSequence, f.FN = n.Parent.Entry, n.Parent.Sequence, store.Times(n.Times)
		if err := b.streamRows(&f, e); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) streamRows(f *store.File, e *filesystem.Entry) error {
	if len(e.Streams) == 0 {
		f.Stream, f.Size, f.Initialised, f.Allocated, f.Flags, f.Note = "", 0, 0, 0, nil, ""
		return b.rows.File(f)
	}
	for i := range e.Streams {
		s := &e.Streams[i]
		f.Stream, f.Size, f.Initialised, f.Allocated, f.Note = s.Name, s.Size, s.Initialised, s.Allocated, s.Note
		f.Flags = f.Flags[:0]
		for _, x := range []struct {
			on   bool
			name string
		}{{s.Resident, "resident"}, {s.Compressed, "compressed"}, {s.Sparse, "sparse"}, {s.Encrypted, "encrypted"}} {
			if x.on {
				f.Flags = append(f.Flags, x.name)
			}
		}
		if err := b.rows.File(f); err != nil {
			return err
		}
	}
	return nil
}

// looseFiles writes the rows of evidence that is no file system: names and
// sizes, no times, since those that the files have now are the examiner's.
func (b *builder) looseFiles(p *place) error {
	for _, t := range p.files {
		err := b.rows.File(&store.File{Machine: b.res.Machine.Name, Entry: t.Place, Kind: string(filesystem.File), State: string(filesystem.Live),
			Path: t.Path, PathProof: "loose file", Size: t.Size, Initialised: t.Size})
		if err != nil {
			return err
		}
	}
	return nil
}

// systemRoot tells whether a place holds a Windows, by the sources found.
func systemRoot(sources []*source, p *place) bool {
	for _, s := range sources {
		if s.place == p && strings.Contains(strings.ToLower("/"+s.path), "/windows/system32/config/") {
			return true
		}
	}
	return false
}
