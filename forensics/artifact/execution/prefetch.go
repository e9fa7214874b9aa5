package execution

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/scca"
)

// Prefetch says that a program was started, up to eight times of it, and which
// files were mapped in its first seconds. It does not say by whom, nor that
// the count is of all runs.
var Prefetch = artifact.Spec{
	Name:  "execution/prefetch",
	Title: "Prefetch",
	Globs: []string{"**/Windows/Prefetch/*.pf"},
	Loose: func(name string, head []byte) bool {
		return strings.HasSuffix(strings.ToLower(name), ".pf") && len(head) >= 8 && (string(head[4:8]) == "SCCA" || string(head[:3]) == "MAM")
	},
	Fields: []string{"executable", "prefetch_hash", "path_agrees_with_hash", "prefetch_version", "run_count", "run_index", "hash_string",
		"volumes", "volume_serials", "volumes_created", "file_count", "files", "file_references", "directories"},
	Limit:  scca.MaxSize,
	Family: artifact.FamilyPrefetch,
	Card: artifact.Card{
		Proves:    "a process of this image was started at the time; the named files were mapped in about its first ten seconds; the volumes they lay on, with serial number and creation time",
		NotProven: "who started it; that it did its work; that the listed files were read on purpose or left the machine; what it opened later; that the count is that of all runs (it begins anew with a new file); the path, where it does not agree with the hash",
		Clock:     "FILETIME, UTC, of the start; the file is written about ten seconds later",
		Retention: "128 files up to Windows 7, 1,024 from 8 on; one run time before Windows 8, then eight; oldest files are removed",
		Switches:  "EnablePrefetcher (SYSTEM, Session Manager\\Memory Management\\PrefetchParameters), service SysMain; off on servers, and on some machines with SSD",
		Source:    "libscca, Windows Prefetch File (PF) format; ANCHORS 4a",
	},
	Read: readPrefetch,
}

func readPrefetch(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	in.Counts.Declared = 1
	b, err := in.Bytes(scca.MaxSize)
	if err == nil {
		var f *scca.File
		if f, err = scca.Parse(b); err == nil {
			in.Counts.Decoded = 1
			return emitPrefetch(in, f, emit)
		}
	}
	in.Counts.Failed = 1
	if errors.Is(err, scca.ErrVersion) {
		in.Problem(problem.Unsupported, problem.Lost, err)
		return nil
	}
	return err
}

func emitPrefetch(in *artifact.Input, f *scca.File, emit func(*event.Event) error) error {
	for _, d := range f.Damage {
		in.Problem(problem.Malformed, problem.Lost, d)
	}
	p := prefetchProgram(f)
	first, last := runSpan(f.RunTimes)
	in.Cover(coverage.Fact{
		At: in.At, Source: in.Source, From: first, To: last, History: coverage.Recording, State: prefetchState(len(f.Damage)),
		How: fmt.Sprintf("keeps the newest %d of %d starts", runsKept(f.RunTimes), f.RunCount),
	})
	e := event.Event{
		Action: event.Executed, Path: p.path, Program: p.recorded, Length: in.Size, At: in.At, Recovered: in.State,
		Record: fmt.Sprintf("%s-%08X", f.Executable, f.Hash),
	}
	what := "started"
	if f.Flags&1 != 0 { // the boot's own file: no program of that name exists
		e.Action, e.Program, what = event.Started, "", "system started (boot prefetch)"
	}
	n := 0
	for i, t := range f.RunTimes {
		if t == 0 {
			continue
		}
		e.Ticks, e.Meaning = event.Ticks(t), "run"
		if i == 0 {
			e.Meaning = "last run"
		}
		if !e.Ticks.Valid() {
			in.Problem(problem.Malformed, problem.Doubt, fmt.Errorf("run time %d is impossible: %#x", i, t))
			e.Ticks = 0
		}
		e.Message = fmt.Sprintf("%s %s: %s; run count %d", f.Executable, what, e.Meaning, f.RunCount)
		e.Fields = prefetchFields(f, p, i, t)
		if err := emit(&e); err != nil {
			return err
		}
		n++
	}
	if n == 0 { // a file without a run time still says that it ran
		e.Fact, e.To = true, in.Times.Modified
		e.Ticks, e.Meaning = 0, "started, time not kept"
		e.Message = fmt.Sprintf("%s %s; time not kept, run count %d", f.Executable, what, f.RunCount)
		e.Fields = prefetchFields(f, p, 0, 0)
		return emit(&e)
	}
	return prefetchFirstSeen(in, f, e, first, emit)
}

// prefetchFirstSeen gives the birth of the prefetch file itself: the program had run
// by then. Only where older runs were forgotten, and where the file system says
// so ($FILE_NAME): the times of a copied file are those of the copy.
func prefetchFirstSeen(in *artifact.Input, f *scca.File, e event.Event, oldest event.Ticks, emit func(*event.Event) error) error {
	born := in.Times.FNCreated
	if !born.Valid() || born > oldest || int64(f.RunCount) <= int64(runsKept(f.RunTimes)) {
		return nil
	}
	e.Ticks, e.Meaning, e.Clock = born, "first seen (prefetch file created)", event.FileSystem
	e.Message = fmt.Sprintf("%s had been started by now: its prefetch file was created", f.Executable)
	e.Fields = prefetchFields(f, prefetchProgram(f), -1, 0)
	return emit(&e)
}

// prefetchFields are the same for every run but for the lists, which the newest run
// carries.
func prefetchFields(f *scca.File, p prefetchPath, index int, raw uint64) []event.Field {
	out := []event.Field{
		event.Str("executable", f.Executable), event.Str("prefetch_hash", fmt.Sprintf("%08X", f.Hash)),
		event.Bool("path_agrees_with_hash", p.agrees), event.Uint("prefetch_version", f.Version), event.Uint("run_count", f.RunCount),
	}
	if index >= 0 {
		out = append(out, event.Int("run_index", index))
	}
	if index != 0 {
		return out
	}
	if f.HashString != "" {
		out = append(out, event.Str("hash_string", f.HashString))
	}
	var devices, serials, created, dirs, refs []string
	for _, v := range f.Volumes {
		devices = append(devices, v.Device)
		serials = append(serials, fmt.Sprintf("%08x", v.Serial))
		created = append(created, event.Ticks(v.Created).String())
		dirs = append(dirs, v.Directories...)
	}
	for _, m := range f.Metrics {
		if m.Ref == 0 || m.File < 0 {
			continue
		}
		refs = append(refs, fmt.Sprintf("%d-%d %s", m.Ref&(1<<48-1), m.Ref>>48, f.Files[m.File]))
	}
	return append(out, event.List("volumes", devices), event.List("volume_serials", serials), event.List("volumes_created", created),
		event.Int("file_count", len(f.Files)), event.List("files", f.Files), event.List("file_references", refs), event.List("directories", dirs))
}

// prefetchPath is the program's own path.
type prefetchPath struct {
	recorded string // as stored, or the name alone where it is not listed
	path     string // from the volume's root, where it lay on the system's volume
	agrees   bool   // with the hash: the path is proven
}

// prefetchProgram finds it. The system's volume is the one that ntdll was mapped from:
// prefetch files lie there too.
func prefetchProgram(f *scca.File) prefetchPath {
	i, agrees := f.Program()
	if i < 0 {
		return prefetchPath{recorded: f.Executable}
	}
	p := prefetchPath{recorded: f.Files[i], agrees: agrees, path: f.Files[i]}
	for _, name := range f.Files {
		if !strings.HasSuffix(name, `\WINDOWS\SYSTEM32\NTDLL.DLL`) {
			continue
		}
		if rest, ok := strings.CutPrefix(p.recorded, strings.TrimSuffix(name, `WINDOWS\SYSTEM32\NTDLL.DLL`)); ok {
			p.path = strings.ReplaceAll(rest, `\`, "/")
		}
		break
	}
	return p
}

// runsKept counts the run times that are not zero.
func runsKept(times []uint64) (n int) {
	for _, t := range times {
		if t != 0 {
			n++
		}
	}
	return n
}

// runSpan is the oldest and newest of the times that can be.
func runSpan(times []uint64) (first, last event.Ticks) {
	for _, t := range times {
		if t := event.Ticks(t); t.Valid() {
			if first == 0 || t < first {
				first = t
			}
			last = max(last, t)
		}
	}
	return first, last
}

func prefetchState(damage int) coverage.State {
	if damage > 0 {
		return coverage.Partly
	}
	return coverage.Read
}
