package persistence

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/regf"
)

// TaskCache is what the task scheduler keeps of its tasks in the registry. It
// has what the files do not: when a task was registered and started last. A
// task whose key lacks its security descriptor is hidden from all listings.
var TaskCache = artifact.Spec{
	Name:   "persistence/taskcache",
	Title:  "Scheduled tasks in the registry (TaskCache)",
	Globs:  artifact.HiveGlobs(artifact.HiveSoftware),
	Loose:  artifact.LooseHive(artifact.HiveSoftware),
	Fields: []string{"task", "id", "author", "date", "context", "actions", "launcher", "registered", "last_start", "last_success", "last_result", "hidden", "tree_key", "key_written"},
	Limit:  artifact.HiveLimit,
	Family: artifact.FamilyScheduler,
	Card: artifact.Card{
		Proves:    "A task of this name is registered with these actions; it was registered, or changed, and started last at these times, with this result.",
		NotProven: "That the action finished its work; earlier starts; who registered it (the author is what the one who made the task wrote).",
		Clock:     "System UTC, 100 ns (FILETIME in DynamicInfo).",
		Retention: "Until the task is deleted.",
		Switches:  "The service Schedule. Windows Vista and later; from 8 on with all that is given here.",
		Source:    "libyal winreg-kb, \"Task cache\"; cyber.wtf, \"Windows Registry Analysis: Tasks\", 2022, for Actions; Microsoft, \"Tarrask malware uses scheduled tasks\", 2022, for the missing SD.",
	},
	Read: readTaskCache,
}

const taskCache = `Microsoft\Windows NT\CurrentVersion\Schedule\TaskCache\`

func readTaskCache(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	h, err := artifact.OpenHive(in)
	if err != nil {
		return err
	}
	emit = h.Emit(emit)
	tree := map[string]*regf.Key{} // by the task's identifier
	for k := range h.Find(in, taskCache+"Tree") {
		for sub, err := range k.Below() {
			if err == nil {
				if id := artifact.Text(sub, "Id"); id != "" {
					tree[strings.ToLower(id)] = sub
				}
			}
		}
	}
	fact := coverage.Fact{History: coverage.Recording, State: h.State(), How: "no key TaskCache"}
	for k := range h.Find(in, taskCache+`Tasks\*`) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		in.Counts.Declared++
		in.Counts.Decoded++
		fact.How, fact.To = "key TaskCache", max(fact.To, event.Ticks(k.LastWritten))
		if err := cachedTask(in, h, k, tree[strings.ToLower(k.Name)], emit); err != nil {
			return err
		}
	}
	in.Cover(fact)
	return nil
}

func cachedTask(in *artifact.Input, h *artifact.Hive, k, leaf *regf.Key, emit func(*event.Event) error) error {
	name := artifact.Text(k, "Path")
	if name == "" {
		name = artifact.Text(k, "URI")
	}
	base := event.Event{RegistryKey: h.Name(k), At: h.At(in, k.Offset, k.Path()), Length: 80 + int64(len(k.Name)), Record: k.Name}
	add := func(field, s string) {
		if s != "" {
			base.Fields = append(base.Fields, event.Str(field, s))
		}
	}
	add("task", name)
	add("id", k.Name)
	add("author", artifact.Text(k, "Author"))
	add("date", artifact.Text(k, "Date"))
	as, actions, err := parseActions(artifact.Data(k, "Actions"))
	if err != nil {
		in.Report(problem.Problem{At: base.At, Kind: problem.Malformed, Severity: problem.Doubt, Found: fmt.Sprintf("task %s: %v", name, err)})
	}
	add("context", as)
	if len(actions) > 0 {
		base.Fields = append(base.Fields, event.List("actions", actions))
		var launcher string
		base.Program, launcher = artifact.Program(actions[0])
		base.Path = artifact.PathOf(base.Program)
		add("launcher", launcher)
	}
	var registered, started, succeeded event.Ticks
	result := uint32(0)
	if b := artifact.Data(k, "DynamicInfo"); len(b) >= 28 {
		le := binary.LittleEndian
		registered, started, result = event.Ticks(le.Uint64(b[4:])), event.Ticks(le.Uint64(b[12:])), le.Uint32(b[24:])
		if len(b) >= 36 {
			succeeded = event.Ticks(le.Uint64(b[28:]))
		}
		for _, t := range []struct {
			field string
			at    event.Ticks
		}{{"registered", registered}, {"last_start", started}, {"last_success", succeeded}} {
			if t.at != 0 {
				base.Fields = append(base.Fields, event.When(t.field, t.at))
			}
		}
		base.Fields = append(base.Fields, event.Hex("last_result", result))
	}
	hidden := false
	if leaf != nil {
		_, err := leaf.Value("SD")
		hidden = errors.Is(err, regf.ErrNoValue)
		if index, ok := artifact.Number(leaf, "Index"); ok && index == 0 {
			hidden = true
		}
		if hidden {
			base.Fields = append(base.Fields, event.Bool("hidden", true))
		}
		add("tree_key", h.Name(leaf))
	}
	base.Fields = append(base.Fields, event.When("key_written", event.Ticks(k.LastWritten)))
	what := strings.Join(actions, "; ")
	e := base
	e.Fact, e.To, e.Meaning, e.Action = true, event.Ticks(k.LastWritten), "task starts this program", event.Persisted
	e.Message = fmt.Sprintf("task %s: %s", name, what)
	if hidden {
		e.Message += " (hidden)"
	}
	if err := emit(&e); err != nil {
		return err
	}
	for _, t := range []struct {
		at            event.Ticks
		meaning, verb string
		action        event.Action
	}{
		{registered, "task registered or changed", "registered", event.JobQueued}, {started, "task last started", "started last", event.Started},
		{succeeded, "task last ended well", "ended well last", event.Stopped},
	} {
		if !t.at.Valid() {
			continue
		}
		e := base
		e.Ticks, e.Meaning, e.Action = t.at, t.meaning, t.action
		e.Message = fmt.Sprintf("task %s %s: %s", name, t.verb, what)
		if err := emit(&e); err != nil {
			return err
		}
	}
	return nil
}

// parseActions reads the value Actions: version, the context under which the
// task runs, then actions: 0x6666 starts a program, 0x7777 calls a component.
// What else there is ends the list.
func parseActions(b []byte) (as string, actions []string, err error) {
	le := binary.LittleEndian
	text := func(what string) string {
		if err != nil {
			return ""
		}
		if len(b) < 4 || int64(le.Uint32(b)) > int64(len(b)-4) {
			err = fmt.Errorf("actions: %s does not fit %d bytes", what, len(b))
			return ""
		}
		n := int(le.Uint32(b))
		u := make([]uint16, n/2)
		for i := range u {
			u[i] = le.Uint16(b[4+2*i:])
		}
		b = b[4+n:]
		return string(utf16.Decode(u))
	}
	if len(b) == 0 {
		return "", nil, nil
	}
	if len(b) < 2 {
		return "", nil, fmt.Errorf("actions of %d bytes", len(b))
	}
	version := le.Uint16(b)
	b = b[2:]
	if version > 1 {
		as = text("context")
	}
	for err == nil && len(b) >= 2 {
		kind := le.Uint16(b)
		b = b[2:]
		switch kind {
		case 0x6666:
			text("identifier")
			command, arguments := text("command"), text("arguments")
			text("folder")
			if err == nil {
				if strings.ContainsAny(command, " ") && !strings.HasPrefix(command, `"`) {
					command = `"` + command + `"`
				}
				actions = append(actions, strings.TrimSpace(command+" "+arguments))
			}
			if version > 2 && len(b) >= 2 {
				b = b[2:] // flags
			}
		case 0x7777:
			text("identifier")
			if err == nil && len(b) >= 16 {
				actions = append(actions, "component "+guid(b))
				b = b[16:]
				text("data")
			}
		case 0x8888:
			return as, append(actions, "sends a mail"), err
		case 0x9999:
			return as, append(actions, "shows a message"), err
		default:
			return as, actions, fmt.Errorf("actions: kind %#x is not known", kind)
		}
	}
	return as, actions, err
}

// guid prints a class identifier.
func guid(b []byte) string {
	le := binary.LittleEndian
	return fmt.Sprintf("{%08x-%04x-%04x-%x-%x}", le.Uint32(b), le.Uint16(b[4:]), le.Uint16(b[6:]), b[8:10], b[10:16])
}
