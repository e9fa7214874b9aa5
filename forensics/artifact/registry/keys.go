package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/regf"
)

// Keys are all keys of all hives, live and recovered, so that the timeline
// holds every hive completely.
var Keys = artifact.Spec{
	Name:  "registry/keys",
	Title: "Registry keys",
	Globs: artifact.HiveGlobs(artifact.HiveSystem, artifact.HiveSoftware, artifact.HiveSAM, artifact.HiveSecurity, artifact.HiveUser,
		artifact.HiveClasses, artifact.HiveAmcache, artifact.HiveBCD, artifact.HiveOther),
	Loose:  artifact.LooseHive(),
	Fields: []string{"value_count", "values", "class", "control_set", "current_set", "flags", "where", "path_proven", "from_log", "value", "value_type", "value_data", "data_reused", "raw_time"},
	Limit:  artifact.HiveLimit,
	Family: artifact.FamilySetting,
	Card: artifact.Card{
		Proves:    "At this time the key was created, or a value or subkey of it was set, added or deleted, or its security changed: the last such change.",
		NotProven: "Which value changed, who changed it, that the other values are as old; earlier changes. Windows itself, installers and upgrades write many keys in one second. A recovered key existed once; when it was deleted is not said.",
		Clock:     "System UTC, 100 ns (FILETIME), set by the kernel at the change.",
		Retention: "Until the key is changed again or deleted; a deleted key until its cell is used anew.",
		Switches:  "None. A hive that was not written back is brought up to date from its transaction logs; without them the last minutes are missing.",
		Source:    "M. Suhanov, Windows registry file format specification (key node, log entries); Windows SDK, RegQueryInfoKey lpftLastWriteTime.",
	},
	Read: readKeys,
}

func readKeys(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	h, err := artifact.OpenHive(in)
	if err != nil {
		return err
	}
	emit = h.Emit(emit)
	fact := replayed(in, h)
	fresh := h.Replay.Before != nil && h.Replay.Before != h.Hive
	before := map[string]uint64{}
	if fresh { // what the logs added or changed is marked
		for k, err := range h.Replay.Before.Keys() {
			if err == nil {
				before[k.Path()] = k.LastWritten
			}
		}
	}
	for err := range h.Check() {
		in.Problem(problem.Malformed, problem.Doubt, err)
		fact.State = coverage.Partly
	}
	n := 0
	for k, err := range h.Keys() {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			in.Counts.Declared++
			in.Counts.Failed++
			in.Problem(problem.Malformed, problem.Lost, err)
			fact.State = coverage.Partly
			continue
		}
		in.Counts.Declared++
		in.Counts.Decoded++
		e := keyEvent(in, h, k)
		if fresh {
			if was, ok := before[k.Path()]; !ok || was != k.LastWritten {
				e.Fields = append(e.Fields, event.Bool("from_log", true))
			}
		}
		if err := emit(e); err != nil {
			return err
		}
		fact.To = max(fact.To, event.Ticks(k.LastWritten))
	}
	if err := readRecovered(ctx, in, h, emit); err != nil {
		return err
	}
	if !fact.To.Valid() {
		fact.To = event.Ticks(h.Base.LastWritten)
	}
	in.Cover(fact)
	return nil
}

// replayed reports what became of the logs, and begins the coverage fact.
func replayed(in *artifact.Input, h *artifact.Hive) coverage.Fact {
	f := coverage.Fact{History: coverage.Recording, State: h.State()}
	r := h.Replay
	var said []string
	for _, a := range r.Logs {
		name := h.Logs[a.Log]
		if a.Pages > 0 {
			said = append(said, fmt.Sprintf("%d pages of %s (numbers %d to %d)", a.Pages, name, a.First, a.Last))
		}
		if a.Refused != "" && a.Refused != "empty" && r.Before != nil && r.Before.Dirty() {
			in.Problem(problem.Malformed, problem.Doubt, fmt.Errorf("%s: not applied from here: %s", name, a.Refused))
			f.State = coverage.Partly
		}
	}
	switch {
	case len(said) > 0:
		f.How = fmt.Sprintf("hive brought up to date: %s; %d blocks changed", strings.Join(said, ", "), r.Changed)
	case r.Before != nil && r.Before.Dirty():
		in.Problem(problem.Inconsistent, problem.Doubt, fmt.Errorf("the hive was not closed, and no log completes it (%s): its last changes may be missing", r.Reason))
		f.How, f.State = "hive not closed; read as it lies", coverage.Partly
	default:
		f.How = "hive closed; read as it lies"
	}
	if r.BaseRecovered {
		in.Problem(problem.Malformed, problem.Note, errors.New("base block damaged; taken from the log"))
	}
	if r.Gap > 0 {
		in.Problem(problem.Inconsistent, problem.Note, fmt.Errorf("the hive has number %d, its log begins with %d: the %d before are in no log and may be in the hive already", r.Before.PrimarySeq, r.Before.PrimarySeq+r.Gap, r.Gap))
	}
	return f
}

func keyEvent(in *artifact.Input, h *artifact.Hive, k *regf.Key) *event.Event {
	e := &event.Event{
		Ticks: event.Ticks(k.LastWritten), Meaning: "key last written", Action: event.Configured,
		RegistryKey: h.Name(k), UserSID: h.Owner(), User: h.User,
		At: h.At(in, k.Offset, k.Path()), Length: 80 + int64(len(k.Name)),
	}
	// The names make a row of a key with thousands of values unwieldy; those
	// keys are few, and the count says how many there are.
	const most = 64
	var names []string
	for v := range h.Values(in, k) {
		if len(names) < most {
			names = append(names, v.Name)
		}
	}
	e.Fields = append(e.Fields, event.Uint("value_count", k.ValueCount))
	if len(names) > 0 {
		e.Fields = append(e.Fields, event.List("values", names))
	}
	class, err := k.Class()
	if err != nil {
		in.Problem(problem.Malformed, problem.Doubt, err)
	}
	if class != "" {
		e.Fields = append(e.Fields, event.Str("class", class))
	}
	if set, current := h.CurrentSet(k.Path()); set != "" {
		e.Fields = append(e.Fields, event.Str("control_set", set), event.Bool("current_set", current))
	}
	if f := k.Flags &^ (regf.KeyCompName | regf.KeyHiveEntry | regf.KeyNoDelete); f != 0 {
		e.Fields = append(e.Fields, event.Hex("flags", f))
	}
	if !e.Ticks.Valid() {
		e.Fields = append(e.Fields, event.Uint("raw_time", k.LastWritten))
		e.Ticks = 0
	}
	e.Message = "key last written: " + e.RegistryKey
	return e
}

// readRecovered gives deleted keys as events of their last write, and deleted
// values as facts: they stood before their key was written last.
func readRecovered(ctx context.Context, in *artifact.Input, h *artifact.Hive, emit func(*event.Event) error) error {
	for _, err := range h.Unwalked() {
		in.Problem(problem.Malformed, problem.Doubt, err)
	}
	for _, r := range h.Lost() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		in.Counts.Declared++
		in.Counts.Recovered++
		e := &event.Event{
			Action: event.Configured, RegistryKey: h.Root + `\` + r.Path, UserSID: h.Owner(), User: h.User,
			At: h.AtLost(in, &r), Recovered: event.InDeleted,
		}
		if !r.Complete {
			e.RegistryKey = h.Root + `\…\` + r.Path
		}
		if r.Where == regf.InSlack {
			e.Recovered = event.InSlack
		}
		where := []event.Field{event.Str("where", r.Where), event.Bool("path_proven", r.Complete)}
		if r.Value == nil {
			e.Ticks, e.Meaning, e.Length = event.Ticks(r.Key.LastWritten), "key last written", 80+int64(len(r.Key.Name))
			e.Fields = append([]event.Field{event.Uint("value_count", r.Key.ValueCount)}, where...)
			e.Message = "deleted key, last written: " + e.RegistryKey
		} else {
			e.Fields = where
			recoveredValue(e, &r)
		}
		if err := emit(e); err != nil {
			return err
		}
	}
	return nil
}

func recoveredValue(e *event.Event, r *regf.Recovered) {
	e.Fact, e.Meaning, e.RegistryValue = true, "value deleted", r.Value.Name
	if r.Where == artifact.ChangedBy {
		e.Meaning = "value before its last change"
	}
	e.Length = 24 + int64(len(r.Value.Name))
	if r.Key != nil {
		e.To = event.Ticks(r.Key.LastWritten)
	}
	e.Fields = append(e.Fields, event.Uint("value_type", r.Value.Type))
	if s := show(*r.Value); s != "" {
		e.Fields = append(e.Fields, event.Str("value_data", s))
	}
	if r.DataReused {
		e.Fields = append(e.Fields, event.Bool("data_reused", true))
	}
	e.Message = e.Meaning + ": " + e.RegistryKey + " : " + r.Value.Name
}

// show prints the content of a value: text as it is, numbers, and the first
// bytes of the rest in hex.
func show(v regf.Value) string {
	switch v.Type {
	case regf.String, regf.ExpandString, regf.Link, regf.MultiString:
		s, _ := v.Text()
		return cut(s, 4096)
	case regf.DWord, regf.DWordBE, regf.QWord:
		if n, ok := v.Uint(); ok {
			return fmt.Sprintf("%d", n)
		}
	}
	b, _ := v.Data()
	if len(b) > 64 {
		return fmt.Sprintf("%x… (%d bytes)", b[:64], len(b))
	}
	return fmt.Sprintf("%x", b)
}

// cut shortens a text to n bytes, never inside a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}
