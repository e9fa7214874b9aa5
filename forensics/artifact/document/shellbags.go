package document

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/regf"
	"kanshiki/parsers/shellitem"
)

// Shellbags are the folders that the Explorer showed to a user.
var Shellbags = artifact.Spec{
	Name:   "document/shellbags",
	Title:  "Shellbags (BagMRU)",
	Globs:  artifact.HiveGlobs(artifact.HiveUser, artifact.HiveClasses),
	Loose:  artifact.LooseHive(artifact.HiveUser, artifact.HiveClasses),
	Fields: mruFields,
	Limit:  artifact.HiveLimit,
	Family: artifact.FamilyShell,
	Card: artifact.Card{
		Proves:    "The Explorer of this profile showed or selected this folder, also on devices, shares and in archives. The first of the folders below one key was the last to be used among them, at the key's last write or earlier.",
		NotProven: "That files inside were opened; every time it was shown; that the folder exists. The times of the folder are of the moment when the entry was made, in steps of 2 s. In a roaming profile it may be from another machine.",
		Clock:     "System UTC (FILETIME of the key), for the most recent child only; the folder's own times are of FAT's resolution.",
		Retention: "Long: 400 folders on XP, 5,000 and more later.",
		Switches:  "BagMRU Size = 0; NoSaveSettings.",
		Source:    "Y. Zhu, P. Gladyshev, J. James, Using shellbag information to reconstruct user activities, DFRWS 2009; libyal winreg-kb, \"Shellbags\".",
	},
	Read: readShellbags,
}

var bagKeys = map[artifact.HiveKind][]string{
	artifact.HiveUser: {`Software\Microsoft\Windows\Shell\BagMRU`, `Software\Microsoft\Windows\ShellNoRoam\BagMRU`, `Software\Classes\Local Settings\Software\Microsoft\Windows\Shell\BagMRU`},
	artifact.HiveClasses: {`Local Settings\Software\Microsoft\Windows\Shell\BagMRU`, `Local Settings\Software\Microsoft\Windows\ShellNoRoam\BagMRU`,
		`Wow6432Node\Local Settings\Software\Microsoft\Windows\Shell\BagMRU`},
}

func readShellbags(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	h, err := artifact.OpenHive(in)
	if err != nil {
		return err
	}
	emit = h.Emit(emit)
	fact := coverage.Fact{History: coverage.Recording, State: h.State(), How: "no key BagMRU"}
	for _, pattern := range bagKeys[h.Kind] {
		for k := range h.Find(in, pattern) {
			fact.How, fact.To = "key BagMRU", max(fact.To, event.Ticks(k.LastWritten))
			if err := bags(ctx, in, h, k, nil, emit); err != nil {
				return err
			}
		}
	}
	in.Cover(fact)
	return nil
}

// maxBags is how deep a folder may be; a path of Windows has no more levels.
const maxBags = 128

func bags(ctx context.Context, in *artifact.Input, h *artifact.Hive, k *regf.Key, up []shellitem.Item, emit func(*event.Event) error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(up) > maxBags {
		in.Problem(problem.OverLimit, problem.Lost, fmt.Errorf("%s: more than %d levels", k.Path(), maxBags))
		return nil
	}
	order := listEx(k)
	children := map[string][]shellitem.Item{}
	for v := range h.Values(in, k) {
		if _, err := strconv.Atoi(v.Name); err != nil {
			continue
		}
		in.Counts.Declared++
		b, err := v.Data()
		var items []shellitem.Item
		if err == nil {
			items, _, err = shellitem.Parse(b, 0)
		}
		at := h.At(in, v.Offset, k.Path())
		if err != nil {
			in.Report(problem.Problem{At: at, Kind: problem.Malformed, Severity: problem.Lost, Found: fmt.Sprintf("%s: %v", v.Name, err)})
		}
		if len(items) == 0 {
			in.Counts.Failed++
			continue
		}
		in.Counts.Decoded++
		way := append(slices.Clone(up), items...)
		children[v.Name] = way
		if err := emit(bag(h, k, v, way, slices.Index(order, v.Name), at)); err != nil {
			return err
		}
	}
	for sub, err := range k.Subkeys() {
		if err != nil {
			in.Problem(problem.Malformed, problem.Lost, err)
			continue
		}
		way, ok := children[sub.Name]
		if !ok {
			way = append(slices.Clone(up), shellitem.Item{Name: "?"})
		}
		if err := bags(ctx, in, h, sub, way, emit); err != nil {
			return err
		}
	}
	return nil
}

func bag(h *artifact.Hive, k *regf.Key, v regf.Value, way []shellitem.Item, position int, at locator.Locator) *event.Event {
	shown := shellitem.Path(way)
	e := &event.Event{
		Action: event.Other, RegistryKey: h.Name(k), RegistryValue: v.Name, UserSID: h.Owner(), User: h.User, At: at, Length: 24 + int64(len(v.Name)),
		Fields: []event.Field{event.Str("list", k.Name), event.Int("position", position), event.Str("shell_path", shown)},
	}
	e.Path = userPath(h, itemPath(way))
	last := way[len(way)-1]
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
	e.Fields = append(e.Fields, event.When("key_written", event.Ticks(k.LastWritten)))
	if position == 0 && event.Ticks(k.LastWritten).Valid() {
		e.Ticks, e.Meaning = event.Ticks(k.LastWritten), "folder last used by the Explorer"
	} else {
		e.Fact, e.To, e.Meaning = true, event.Ticks(k.LastWritten), "folder used by the Explorer before"
	}
	e.Message = "Explorer showed " + shown
	if h.User != "" {
		e.Message = h.User + ": " + e.Message
	}
	return e
}
