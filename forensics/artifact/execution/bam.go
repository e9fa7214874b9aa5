package execution

import (
	"context"
	"encoding/binary"
	"fmt"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/regf"
)

// BAM is what the background and desktop activity moderators remember.
var BAM = artifact.Spec{
	Name:   "execution/bam",
	Title:  "Background activity moderator (BAM, DAM)",
	Globs:  artifact.HiveGlobs(artifact.HiveSystem),
	Loose:  artifact.LooseHive(artifact.HiveSystem),
	Fields: []string{"moderator", "control_set", "current_set", "raw", "key_written"},
	Limit:  artifact.HiveLimit,
	Family: artifact.FamilySetting,
	Card: artifact.Card{
		Proves:    "A process of this image ran under this account; the time is about its last activity.",
		NotProven: "Earlier runs, the start of this run, that a person started it. Children of a console, programs on removable or network media are often missing. The name is a path of the device, or a package.",
		Clock:     "System UTC, 100 ns (FILETIME in the value).",
		Retention: "About 7 days; older entries are dropped at boot.",
		Switches:  `The services bam and dam (Start = 4 below Services) switch it off; Windows 10 1709 and later only.`,
		Source:    "libyal winreg-kb, \"Background Activity Moderator\"; tests with Windows 10 1709 to 21H2 published there.",
	},
	Read: readBAM,
}

func readBAM(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	h, err := artifact.OpenHive(in)
	if err != nil {
		return err
	}
	emit = h.Emit(emit)
	fact := coverage.Fact{History: coverage.NotInWindows, State: h.State(), How: "no service bam"}
	for _, name := range []string{"bam", "dam"} {
		for k := range h.Find(in, `CCS\Services\`+name) {
			if n, ok := artifact.Number(k, "Start"); ok && name == "bam" {
				if _, current := h.CurrentSet(k.Path()); current || fact.History == coverage.NotInWindows {
					fact.History, fact.How = coverage.Recording, fmt.Sprintf("service bam, Start %d", n)
					if n == 4 {
						fact.History = coverage.Off
					}
				}
			}
		}
		for _, path := range []string{`\UserSettings\*`, `\State\UserSettings\*`} {
			for k := range h.Find(in, `CCS\Services\`+name+path) {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				for v := range h.Values(in, k) {
					if v.Name == "Version" || v.Name == "SequenceNumber" {
						continue
					}
					e, err := bam(in, h, k, v, name)
					in.Counts.Declared++
					if err != nil {
						in.Counts.Failed++
						in.Problem(problem.Malformed, problem.Lost, err)
						continue
					}
					in.Counts.Decoded++
					fact.To = max(fact.To, e.Ticks)
					if e.Ticks.Valid() && (fact.From == 0 || e.Ticks < fact.From) {
						fact.From = e.Ticks
					}
					if err := emit(e); err != nil {
						return err
					}
				}
			}
		}
	}
	in.Cover(fact)
	return nil
}

func bam(in *artifact.Input, h *artifact.Hive, k *regf.Key, v regf.Value, moderator string) (*event.Event, error) {
	b, err := v.Data()
	if err != nil {
		return nil, err
	}
	if len(b) < 8 {
		return nil, fmt.Errorf("%s: value of %d bytes, a time needs 8", v.Name, len(b))
	}
	set, current := h.CurrentSet(k.Path())
	e := &event.Event{
		Ticks: event.Ticks(binary.LittleEndian.Uint64(b)), Meaning: "last active", Action: event.Executed,
		Program: v.Name, Path: artifact.DevicePath(v.Name), UserSID: k.Name, RegistryKey: h.Name(k), RegistryValue: v.Name,
		At: h.At(in, v.Offset, k.Path()), Length: 24 + int64(len(v.Name)),
		Fields:  []event.Field{event.Str("moderator", moderator), event.Str("control_set", set), event.Bool("current_set", current)},
		Message: fmt.Sprintf("%s was active under %s", v.Name, k.Name),
	}
	if in.Machine != nil {
		e.User = in.Machine.Users[k.Name].Name
	}
	if !e.Ticks.Valid() {
		e.Fields = append(e.Fields, event.Str("raw", fmt.Sprintf("%x", b)))
		e.Ticks, e.Fact, e.To = 0, true, event.Ticks(k.LastWritten)
	}
	e.Fields = append(e.Fields, event.When("key_written", event.Ticks(k.LastWritten)))
	return e, nil
}
