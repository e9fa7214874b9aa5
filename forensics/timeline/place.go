package timeline

import (
	"context"
	"errors"
	"io"
	"path"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
	"kanshiki/forensics/volume"
)

// place is where sources lie: a file system of the exhibit, or its loose
// files.
type place struct {
	at    locator.Locator
	fs    filesystem.FS // nil for loose files
	files []evidence.TreeFile
	tree  *evidence.Tree
	form  evidence.Form
	lower map[string]int // place of a loose file by its path in lower case

	shadows int // shadow copies that are there and not read yet
}

func (p *place) close() {
	if c, ok := p.fs.(io.Closer); ok {
		c.Close()
	}
}

func (b *builder) at(vol int) locator.Locator {
	return locator.Locator{Exhibit: b.ev.Exhibit, Volume: vol}
}

func (b *builder) openVolume(v volume.Volume) (*place, error) {
	at := b.at(v.Number)
	r := io.NewSectionReader(b.ev.Image, v.Off, v.Len)
	fs, err := filesystem.OpenNTFS(b.ctx, r, v.Len, filesystem.Options{At: at, Base: v.Off})
	if err != nil {
		return nil, err
	}
	return &place{at: at, fs: fs, form: evidence.Disk}, nil
}

// tree lists loose files.
func (b *builder) tree() error {
	b.opt.Progress.Start("listing files", 0)
	files, skipped, err := b.ev.Tree.Files(b.ctx)
	if err != nil {
		return err
	}
	for _, s := range skipped {
		b.problem(problem.Problem{At: b.at(0), Source: s.Path, Kind: problem.NotLooked, Severity: problem.Lost,
			Expected: "a regular file", Found: s.Err.Error()})
	}
	p := &place{at: b.at(0), files: files, tree: b.ev.Tree, form: b.ev.Form, lower: make(map[string]int, len(files))}
	for i, f := range files {
		p.lower[strings.ToLower(f.Path)] = i
	}
	b.places = append(b.places, p)
	b.res.Files = len(files)
	return nil
}

// source is one file or stream that one or more Specs read.
type source struct {
	place  *place
	at     locator.Locator
	path   string
	size   int64
	times  artifact.FileTimes
	note   string // why its content is not on this disk, "" for none
	tree   int    // place in the list of loose files
	specs  []int  // in the order of the list
	volume *artifact.VolumeSpec
	state  coverage.State
}

// content is an open source.
type content struct {
	io.ReaderAt
	size  int64
	close func() error
}

func (p *place) open(ctx context.Context, s *source) (*content, error) {
	if p.fs == nil {
		f, err := p.tree.Open(p.files[s.tree].Path)
		if err != nil {
			return nil, err
		}
		return &content{f, f.Size(), f.Close}, nil
	}
	st, err := p.fs.Open(ctx, filesystem.Ref{Entry: s.at.Entry, Sequence: s.at.Sequence}, s.at.Stream)
	if err != nil {
		return nil, err
	}
	done := func() error { return nil }
	if c, ok := st.(io.Closer); ok {
		done = c.Close
	}
	return &content{st, st.Size(), done}, nil
}

var errNoSibling = errors.New("no such file beside it")

// sibling finds a file of the same folder.
func (p *place) sibling(ctx context.Context, s *source, name string) (*source, error) {
	want := path.Join(path.Dir(s.path), name)
	if p.fs == nil {
		i, ok := p.lower[strings.ToLower(want)]
		if !ok {
			return nil, errNoSibling
		}
		return p.looseSource(i), nil
	}
	ref, stream, err := p.fs.Lookup(ctx, want)
	if err != nil {
		return nil, err
	}
	e, err := p.fs.Entry(ctx, ref)
	if err != nil {
		return nil, err
	}
	at := p.at
	at.Entry, at.Sequence, at.Stream = ref.Entry, ref.Sequence, stream
	out := &source{place: p, at: at, path: want, times: timesOf(e, 0)}
	for _, n := range e.Names {
		if strings.EqualFold(n.Path, want) {
			out.path = n.Path
		}
	}
	return out, nil
}

func (p *place) looseSource(i int) *source {
	at := p.at
	at.Entry = p.files[i].Place
	return &source{place: p, at: at, path: p.files[i].Path, size: p.files[i].Size, tree: i}
}

func timesOf(e *filesystem.Entry, name int) artifact.FileTimes {
	t := artifact.FileTimes{Created: e.SI.Created, Modified: e.SI.Modified, Changed: e.SI.Changed, Accessed: e.SI.Accessed}
	if name < len(e.Names) {
		n := e.Names[name].Times
		t.FNCreated, t.FNModified, t.FNChanged, t.FNAccessed = n.Created, n.Modified, n.Changed, n.Accessed
	}
	return t
}

// coverVolume writes the ledger's line of a part of an image.
func (b *builder) coverVolume(v volume.Volume, err error) {
	if !named(v.Kind) {
		return
	}
	f := coverage.Fact{Artifact: "volume", At: b.at(v.Number), Source: v.Label, History: coverage.UnknownBefore, State: coverage.Read, How: string(v.Kind)}
	if err != nil {
		f.State, f.How = coverage.NotLooked, string(v.Kind)+": "+err.Error()
		if v.Kind.Readable() {
			f.State = coverage.Unreadable
		}
	} else {
		f.History = coverage.Recording
	}
	f.At.Offset = v.Off
	b.cover(f)
}

func (b *builder) cover(f coverage.Fact) {
	f.At.Exhibit = b.ev.Exhibit
	b.rows.Cover(f)
}

// recovered joins the state of the source and that of the record in it.
func recovered(source, record event.Recovered) event.Recovered {
	if source != "" && source != event.Allocated {
		return source
	}
	return record
}
