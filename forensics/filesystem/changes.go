package filesystem

import (
	"context"
	"iter"
	"slices"

	"kanshiki/forensics/escape"
	"kanshiki/forensics/event"
	"kanshiki/parsers/ntfs"
)

// Changes yields the records of the change journal, oldest first, each with
// the path that its name had when it was written. A volume without a journal
// gives ErrNoJournal once.
//
// Version 4 records (range tracking) hold neither name nor time: both are
// taken from the record of the same file before them, and Proof says so.
func (n *NTFS) Changes(ctx context.Context) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		j, ok, err := n.cat.Journal()
		switch {
		case err != nil:
			yield(Change{}, err)
			return
		case !ok:
			yield(Change{}, ErrNoJournal)
			return
		}
		p := pastPaths{h: n.history()}
		before := map[ntfs.Ref]Change{}
		count := 0
		for r, err := range j.Records() {
			if count++; count%1024 == 0 && ctx.Err() != nil {
				yield(Change{}, ctx.Err())
				return
			}
			if err != nil {
				if !yield(Change{}, err) {
					return
				}
				continue
			}
			c := changeOf(r)
			if r.Major == 4 {
				if b, ok := before[r.Ref]; ok {
					c.Name, c.Path, c.UTF16, c.Time, c.Attributes = b.Name, b.Path, b.UTF16, b.Time, b.Attributes
					c.Proof = "record before"
				}
			} else {
				p.set(&c, &r)
				if p.h.HasV4() {
					if len(before) >= maxBefore {
						clear(before)
					}
					before[r.Ref] = c
				}
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

// maxBefore bounds the files that are remembered for version 4 records, which
// follow the record that they belong to closely.
const maxBefore = 4096

// pastPaths makes the paths that names had. Those of directories are kept: most
// records are about files in few of them.
type pastPaths struct {
	h     *ntfs.PathHistory
	epoch int
	dirs  map[ntfs.Ref]pastDir
	size  int // of the paths that are kept
	buf   []byte
}

type pastDir struct {
	epoch int
	path  string // WTF-8
	proof string
	units []byte // UTF-16LE, nil where the path is plain text
}

func (p *pastPaths) set(c *Change, r *ntfs.USNRecord) {
	d := p.dir(r.Parent, r.USN)
	p.buf = appendText(append(p.buf[:0], d.path...), r.Name)
	c.Path, c.Proof = string(p.buf), d.proof
	c.Name = c.Path[len(d.path):]
	if d.units != nil || !plain(c.Name) {
		c.UTF16 = append(d.exact(), r.Name...)
	}
}

func (d *pastDir) exact() []byte {
	if d.units == nil {
		return unitsOf(d.path)
	}
	return slices.Clone(d.units)
}

func (p *pastPaths) dir(ref ntfs.Ref, usn uint64) pastDir {
	p.epoch = p.h.Epoch(usn, p.epoch)
	if d, ok := p.dirs[ref]; ok && d.epoch == p.epoch {
		return d
	}
	var proof ntfs.Proof
	p.buf, proof = p.h.Dir(p.buf[:0], ref, usn)
	d := pastDir{epoch: p.epoch, path: text(p.buf), proof: proof.String()}
	if !escape.Plain(d.path) {
		d.units = slices.Clone(p.buf)
	}
	if p.size += len(d.path) + 64; p.dirs == nil || p.size > maxDirBytes {
		p.dirs, p.size = map[ntfs.Ref]pastDir{}, len(d.path)+64
	}
	p.dirs[ref] = d
	return d
}

func changeOf(r ntfs.USNRecord) Change {
	return Change{Ref: RefOf(r.Ref), Parent: RefOf(r.Parent), USN: r.USN, Length: r.Length, Time: event.Ticks(r.Time),
		Reason: r.Reason, SourceInfo: r.Source, Attributes: r.Attributes, Version: r.Major}
}

// history is what the journal says of directories; nil without a journal.
func (n *NTFS) history() *ntfs.PathHistory {
	n.pastOnce.Do(func() {
		if j, ok, err := n.cat.Journal(); ok && err == nil {
			n.past = j.History()
		}
	})
	return n.past
}

// Journal is the stream that Changes reads, for what goes beyond FS; false
// where the volume has none.
func (n *NTFS) Journal() (*ntfs.Journal, bool, error) { return n.cat.Journal() }
