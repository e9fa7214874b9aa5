package persistence

import (
	"context"
	"fmt"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/regf"
)

// Services are the services and drivers of every control set.
var Services = artifact.Spec{
	Name:   "persistence/services",
	Title:  "Services and drivers",
	Globs:  artifact.HiveGlobs(artifact.HiveSystem),
	Loose:  artifact.LooseHive(artifact.HiveSystem),
	Fields: []string{"service", "display_name", "image_path", "service_dll", "failure_command", "performance_library", "start", "type", "account", "control_set", "current_set", "key_written", "launcher", "value_count", "where", "path_proven"},
	Limit:  artifact.HiveLimit,
	Family: artifact.FamilyScheduler,
	Card: artifact.Card{
		Proves:    "A service or driver of this name is set up in this control set, with this file, start type and account. Its key, or a value of it, was last changed at the event's time.",
		NotProven: "That it ran, that the file is still the one it was, when it was installed (event 7045 says so), who installed it. The key of a driver is written at every boot on some Windows. Control sets other than the current one are older states.",
		Clock:     "System UTC, 100 ns (FILETIME of the key).",
		Retention: "Until the service is removed; older control sets keep it longer.",
		Switches:  "Start: 0 boot, 1 system, 2 automatic, 3 on demand, 4 disabled.",
		Source:    "Microsoft Learn, \"HKLM\\SYSTEM\\CurrentControlSet\\Services Registry Tree\"; Windows SDK, CreateService.",
	},
	Read: readServices,
}

func readServices(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	h, err := artifact.OpenHive(in)
	if err != nil {
		return err
	}
	emit = h.Emit(emit)
	var last event.Ticks
	for k := range h.Find(in, `CCS\Services`) {
		for sub, err := range k.Subkeys() {
			in.Counts.Declared++
			if err != nil {
				in.Counts.Failed++
				in.Problem(problem.Malformed, problem.Lost, err)
				continue
			}
			in.Counts.Decoded++
			if ctx.Err() != nil {
				return ctx.Err()
			}
			last = max(last, event.Ticks(sub.LastWritten))
			if err := service(in, h, sub, emit); err != nil {
				return err
			}
		}
	}
	if err := lostServices(in, h, emit); err != nil {
		return err
	}
	in.Cover(coverage.Fact{History: coverage.Recording, State: h.State(), To: last, How: fmt.Sprintf("%d control sets", len(h.Sets))})
	return nil
}

var startTypes = map[uint64]string{0: "boot", 1: "system", 2: "automatic", 3: "on demand", 4: "disabled"}

// service gives one event of the key's write, and a fact for each file that
// the service names. A key without a file or type holds settings only.
func service(in *artifact.Input, h *artifact.Hive, k *regf.Key, emit func(*event.Event) error) error {
	set, current := h.CurrentSet(k.Path())
	image := artifact.Text(k, "ImagePath")
	dll := artifact.Text(k, "ServiceDll")
	written := k.LastWritten
	if p, err := k.Subkey("Parameters"); err == nil {
		if s := artifact.Text(p, "ServiceDll"); s != "" {
			dll, written = s, max(written, p.LastWritten)
		}
	}
	library := ""
	if p, err := k.Subkey("Performance"); err == nil {
		library = artifact.Text(p, "Library")
	}
	var fields []event.Field
	add := func(name, s string) {
		if s != "" {
			fields = append(fields, event.Str(name, s))
		}
	}
	add("service", k.Name)
	add("display_name", artifact.Text(k, "DisplayName"))
	add("image_path", image)
	add("service_dll", dll)
	add("failure_command", artifact.Text(k, "FailureCommand"))
	add("performance_library", library)
	start, started := artifact.Number(k, "Start")
	if started {
		if s, ok := startTypes[start]; ok {
			add("start", s)
		} else {
			add("start", fmt.Sprint(start))
		}
	}
	kind, typed := artifact.Number(k, "Type")
	if typed {
		fields = append(fields, event.Hex("type", kind))
	}
	add("account", artifact.Text(k, "ObjectName"))
	fields = append(fields, event.Str("control_set", set), event.Bool("current_set", current))
	e := event.Event{
		RegistryKey: h.Name(k), At: h.At(in, k.Offset, k.Path()), Length: 80 + int64(len(k.Name)), Record: k.Name, Fields: fields,
	}
	ev := e
	ev.Ticks, ev.Meaning, ev.Action = event.Ticks(k.LastWritten), "service key last written", event.Configured
	ev.Program, _ = artifact.Program(image)
	if dll != "" {
		ev.Program, _ = artifact.Program(dll)
	}
	ev.Path = artifact.PathOf(ev.Program)
	ev.Message = "service key last written: " + k.Name + " in " + set
	if err := emit(&ev); err != nil {
		return err
	}
	if !typed && image == "" {
		return nil
	}
	for _, f := range []struct{ value, text, what string }{
		{"ImagePath", image, "service starts this program"},
		{"ServiceDll", dll, "service loads this module"},
		{"FailureCommand", artifact.Text(k, "FailureCommand"), "service starts this program when it fails"},
		{"Library", library, "performance counters load this module"},
	} {
		if f.text == "" {
			continue
		}
		x := e
		var launcher string
		x.Program, launcher = artifact.Program(f.text)
		if !strings.ContainsAny(x.Program, `\:`) && f.value == "ImagePath" && typed && kind < 3 {
			x.Program = `C:\Windows\System32\drivers\` + x.Program
		}
		if low := strings.ToLower(x.Program); strings.HasPrefix(low, `system32\`) || strings.HasPrefix(low, `syswow64\`) {
			x.Program = `C:\Windows\` + x.Program // drivers are relative to the system's root
		}
		x.Path = artifact.PathOf(x.Program)
		x.Fact, x.To, x.Meaning, x.Action, x.RegistryValue = true, event.Ticks(written), f.what, event.Persisted, f.value
		x.Fields = append(fields[:len(fields):len(fields)], event.When("key_written", event.Ticks(written)))
		if launcher != "" {
			x.Fields = append(x.Fields, event.Str("launcher", launcher))
		}
		x.Message = fmt.Sprintf("service %s: %s = %s", k.Name, f.value, f.text)
		if err := emit(&x); err != nil {
			return err
		}
	}
	return nil
}

// lostServices gives deleted keys directly below Services.
func lostServices(in *artifact.Input, h *artifact.Hive, emit func(*event.Event) error) error {
	for _, r := range h.Lost() {
		if r.Value != nil || !r.Complete {
			continue
		}
		set, current := h.CurrentSet(r.Path)
		if set == "" || !matches(set+`\Services\*`, r.Path) {
			continue
		}
		in.Counts.Declared++
		in.Counts.Recovered++
		e := &event.Event{
			Ticks: event.Ticks(r.Key.LastWritten), Meaning: "service key last written", Action: event.PersistenceRemoved,
			RegistryKey: h.Root + `\` + r.Path, At: h.AtLost(in, &r), Length: 80 + int64(len(r.Key.Name)), Record: r.Key.Name, Recovered: event.InDeleted,
			Fields: []event.Field{event.Str("service", r.Key.Name), event.Str("control_set", set), event.Bool("current_set", current), event.Str("where", r.Where), event.Bool("path_proven", true)},
		}
		for _, v := range h.Lost() {
			if v.Value != nil && v.Key == r.Key && strings.EqualFold(v.Value.Name, "ImagePath") && !v.DataReused {
				image, _ := v.Value.Text()
				e.Program, _ = artifact.Program(image)
				e.Path = artifact.PathOf(e.Program)
				e.Fields = append(e.Fields[:1:1], append([]event.Field{event.Str("image_path", image)}, e.Fields[1:]...)...)
			}
		}
		e.Message = "deleted service key: " + r.Key.Name + " in " + set
		if err := emit(e); err != nil {
			return err
		}
	}
	return nil
}
