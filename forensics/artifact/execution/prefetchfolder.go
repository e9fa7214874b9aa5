package execution

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
)

// PrefetchFolder says what the folder of prefetch files could have shown: how
// many there are against how many Windows keeps, and since when. It makes no
// events; deletions in the folder stand in the change journal.
var PrefetchFolder = artifact.VolumeSpec{
	Name:   "execution/prefetchfolder",
	Title:  "Prefetch folder",
	Family: artifact.FamilyPrefetch,
	Card: artifact.Card{
		Proves:    "how many prefetch files stand in the folder, and the births of the oldest and newest",
		NotProven: "an empty folder does not tell whether the prefetcher was off, never on, or its files were deleted: EnablePrefetcher, the change journal and deleted entries do",
		Clock:     "file-system driver",
		Retention: "128 files up to Windows 7, 1,024 from 8 on",
		Switches:  "EnablePrefetcher, service SysMain",
		Source:    "ANCHORS 4a and 4f",
	},
	Read: readPrefetchFolder,
}

// prefetchKept is how many files this Windows keeps; 0 is not known.
func prefetchKept(m *artifact.Machine) int {
	major, minor, _ := strings.Cut(m.Version, ".")
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(minor)
	switch {
	case errA != nil || errB != nil:
		return 0
	case a > 6 || a == 6 && b >= 2:
		return 1024
	}
	return 128
}

func readPrefetchFolder(ctx context.Context, in *artifact.VolumeInput, _ func(*event.Event) error) error {
	ref, _, err := in.FS.Lookup(ctx, "Windows/Prefetch")
	if err != nil {
		// A volume without Windows lacks nothing.
		if _, _, err := in.FS.Lookup(ctx, "Windows/System32"); err == nil {
			in.Cover(coverage.Fact{At: in.At, History: coverage.UnknownBefore, State: coverage.Absent,
				How: "Windows is here and has no folder Prefetch: the prefetcher never ran, or the folder was removed"})
		}
		return nil
	}
	fact := coverage.Fact{At: in.At, Source: "Windows/Prefetch", State: coverage.Read, History: coverage.Recording}
	fact.At.Entry, fact.At.Sequence = ref.Entry, ref.Sequence
	n := 0
	for m, err := range in.FS.Glob(ctx, []string{"Windows/Prefetch/*.pf"}) {
		if err != nil {
			return err
		}
		n++
		born := m.Entry.Names[m.Name].Times.Created // set once, at the program's first run since the last removal
		if born.Valid() && (fact.From == 0 || born < fact.From) {
			fact.From = born
		}
		fact.To = max(fact.To, m.Entry.SI.Modified)
	}
	kept := prefetchKept(in.Machine)
	fact.How = fmt.Sprintf("%d prefetch files", n)
	if kept > 0 {
		fact.How += fmt.Sprintf("; this Windows keeps %d", kept)
	}
	switch {
	case n == 0:
		fact.History = coverage.UnknownBefore
		fact.How += "; an empty folder does not tell whether the prefetcher was off or its files were deleted"
	case kept > 0 && n >= kept:
		older := fact
		older.From, older.To, older.History = 0, fact.From, coverage.Wrapped
		older.How += ": full, the oldest ones were removed"
		in.Cover(older)
	}
	in.Cover(fact)
	return nil
}
