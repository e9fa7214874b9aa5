package execution

import (
	"bytes"
	"context"
	"errors"
	"strconv"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/appcompat"
)

// RecentFileCache is the list of new programs of Windows 7 and 2008 R2.
var RecentFileCache = artifact.Spec{
	Name:  "execution/recentfilecache",
	Title: "RecentFileCache.bcf",
	Globs: []string{"**/Windows/AppCompat/Programs/RecentFileCache.bcf"},
	Loose: func(_ string, head []byte) bool {
		return bytes.HasPrefix(head, []byte("\xfe\xff\xee\xff\x11\x22\x00\x00"))
	},
	Fields: []string{"position", "file_written"},
	Limit:  16 << 20,
	Family: artifact.FamilyAppCompat,
	Card: artifact.Card{
		Proves:    "A program of this path, new to the machine, was seen by the compatibility engine since the list was emptied last.",
		NotProven: "When it ran; that it ran again; by whom. The file's own last write only says that it was before.",
		Clock:     "None in the list. The file's last write bounds it.",
		Retention: "Emptied by the nightly task ProgramDataUpdater: a day, as a rule.",
		Switches:  "The service Application Experience (AeLookupSvc); Windows 8 and later keep Amcache.hve instead.",
		Source:    "Y. Khatri, \"RecentFileCache.bcf\" (2013); libyal dtformats, RecentFileCache.bcf format.",
	},
	Read: readRecentFileCache,
}

func readRecentFileCache(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	data, err := in.Bytes(16 << 20)
	if err != nil {
		return err
	}
	f, err := appcompat.ParseRecent(data)
	if err != nil {
		return err
	}
	fact := coverage.Fact{History: coverage.Recording, State: coverage.Read, To: in.Times.Modified, How: "emptied by the nightly task; what was seen before is gone"}
	for r, err := range f.Entries() {
		in.Counts.Declared++
		if err != nil {
			in.Counts.Failed++
			in.Problem(problem.Malformed, problem.Lost, err)
			fact.State = coverage.Partly
			continue
		}
		e := &event.Event{
			Fact: true, To: in.Times.Modified, Meaning: "new program seen", Action: event.Other,
			Program: r.Path, Path: artifact.PathOf(r.Path), At: in.At.At(r.Offset), Length: int64(len(r.Path))*2 + 6, Record: strconv.FormatInt(in.Counts.Decoded, 10),
			Fields:  []event.Field{event.Int("position", in.Counts.Decoded)},
			Message: "compatibility engine saw the new program " + r.Path,
		}
		if in.Times.Modified.Valid() {
			e.Fields = append(e.Fields, event.When("file_written", in.Times.Modified))
		}
		in.Counts.Decoded++
		if err := emit(e); err != nil {
			return err
		}
	}
	if in.Counts.Declared == 0 {
		in.Problem(problem.Inconsistent, problem.Note, errors.New("the list has no entry: emptied, or cut behind its header"))
	}
	in.Cover(fact)
	return nil
}
