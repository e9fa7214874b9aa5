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
	"kanshiki/parsers/appcompat"
	"kanshiki/parsers/regf"
)

// ShimCache is the application compatibility cache. An entry is a fact without
// a time of its own; the time in it is that of the file, and is given as an
// event about the file, never as a run.
var ShimCache = artifact.Spec{
	Name:   "execution/shimcache",
	Title:  "ShimCache (AppCompatCache)",
	Globs:  artifact.HiveGlobs(artifact.HiveSystem),
	Loose:  artifact.LooseHive(artifact.HiveSystem),
	Fields: []string{"position", "recency", "file_modified", "entry_updated", "size", "insert_flags", "shim_flags", "last_dword", "package", "layout", "control_set", "current_set", "cache_written"},
	Limit:  artifact.HiveLimit,
	Family: artifact.FamilyAppCompat,
	Card: artifact.Card{
		Proves:    "The compatibility engine looked at a file of this path on this machine, with this last-write time, before the cache was written. The order of entries is that of their insertion, the latest first.",
		NotProven: "That it ran: from Vista on the shell's listing of a folder can insert it. Insertion flag 2 (Vista to 8.1) and a last number of 1 (10, 11) are indications from experiments, not documented. The time is the file's own; when the engine looked is not kept, but on XP.",
		Clock:     "The file's last write, FILETIME UTC 100 ns, as the file system said. XP keeps the time of the entry's last update too.",
		Retention: "96 entries on XP, 512 on 2003 and Vista, 1,024 from 7 on; kept in memory and written at shutdown: a crash or a pulled plug loses what came since.",
		Switches:  "Group policy \"Turn off Application Compatibility Engine\" (DisableEngine).",
		Source:    "A. Davis (Mandiant), Leveraging the Application Compatibility Cache in Forensic Investigations, 2012; E. Zimmerman, AppCompatCacheParser issue 9; libyal dtformats.",
	},
	Read: readShimCache,
}

func readShimCache(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	h, err := artifact.OpenHive(in)
	if err != nil {
		return err
	}
	emit = h.Emit(emit)
	fact := coverage.Fact{History: coverage.Recording, State: h.State(), How: "no value AppCompatCache"}
	for _, key := range []string{"AppCompatCache", "AppCompatibility"} {
		for k := range h.Find(in, `CCS\Control\Session Manager\`+key) {
			v, err := k.Value("AppCompatCache")
			if errors.Is(err, regf.ErrNoValue) {
				continue
			}
			if err != nil {
				in.Problem(problem.Malformed, problem.Lost, err)
				continue
			}
			if err := shimCache(ctx, in, h, k, v, &fact, emit); err != nil {
				return err
			}
		}
	}
	in.Cover(fact)
	return nil
}

func shimCache(ctx context.Context, in *artifact.Input, h *artifact.Hive, k *regf.Key, v regf.Value, fact *coverage.Fact, emit func(*event.Event) error) error {
	fail := func(at int64, err error) {
		in.Counts.Declared++
		in.Counts.Failed++
		in.Report(problem.Problem{At: h.At(in, v.Place(at), k.Path()), Kind: problem.Malformed, Severity: problem.Lost, Found: err.Error()})
		fact.State = coverage.Partly
	}
	data, err := v.Data()
	if err != nil {
		fail(0, err)
	}
	cache, err := appcompat.Parse(data)
	if err != nil {
		fail(0, err)
		return nil
	}
	set, current := h.CurrentSet(k.Path())
	if current || fact.To == 0 {
		fact.To = event.Ticks(k.LastWritten)
		fact.How = fmt.Sprintf("cache of Windows %v in %s, written last at the time of its key; entries since then were in memory only", cache.Layout, set)
	}
	for x, err := range cache.Entries() {
		if err != nil {
			at := x.Offset
			var placed interface{ Offset() int64 }
			if errors.As(err, &placed) {
				at = placed.Offset()
			}
			fail(at, err)
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		in.Counts.Declared++
		in.Counts.Decoded++
		e := event.Event{
			Program: x.Path, Path: shimPath(x.Path), RegistryKey: h.Name(k), RegistryValue: v.Name,
			At: h.At(in, v.Place(x.Offset), k.Path()), Record: fmt.Sprint(x.Position),
			Fields: shimFields(x, cache.Layout, set, current, event.Ticks(k.LastWritten)),
		}
		f := e
		f.Fact, f.To, f.Meaning, f.Action = true, event.Ticks(k.LastWritten), "known to the compatibility engine", event.Other
		f.Message = fmt.Sprintf("compatibility engine knew %s (entry %d; no time of a run)", x.Path, x.Position)
		if err := emit(&f); err != nil {
			return err
		}
		if t := event.Ticks(x.Modified); t.Valid() {
			e.Ticks, e.Meaning, e.Action, e.Clock = t, "file modified as seen by the compatibility engine", event.Written, event.FileSystem
			e.Message = fmt.Sprintf("last write of %s, as the compatibility engine saw it", x.Path)
			e.Program = ""
			if err := emit(&e); err != nil {
				return err
			}
		}
		if t := event.Ticks(x.Updated); t.Valid() { // XP
			e.Ticks, e.Meaning, e.Action, e.Clock = t, "entry last updated", event.Other, ""
			e.Program, e.Message = x.Path, fmt.Sprintf("compatibility engine updated its entry of %s", x.Path)
			if err := emit(&e); err != nil {
				return err
			}
		}
	}
	return nil
}

func shimFields(x appcompat.Entry, layout appcompat.Layout, set string, current bool, written event.Ticks) []event.Field {
	f := []event.Field{event.Int("position", x.Position)}
	if x.Recency != x.Position {
		f = append(f, event.Int("recency", x.Recency))
	}
	f = append(f, event.When("file_modified", event.Ticks(x.Modified)))
	if x.Updated != 0 {
		f = append(f, event.When("entry_updated", event.Ticks(x.Updated)))
	}
	if x.HasSize {
		f = append(f, event.Uint("size", x.Size))
	}
	if x.HasFlags {
		f = append(f, event.Hex("insert_flags", x.InsertFlags), event.Hex("shim_flags", x.ShimFlags))
	}
	if n := len(x.Data); n >= 4 && layout == appcompat.Windows10 {
		d := x.Data[n-4:]
		f = append(f, event.Uint("last_dword", uint32(d[0])|uint32(d[1])<<8|uint32(d[2])<<16|uint32(d[3])<<24))
	}
	if x.Package != "" {
		f = append(f, event.Str("package", x.Package))
	}
	f = append(f, event.Str("layout", layout.String()), event.Str("control_set", set), event.Bool("current_set", current))
	return append(f, event.When("cache_written", written))
}

// shimPath takes the forms of a path that the engine uses: \??\C:\, SYSVOL\ for
// the system's volume, a plain path.
func shimPath(s string) string {
	if len(s) > 7 && strings.EqualFold(s[:7], `SYSVOL\`) {
		return strings.ReplaceAll(s[7:], `\`, "/")
	}
	return artifact.PathOf(s)
}
