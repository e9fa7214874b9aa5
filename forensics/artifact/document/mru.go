package document

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/regf"
	"kanshiki/parsers/shellitem"
)

// mru is a list of recent use in a user's hive: entries, and a value that
// gives their order, the latest first. The key's last write is the time of
// its first entry; of the others it only says that they are not later.
type mru struct {
	keys    []string // patterns in a user's hive
	lists   bool     // the subkeys of these keys are lists too, one a type
	action  event.Action
	first   string // meaning of the time of the first entry
	other   string // meaning of the facts about the rest
	verb    string // for messages: "opened"
	decode  func(e *event.Event, v regf.Value) (text string, err error)
	skip    func(name string) bool // values that are no entries
	ordered func(k *regf.Key) []string
	times   func(in *artifact.Input, h *artifact.Hive, k *regf.Key) map[string]event.Ticks // of entries, by name; nil for none
}

var mruFields = []string{"list", "position", "name", "shell_path", "folder", "item_modified", "item_created", "item_accessed", "item_size", "macros_enabled", "raw", "key_written"}

// list is the Read of a Spec for a list of recent use.
func (m mru) read(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	h, err := artifact.OpenHive(in)
	if err != nil {
		return err
	}
	emit = h.Emit(emit)
	fact := coverage.Fact{History: coverage.Recording, State: h.State(), How: "no such key"}
	for _, pattern := range m.keys {
		for k := range h.Find(in, pattern) {
			lists := []*regf.Key{k}
			if m.lists {
				for sub, err := range k.Subkeys() {
					if err != nil {
						in.Problem(problem.Malformed, problem.Lost, err)
						continue
					}
					lists = append(lists, sub)
				}
			}
			for _, k := range lists {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				fact.How, fact.To = "list is there", max(fact.To, event.Ticks(k.LastWritten))
				if err := m.list(in, h, k, emit); err != nil {
					return err
				}
			}
		}
	}
	in.Cover(fact)
	return nil
}

func (m mru) list(in *artifact.Input, h *artifact.Hive, k *regf.Key, emit func(*event.Event) error) error {
	order := m.ordered(k)
	var times map[string]event.Ticks
	if m.times != nil {
		times = m.times(in, h, k)
	}
	for v := range h.Values(in, k) {
		if m.skip(v.Name) {
			continue
		}
		in.Counts.Declared++
		e := &event.Event{
			Action: m.action, RegistryKey: h.Name(k), RegistryValue: v.Name, UserSID: h.Owner(), User: h.User,
			At: h.At(in, v.Offset, k.Path()), Length: 24 + int64(len(v.Name)),
		}
		position := slices.IndexFunc(order, func(s string) bool { return strings.EqualFold(s, v.Name) })
		list := []event.Field{event.Str("list", k.Name), event.Int("position", position)}
		text, err := m.decode(e, v)
		if err != nil {
			in.Report(problem.Problem{At: e.At, Kind: problem.Malformed, Severity: problem.Lost, Found: fmt.Sprintf("%s: %v", v.Name, err)})
			if text == "" {
				in.Counts.Failed++
				continue
			}
		}
		in.Counts.Decoded++
		e.Path = userPath(h, e.Path)
		e.Fields = append(list, e.Fields...)
		if t := times[strings.ToLower(v.Name)]; t.Valid() {
			e.Ticks = t
		}
		hasTime := e.Ticks.Valid()
		switch {
		case hasTime: // the entry has a time of its own
			e.Meaning = m.first
		case position == 0 && event.Ticks(k.LastWritten).Valid():
			e.Ticks, e.Meaning = event.Ticks(k.LastWritten), m.first
		default:
			e.Fact, e.To, e.Meaning = true, event.Ticks(k.LastWritten), m.other
		}
		e.Fields = append(e.Fields, event.When("key_written", event.Ticks(k.LastWritten)))
		e.Message = m.verb + " " + text
		if h.User != "" {
			e.Message = h.User + ": " + e.Message
		}
		if err := emit(e); err != nil {
			return err
		}
	}
	return nil
}

// listEx is the order of MRUListEx: numbers, ended by -1.
func listEx(k *regf.Key) []string {
	b := artifact.Data(k, "MRUListEx")
	var out []string
	for ; len(b) >= 4; b = b[4:] {
		n := binary.LittleEndian.Uint32(b)
		if n == 0xFFFFFFFF || len(out) > 1<<16 {
			break
		}
		out = append(out, fmt.Sprint(n))
	}
	return out
}

// listLetters is the order of MRUList: a text of letters.
func listLetters(k *regf.Key) []string { return strings.Split(artifact.Text(k, "MRUList"), "") }

// listNumbered is the order of names that end in a number: url1 is the latest.
func listNumbered(prefix string) func(*regf.Key) []string {
	return func(k *regf.Key) []string {
		out := make([]string, 0, 64)
		for i := 1; i <= 64; i++ {
			out = append(out, fmt.Sprintf("%s%d", prefix, i))
		}
		return out
	}
}

func notAnEntry(name string) bool {
	switch strings.ToLower(name) {
	case "mrulistex", "mrulist", "viewstream", "nodeslot", "nodeslots", "":
		return true
	}
	return false
}

// cstring reads UTF-16 to its zero, and gives what follows.
func cstring(b []byte) (string, []byte) {
	v := 0
	for v+1 < len(b) && (b[v] != 0 || b[v+1] != 0) {
		v += 2
	}
	u := make([]uint16, 0, v/2)
	for i := 0; i+1 < len(b) && i < v; i += 2 {
		u = append(u, binary.LittleEndian.Uint16(b[i:]))
	}
	return decodeUTF16(u), b[min(len(b), v+2):]
}

// shellFields sets path and times of what a list of shell items leads to.
func shellFields(e *event.Event, b []byte, page int) (string, error) {
	items, _, err := shellitem.Parse(b, page)
	if len(items) == 0 {
		return "", err
	}
	shown := shellitem.Path(items)
	e.Path = itemPath(items)
	e.Fields = append(e.Fields, event.Str("shell_path", shown))
	last := items[len(items)-1]
	if last.Ref != 0 && e.Path != "" {
		e.Entry, e.Sequence = last.Ref&(1<<48-1), uint16(last.Ref>>48)
	}
	for _, t := range []struct {
		name string
		time uint64
	}{{"item_modified", last.Modified}, {"item_created", last.Created}, {"item_accessed", last.Accessed}} {
		if t.time != 0 {
			e.Fields = append(e.Fields, event.When(t.name, event.Ticks(t.time)))
		}
	}
	if last.Size != 0 {
		e.Fields = append(e.Fields, event.Uint("item_size", last.Size))
	}
	return shown, err
}

const (
	mruClock     = "System UTC, 100 ns (FILETIME of the key), for the first entry of a list only."
	mruNotProven = "The time of any entry but the first; what was done with it; that a person was there. In a roaming profile it may be from another machine."
	explorer     = `Software\Microsoft\Windows\CurrentVersion\Explorer\`
)

func mruSpec(name, title string, m mru, card artifact.Card, kinds ...artifact.HiveKind) artifact.Spec {
	if len(kinds) == 0 {
		kinds = []artifact.HiveKind{artifact.HiveUser}
	}
	if card.NotProven == "" {
		card.NotProven = mruNotProven
	}
	if card.Clock == "" {
		card.Clock = mruClock
	}
	if m.skip == nil {
		m.skip = notAnEntry
	}
	return artifact.Spec{
		Name: name, Title: title, Globs: artifact.HiveGlobs(kinds...), Loose: artifact.LooseHive(kinds...),
		Fields: mruFields, Limit: artifact.HiveLimit, Family: artifact.FamilyShell, Card: card, Read: m.read,
	}
}

// userFolders are the known folders of a profile that begin a path of the
// shell (Windows SDK, KnownFolders.h); the libraries' own folders are left out,
// for a library may hold others.
var userFolders = map[string]string{
	"b4bfcc3a-db2c-424c-b029-7fe99a87c641": "Desktop", "fdd39ad0-238f-46af-adb4-6c85480369c7": "Documents",
	"374de290-123f-4565-9164-39c4925e467b": "Downloads", "d3162b92-9365-467a-956b-92703aca08af": "Documents",
	"088e3905-0323-4b02-9826-5d99428e115f": "Downloads", "33e28130-4e1e-4676-835a-98395c3bc3bb": "Pictures",
	"24ad3ad4-a569-4530-98e1-ab02f9417aa8": "Pictures", "59031a47-3f72-44a7-89c5-5595fe6b30ee": "",
}

// itemPath is the path of a list of items: from a volume or share, or from a
// known folder of the user.
func itemPath(items []shellitem.Item) string {
	if p := shellitem.FilePath(items); p != "" {
		if v := artifact.PathOf(p); v != "" {
			return v
		}
		return p
	}
	path := ""
	for _, it := range items {
		if folder, ok := userFolders[strings.ToLower(it.GUID.String())]; ok && it.Kind != shellitem.File {
			path = "%USERPROFILE%"
			if folder != "" {
				path += "/" + folder
			}
			continue
		}
		if path == "" {
			continue
		}
		if it.Kind != shellitem.File || it.Name == "" {
			return ""
		}
		path += "/" + it.Name
	}
	return path
}

// userPath puts the user's own folder in the place of its variable.
func userPath(h *artifact.Hive, path string) string {
	if p := h.PathOf(path); strings.HasPrefix(path, "%") && p != "" {
		return p
	}
	return path
}
