package filesystem

import (
	"context"
	"fmt"

	"kanshiki/forensics/event"
	"kanshiki/parsers/ntfs"
)

// setTimes is a change of $STANDARD_INFORMATION that $LogFile holds, with the
// times before and after.
type setTimes struct {
	lsn      uint64
	old, now Times
}

// timeChanges reads $LogFile for changes of times in $STANDARD_INFORMATION. An
// entry that was begun anew since is another file: what was before is dropped.
func (n *NTFS) timeChanges(ctx context.Context) map[uint64][]setTimes {
	out := map[uint64][]setTimes{}
	log, err := n.Log()
	if err != nil {
		return out // ks-walk log says why
	}
	for r, err := range n.LogRecords(ctx, log) {
		switch {
		case err != nil || !r.HasEntry:
		case r.What == "entry begun" || r.What == "entry freed":
			delete(out, r.Entry)
		case r.Attribute == ntfs.AttrStandardInformation.String() && r.OldTimes != nil && r.NewTimes != nil:
			if s := (setTimes{r.LSN, *r.OldTimes, *r.NewTimes}); s.back() {
				out[r.Entry] = append(out[r.Entry], s)
			}
		}
	}
	return out
}

// back tells whether the creation time was changed at all, or another time went
// back: what the driver writes of itself only goes forward.
func (s setTimes) back() bool {
	moved := func(old, now event.Ticks) bool { return old.Valid() && now.Valid() && now+ticksPerSecond < old }
	return s.old.Created.Valid() && s.now.Created.Valid() && s.old.Created != s.now.Created ||
		moved(s.old.Modified, s.now.Modified) || moved(s.old.Changed, s.now.Changed)
}

func logTests(changes []setTimes) []TimeTest {
	var out []TimeTest
	for _, s := range changes {
		switch {
		case s.old.Created.Valid() && s.now.Created.Valid() && s.old.Created != s.now.Created:
			out = append(out, TimeTest{"log-created", Strong,
				fmt.Sprintf("$LogFile (LSN %d) has $SI created changed from %s to %s", s.lsn, s.old.Created, s.now.Created),
				"installers, archives, sync clients and copies set the creation time of the original; a name used again within seconds gets the old one (tunnelling)"})
		case s.old.Changed.Valid() && s.now.Changed.Valid() && s.now.Changed+ticksPerSecond < s.old.Changed:
			out = append(out, TimeTest{"log-entry-modified-back", Strong,
				fmt.Sprintf("$LogFile (LSN %d) has $SI entry modified go back from %s to %s", s.lsn, s.old.Changed, s.now.Changed),
				"the system clock was set back"})
		default:
			out = append(out, TimeTest{"log-modified-back", Medium,
				fmt.Sprintf("$LogFile (LSN %d) has $SI modified go back from %s to %s", s.lsn, s.old.Modified, s.now.Modified),
				"copies, archives and sync clients set the time of the original after writing"})
		}
	}
	return out
}

// indexTimes are the creation times that the live entries of directories hold.
func (n *NTFS) indexTimes(ctx context.Context) (map[ntfs.Ref]event.Ticks, error) {
	out := map[ntfs.Ref]event.Ticks{}
	count := 0
	for f := range n.cat.Files() {
		if count++; count%256 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !f.IsDir() || !f.InUse() {
			continue
		}
		for e, err := range f.Index() {
			if err != nil || e.State != ntfs.IndexLive {
				continue
			}
			if kid, ok := n.cat.Lookup(e.Ref); ok {
				if i, ok := kid.Info(); ok && i.Created != e.Times.Created {
					out[e.Ref] = event.Ticks(e.Times.Created)
				}
			}
		}
	}
	return out, nil
}

// indexTests compares the creation time in the directory's index, a third one:
// the driver copies it from $SI whenever it writes the index.
func indexTests(e *Entry, index event.Ticks) []TimeTest {
	if !index.Valid() || index == e.SI.Created {
		return nil
	}
	strength := Medium
	if index == e.Names[0].Times.Created {
		strength = Weak // the index was not written since the name was made
	}
	return []TimeTest{{"index-created", strength,
		fmt.Sprintf("$SI created %s, the directory's index has %s, $FN created %s", e.SI.Created, index, e.Names[0].Times.Created),
		"the index is brought up to date when the file is closed: a crash before that, or a further hard link, leaves it behind"}}
}
