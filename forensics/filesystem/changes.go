package filesystem

import (
	"context"
	"iter"

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
		h := j.History()
		before := map[ntfs.Ref]Change{}
		var path []byte
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
					c.Name, c.Path, c.Time, c.Attributes = b.Name, b.Path, b.Time, b.Attributes
					c.Proof = "record before"
				}
			} else {
				var proof ntfs.Proof
				path, proof = h.Path(path[:0], r)
				c.Name, c.Path, c.Proof = text(r.Name), text(path), proof.String()
				if h.HasV4() {
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

func changeOf(r ntfs.USNRecord) Change {
	return Change{Ref: RefOf(r.Ref), Parent: RefOf(r.Parent), USN: r.USN, Length: r.Length, Time: event.Ticks(r.Time),
		Reason: r.Reason, SourceInfo: r.Source, Attributes: r.Attributes, Version: r.Major}
}

// Journal is the stream that Changes reads, for what goes beyond FS; false
// where the volume has none.
func (n *NTFS) Journal() (*ntfs.Journal, bool, error) { return n.cat.Journal() }
