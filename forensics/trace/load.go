package trace

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/event"
	"kanshiki/forensics/store"
)

// told are the actions whose records are small in number and large in meaning;
// the file system's own rows and the keys of the registry are asked for by
// name, once it is known which files matter.
var told = []event.Action{
	event.Executed, event.Loaded, event.Installed, event.Persisted, event.PersistenceRemoved, event.LoggedOn, event.MailReceived, event.MailSent,
	event.Downloaded, event.Uploaded, event.Connected, event.NameResolved, event.DeviceAttached, event.DeviceRemoved, event.ShareAccessed,
	event.Transferred, event.Cleared, event.TimeChanged, event.Detected, event.JobQueued, event.ReadOrOpened,
}

// bulk are the artifacts that give a row for each entry, change or key.
func bulk(name string) bool {
	return strings.HasPrefix(name, "filesystem/") && name != "filesystem/zoneidentifier" || name == "registry/keys"
}

// Load fills a world from the store: every record of a telling action, the
// programs and archives in places that users write to, documents, and the file
// system's records of those.
func Load(ctx context.Context, st *store.Store, m *artifact.Machine, exhibits []Exhibit, families map[string]artifact.Family) (*World, error) {
	w := &World{Machine: m, Exhibits: exhibits, Families: families}
	ids := []string{}
	for _, x := range exhibits {
		ids = append(ids, x.ID)
	}
	q := store.Query{Exhibits: ids, Actions: told}
	for _, rows := range []func() error{
		func() error { return w.take(st.Events(ctx, q), false) },
		func() error { return w.take(st.Facts(ctx, q), true) },
		func() error {
			return w.take(st.Events(ctx, store.Query{Exhibits: ids, Artifacts: []string{"filesystem/zoneidentifier"}}), false)
		},
		func() error { // what a clean-up took out of temporary folders
			return w.takeAll(st.Events(ctx, store.Query{Exhibits: ids, Artifacts: []string{"filesystem/usn"}, Actions: []event.Action{event.Deleted},
				Where: []store.Where{{Column: "path", Pattern: "*/temp/*"}}}))
		},
		func() error { // accounts
			return w.take(st.Facts(ctx, store.Query{Exhibits: ids, Artifacts: []string{"logon/sam"}}), true)
		},
		func() error { // changes of the audit policy
			return w.take(st.Events(ctx, store.Query{Exhibits: ids, Artifacts: []string{"eventlog/*"}, Actions: []event.Action{event.Configured}}), false)
		},
	} {
		if err := rows(); err != nil {
			return nil, fmt.Errorf("read the timeline: %w", err)
		}
	}
	named := map[string]bool{}
	for _, e := range w.Records {
		for _, p := range []string{e.Program, e.Path} {
			if p != "" {
				program, _ := Command(p)
				named[Key(program, m, e.UserSID)] = true
				named[Key(p, m, e.UserSID)] = true
			}
		}
		for _, k := range prefetched(e, m) {
			if userPlace(k) {
				named[k] = true
			}
		}
	}
	if err := w.takeFiles(ctx, st, ids, named); err != nil {
		return nil, fmt.Errorf("read the list of files: %w", err)
	}
	if err := w.takeEntries(ctx, st, ids); err != nil {
		return nil, fmt.Errorf("read the file system's records: %w", err)
	}
	for f, err := range st.Coverage(ctx, ids...) {
		if err != nil {
			return nil, err
		}
		w.Coverage = append(w.Coverage, f)
	}
	for s, err := range st.Sources(ctx, ids...) {
		if err != nil {
			return nil, err
		}
		w.Sources = append(w.Sources, s)
	}
	return w, nil
}

func (w *World) take(rows func(func(*event.Event, error) bool), facts bool) error {
	for e, err := range rows {
		if err != nil {
			return err
		}
		if bulk(e.Artifact) {
			continue
		}
		c := *e
		c.Fact = facts
		c.Fields = slices.Clone(e.Fields)
		w.Records = append(w.Records, &c)
	}
	return nil
}

func (w *World) takeAll(rows func(func(*event.Event, error) bool)) error {
	for e, err := range rows {
		if err != nil {
			return err
		}
		c := *e
		c.Fields = slices.Clone(e.Fields)
		w.Records = append(w.Records, &c)
	}
	return nil
}

func (w *World) takeFiles(ctx context.Context, st *store.Store, ids []string, named map[string]bool) error {
	var last *File
	for f, err := range st.Files(ctx, ids...) {
		if err != nil {
			return err
		}
		if f.Stream != "" {
			if last != nil && last.Entry == f.Entry && last.Sequence == f.Sequence && last.Volume == f.Volume && last.Path == f.Path {
				last.ADS = append(last.ADS, f.Stream)
			}
			continue
		}
		last = nil
		if f.Kind == "dir" || f.Snapshot != 0 {
			continue
		}
		key := Key(f.Path, w.Machine, "")
		if !named[key] && !(isArchive(key) || isProgram(key) || isDocument(key)) {
			continue
		}
		last = &File{Exhibit: f.Exhibit, Volume: f.Volume, Entry: f.Entry, Sequence: f.Sequence, Path: f.Path, Key: key,
			Deleted: f.State == "deleted", Size: f.Size,
			SI: Times{f.SI.Created, f.SI.Modified, f.SI.Changed, f.SI.Accessed}, FN: Times{f.FN.Created, f.FN.Modified, f.FN.Changed, f.FN.Accessed}}
		w.Files = append(w.Files, last)
	}
	return nil
}

// takeEntries asks for the rows of $MFT and of the journal that are about the
// files of the world. Of documents only the birth is kept.
func (w *World) takeEntries(ctx context.Context, st *store.Store, ids []string) error {
	want := make(map[ref]bool, len(w.Files)) // whether all rows are wanted
	for _, f := range w.Files {
		want[f.ref()] = want[f.ref()] || !isDocument(f.Key) || userPlace(f.Key) && strings.Contains(f.Key, "/temp/")
	}
	columns := []string{"artifact", "action", "meaning", "macb", "path", "entry", "sequence", "message", "fields"}
	for _, artifacts := range [][]string{{"filesystem/mft"}, {"filesystem/usn"}} {
		for e, err := range st.Events(ctx, store.Query{Exhibits: ids, Artifacts: artifacts, Columns: columns}) {
			if err != nil {
				return err
			}
			if w.From == 0 && e.Ticks.Valid() && e.Path == "$MFT" {
				w.From = e.Ticks // the volume was born when its $MFT was
			}
			all, ok := want[ref{e.At.Exhibit, e.At.Volume, e.Entry, e.Sequence}]
			if e.Action == event.Deleted && strings.Contains(strings.ToLower(e.Path), "/temp/") && artifacts[0] == "filesystem/usn" {
				continue // taken already
			}
			if !ok || !all && e.MACB&event.FNBorn == 0 && artifacts[0] == "filesystem/mft" {
				continue
			}
			c := *e
			c.Fields = slices.Clone(e.Fields)
			w.Records = append(w.Records, &c)
		}
	}
	return nil
}
