package document

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/regf"
)

// Archivers are the archives and folders that WinRAR and 7-Zip remember.
var Archivers = artifact.Spec{
	Name:   "document/archivers",
	Title:  "Archives named by WinRAR and 7-Zip",
	Globs:  artifact.HiveGlobs(artifact.HiveUser),
	Loose:  artifact.LooseHive(artifact.HiveUser),
	Fields: []string{"program", "list", "position", "name", "key_written"},
	Limit:  artifact.HiveLimit,
	Family: artifact.FamilyTool,
	Card: artifact.Card{
		Proves:    "The archiver of this profile made, opened or unpacked an archive of this name, or used this folder, as its list says; the first of a list at the key's last write or before.",
		NotProven: "What was packed, how large it was, that it was done; the time of any entry but the first. Use from a command line leaves nothing here. In a roaming profile it may be from another machine.",
		Clock:     mruClock,
		Retention: "WinRAR 4 to 20 entries, 7-Zip 20.",
		Switches:  "Both programs can be told to keep no history.",
		Source:    "WinRAR (ArcHistory, DialogEditHistory) and 7-Zip (source: CPP/7zip/UI/Common/ZipRegistry.cpp).",
	},
	Read: readArchivers,
}

var archiverLists = []struct{ program, list, pattern, value string }{
	{"WinRAR", "archives opened or made", `Software\WinRAR\ArcHistory`, ""},
	{"WinRAR", "archives made", `Software\WinRAR\DialogEditHistory\ArcName`, ""},
	{"WinRAR", "folders unpacked to", `Software\WinRAR\DialogEditHistory\ExtrPath`, ""},
	{"7-Zip", "archives made", `Software\7-Zip\Compression`, "ArcHistory"},
	{"7-Zip", "folders unpacked to", `Software\7-Zip\Extraction`, "PathHistory"},
	{"7-Zip", "folders shown", `Software\7-Zip\FM`, "FolderHistory"},
	{"7-Zip", "folders copied to", `Software\7-Zip\FM`, "CopyHistory"},
}

func readArchivers(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	h, err := artifact.OpenHive(in)
	if err != nil {
		return err
	}
	emit = h.Emit(emit)
	fact := coverage.Fact{History: coverage.Recording, State: h.State(), How: "keys of WinRAR and 7-Zip"}
	for _, l := range archiverLists {
		for k := range h.Find(in, l.pattern) {
			for v := range h.Values(in, k) {
				var names []string
				first := 0
				if l.value == "" { // WinRAR: values 0, 1, 2 …, the latest is 0
					n, err := strconv.Atoi(v.Name)
					if err != nil {
						continue
					}
					s, err := v.Text()
					if err != nil {
						in.Problem(problem.Malformed, problem.Lost, err)
					}
					names, first = []string{s}, n
				} else if strings.EqualFold(v.Name, l.value) {
					names = historyOf7Zip(in, v)
				}
				for i, name := range names {
					in.Counts.Declared++
					in.Counts.Decoded++
					fact.To = max(fact.To, event.Ticks(k.LastWritten))
					if err := emit(archived(in, h, k, v, l.program, l.list, name, first+i)); err != nil {
						return err
					}
				}
			}
		}
	}
	in.Cover(fact)
	return nil
}

// historyOf7Zip reads texts that follow each other, each with its zero, the
// latest first.
func historyOf7Zip(in *artifact.Input, v regf.Value) []string {
	b, err := v.Data()
	if err != nil {
		in.Problem(problem.Malformed, problem.Lost, err)
	}
	var out []string
	var u []uint16
	for i := 0; i+1 < len(b); i += 2 {
		c := uint16(b[i]) | uint16(b[i+1])<<8
		if c != 0 {
			u = append(u, c)
			continue
		}
		if len(u) > 0 {
			out = append(out, string(utf16.Decode(u)))
		}
		u = u[:0]
	}
	return out
}

func archived(in *artifact.Input, h *artifact.Hive, k *regf.Key, v regf.Value, program, list, name string, position int) *event.Event {
	e := &event.Event{
		Action: event.Other, Program: program, Path: h.PathOf(name), RegistryKey: h.Name(k), RegistryValue: v.Name, UserSID: h.Owner(), User: h.User,
		At: h.At(in, v.Offset, k.Path()), Length: 24 + int64(len(v.Name)), Meaning: list,
		Fields: []event.Field{event.Str("program", program), event.Str("list", list), event.Int("position", position), event.Str("name", name), event.When("key_written", event.Ticks(k.LastWritten))},
	}
	e.Message = fmt.Sprintf("%s, %s: %s", program, list, name)
	if h.User != "" {
		e.Message = h.User + ": " + e.Message
	}
	if e.Ticks = event.Ticks(k.LastWritten); position != 0 || !e.Ticks.Valid() {
		e.Fact, e.To, e.Ticks = true, event.Ticks(k.LastWritten), 0
	}
	return e
}
