package persistence

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/parsers/regf"
)

// Autostart are the start places of the registry, services aside. Each value
// is a fact: it stood so when its key was written last, and nothing says when
// it was set. The write of the key is an event of its own.
var Autostart = artifact.Spec{
	Name:   "persistence/autostart",
	Title:  "Start places of the registry",
	Globs:  artifact.HiveGlobs(artifact.HiveSystem, artifact.HiveSoftware, artifact.HiveUser, artifact.HiveClasses),
	Loose:  artifact.LooseHive(artifact.HiveSystem, artifact.HiveSoftware, artifact.HiveUser, artifact.HiveClasses),
	Fields: []string{"place", "command", "launcher", "class_id", "value_type", "usual", "control_set", "current_set", "key_written", "values", "programs", "where", "path_proven", "data_reused"},
	Limit:  artifact.HiveLimit,
	Family: artifact.FamilySetting,
	Card: artifact.Card{
		Proves:    "The value stood in the registry: Windows is set to start this program, load this module or ask this component at the place's occasion (logon, boot, start of a program). A recovered value once stood there.",
		NotProven: "That it ever started, that the file exists or is still the same, who set it and when: the key's last write is only the latest time at which any of its values changed. In a roaming profile it may come from another machine.",
		Clock:     "System UTC, 100 ns (FILETIME of the key).",
		Retention: "Until changed or deleted.",
		Switches:  "None. Safe mode and policies may keep a place from being used.",
		Source:    "Microsoft Learn, \"Run and RunOnce Registry Keys\", \"Registry Values for Debugging\" and the pages of the single settings; list compared with Sysinternals Autoruns by way of p0w3rsh3ll/AutoRuns.",
	},
	Read: readAutostart,
}

func readAutostart(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	h, err := artifact.OpenHive(in)
	if err != nil {
		return err
	}
	emit = h.Emit(emit)
	var last event.Ticks
	for _, p := range places {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, pattern := range p.patterns(h.Kind) {
			for k := range h.Find(in, pattern) {
				last = max(last, event.Ticks(k.LastWritten))
				if err := p.read(in, h, k, emit); err != nil {
					return err
				}
			}
		}
	}
	if err := removed(in, h, emit); err != nil {
		return err
	}
	if err := approved(in, h, emit); err != nil {
		return err
	}
	in.Cover(coverage.Fact{History: coverage.Recording, State: h.State(), To: last,
		How: fmt.Sprintf("%d places looked at; classes of all programs (HKLM CLSID, shell extensions) were not", len(places))})
	return nil
}

// patterns are the keys of a place in a hive of this kind.
func (p *place) patterns(kind artifact.HiveKind) []string {
	var out []string
	both := func(prefix string) {
		out = append(out, prefix+p.key)
		if strings.Contains(p.in, "W") {
			out = append(out, prefix+`Wow6432Node\`+p.key)
		}
	}
	has := func(c string) bool { return strings.Contains(p.in, c) }
	switch {
	case kind == artifact.HiveSoftware && has("H"):
		both("")
	case kind == artifact.HiveUser && has("U"):
		both(`Software\`)
	case kind == artifact.HiveUser && has("R"), kind == artifact.HiveSystem && has("S"), kind == artifact.HiveClasses && has("C"):
		out = append(out, p.key)
	}
	return out
}

// entry is one program that a value names.
type entry struct {
	value   regf.Value
	name    string // as shown: the value's name, or the subkey's
	command string
	class   string
}

func (p *place) read(in *artifact.Input, h *artifact.Hive, k *regf.Key, emit func(*event.Event) error) error {
	if strings.HasSuffix(p.id, "exe-handler") && !hijackable[strings.ToLower(k.Parent().Parent().Parent().Name)] {
		return nil
	}
	entries := p.entries(in, h, k)
	if len(entries) == 0 {
		return nil
	}
	facts := make([]*event.Event, 0, len(entries))
	var programs, names []string
	unusual := false
	for _, x := range entries {
		e := p.fact(in, h, k, x)
		facts = append(facts, e)
		if e.Program != "" && !slices.Contains(programs, e.Program) {
			programs = append(programs, e.Program)
		}
		if !slices.Contains(names, x.name) {
			names = append(names, x.name)
		}
		unusual = unusual || !p.isUsual(x.command) && !(x.class != "" && p.isUsual(x.class))
	}
	written := &event.Event{
		Ticks: event.Ticks(k.LastWritten), Meaning: "start place last written", Action: event.Persisted,
		RegistryKey: h.Name(k), UserSID: h.Owner(), User: h.User, At: h.At(in, k.Offset, k.Path()), Length: 80 + int64(len(k.Name)),
		Fields: []event.Field{event.Str("place", p.id)},
	}
	if !unusual {
		written.Fields = append(written.Fields, event.Bool("usual", true))
	}
	written.Fields = append(written.Fields, event.List("values", names), event.List("programs", programs))
	if len(programs) == 1 {
		written.Program, written.Path = programs[0], h.PathOf(programs[0])
	}
	written.Message = fmt.Sprintf("start place last written: %s (%s)", written.RegistryKey, strings.Join(names, ", "))
	if p.how == setting {
		written.Action = event.Configured
	}
	if err := emit(written); err != nil {
		return err
	}
	for _, e := range facts {
		in.Counts.Declared++
		in.Counts.Decoded++
		if err := emit(e); err != nil {
			return err
		}
	}
	return nil
}

// entries are the programs that the values of a key name.
func (p *place) entries(in *artifact.Input, h *artifact.Hive, k *regf.Key) []entry {
	var out []entry
	if p.how == subclass {
		for sub, err := range k.Subkeys() {
			if err == nil {
				out = append(out, entry{name: sub.Name, class: sub.Name, command: classFile(h, sub.Name)})
			}
		}
		return out
	}
	for v := range h.Values(in, k) {
		if !p.wants(v.Name) {
			continue
		}
		switch p.how {
		case className:
			if strings.HasPrefix(v.Name, "{") {
				out = append(out, entry{v, v.Name, classFile(h, v.Name), v.Name})
			}
			continue
		case byName:
			if v.Name != "" {
				out = append(out, entry{v, v.Name, v.Name, ""})
			}
			continue
		}
		texts, _ := v.Texts()
		if p.how == setting && v.Type == regf.MultiString {
			texts = []string{strings.Join(texts, " | ")}
		}
		if n, ok := v.Uint(); ok && v.Type != regf.String && v.Type != regf.ExpandString && v.Type != regf.MultiString {
			if p.how != setting && p.id != "ifeo-flag" {
				continue // a number among commands starts nothing
			}
			texts = []string{fmt.Sprintf("%d", n)}
		}
		if p.how == list {
			texts = split(texts)
		}
		for _, s := range texts {
			switch s = strings.TrimSpace(s); {
			case s == "":
			case p.how == classOf:
				out = append(out, entry{v, v.Name, classFile(h, s), s})
			default:
				out = append(out, entry{v, v.Name, s, ""})
			}
		}
	}
	return out
}

// wants tells whether the place uses a value of this name.
func (p *place) wants(name string) bool {
	if p.names == "" {
		return true
	}
	for want := range strings.SplitSeq(p.names, "|") {
		if want == "@" && name == "" || want != "@" && strings.EqualFold(want, name) {
			return true
		}
	}
	return false
}

// split parts the lists that Winlogon and AppInit_DLLs hold. Blanks part only
// where there is no path with blanks to be cut.
func split(texts []string) []string {
	var out []string
	for _, s := range texts {
		for part := range strings.SplitSeq(s, ",") {
			part = strings.TrimSpace(part)
			if !strings.ContainsAny(part, `\/"`) {
				out = append(out, strings.Fields(part)...)
			} else {
				out = append(out, part)
			}
		}
	}
	return out
}

// classFile is the module behind a class identifier, as far as this hive says.
func classFile(h *artifact.Hive, class string) string {
	classes, ok := map[artifact.HiveKind]string{artifact.HiveSoftware: `Classes\`, artifact.HiveUser: `Software\Classes\`, artifact.HiveClasses: ``}[h.Kind]
	if !ok || strings.Contains(class, `\`) {
		return ""
	}
	if !strings.HasPrefix(class, "{") { // a program identifier: Vendor.Addin
		k, err := h.Lookup(classes + class + `\CLSID`)
		if err != nil {
			return ""
		}
		class = artifact.Text(k, "")
	}
	prefix := classes + `CLSID\`
	for _, server := range []string{`\InprocServer32`, `\LocalServer32`} {
		if k, err := h.Lookup(prefix + class + server); err == nil {
			if s := artifact.Text(k, ""); s != "" {
				return s
			}
		}
	}
	return ""
}

// isUsual tells of a content that a fresh Windows has.
func (p *place) isUsual(s string) bool {
	if p.usual == "*" {
		return true
	}
	full := strings.ToLower(artifact.Expand(s))
	for want := range strings.SplitSeq(p.usual, "|") {
		if want != "" && (want == full || want == strings.ToLower(s)) {
			return true
		}
	}
	return false
}

func (p *place) fact(in *artifact.Input, h *artifact.Hive, k *regf.Key, x entry) *event.Event {
	e := &event.Event{
		Fact: true, To: event.Ticks(k.LastWritten), Meaning: "start place names this program", Action: event.Persisted,
		RegistryKey: h.Name(k), RegistryValue: x.name, UserSID: h.Owner(), User: h.User,
		At: h.At(in, k.Offset, k.Path()), Length: 80 + int64(len(k.Name)),
		Fields: []event.Field{event.Str("place", p.id)},
	}
	if x.value.Offset != 0 {
		e.At.Offset, e.Length = x.value.Offset, 24+int64(len(x.value.Name))
	}
	launcher := ""
	if p.how == setting {
		e.Meaning, e.Action = "setting stands", event.Configured
	} else {
		e.Program, launcher = artifact.Program(x.command)
		e.Path = h.PathOf(e.Program)
	}
	if x.command != "" {
		e.Fields = append(e.Fields, event.Str("command", x.command))
	}
	if launcher != "" {
		e.Fields = append(e.Fields, event.Str("launcher", launcher))
	}
	if x.class != "" {
		e.Fields = append(e.Fields, event.Str("class_id", x.class))
	}
	if p.isUsual(x.command) || x.class != "" && p.isUsual(x.class) {
		e.Fields = append(e.Fields, event.Bool("usual", true))
	}
	if set, current := h.CurrentSet(k.Path()); set != "" {
		e.Fields = append(e.Fields, event.Str("control_set", set), event.Bool("current_set", current))
	}
	e.Fields = append(e.Fields, event.When("key_written", event.Ticks(k.LastWritten)))
	e.Message = fmt.Sprintf("%s: %s = %s", e.RegistryKey, shownName(x.name), x.command)
	return e
}

func shownName(name string) string {
	if name == "" {
		return "(default)"
	}
	return name
}

// removed gives the deleted values of the places whose keys have no wildcard:
// what was started once and was taken away.
func removed(in *artifact.Input, h *artifact.Hive, emit func(*event.Event) error) error {
	for _, r := range h.Lost() {
		if r.Value == nil || !r.Complete {
			continue
		}
		p := placeOf(h, r.Path)
		if p == nil || !p.wants(r.Value.Name) {
			continue
		}
		in.Counts.Declared++
		in.Counts.Recovered++
		e := &event.Event{
			Fact: true, To: event.Ticks(r.Key.LastWritten), Meaning: "start place named this program", Action: event.PersistenceRemoved,
			RegistryKey: h.Root + `\` + r.Path, RegistryValue: r.Value.Name, UserSID: h.Owner(), User: h.User,
			At: h.AtLost(in, &r), Length: 24 + int64(len(r.Value.Name)), Recovered: event.InDeleted,
			Fields: []event.Field{event.Str("place", p.id)},
		}
		if r.Where == regf.InSlack {
			e.Recovered = event.InSlack
		}
		text, _ := r.Value.Text()
		if text != "" && !r.DataReused {
			program, launcher := artifact.Program(text)
			e.Program, e.Path = program, h.PathOf(program)
			e.Fields = append(e.Fields, event.Str("command", text))
			if launcher != "" {
				e.Fields = append(e.Fields, event.Str("launcher", launcher))
			}
		}
		e.Fields = append(e.Fields, event.When("key_written", event.Ticks(r.Key.LastWritten)), event.Str("where", r.Where), event.Bool("path_proven", r.Complete))
		if r.DataReused {
			e.Fields = append(e.Fields, event.Bool("data_reused", true))
		}
		e.Message = fmt.Sprintf("deleted from %s: %s = %s", e.RegistryKey, shownName(r.Value.Name), text)
		if err := emit(e); err != nil {
			return err
		}
	}
	return nil
}

// placeOf finds the place that a key path belongs to.
func placeOf(h *artifact.Hive, path string) *place {
	for i := range places {
		p := &places[i]
		if strings.HasSuffix(p.id, "exe-handler") {
			continue
		}
		for _, pattern := range p.patterns(h.Kind) {
			rest, inSet := strings.CutPrefix(pattern, `CCS\`)
			if inSet {
				set, _ := h.CurrentSet(path)
				if set == "" {
					continue
				}
				rest = set + `\` + rest
			}
			if matches(rest, path) {
				return p
			}
		}
	}
	return nil
}

// matches compares a pattern with a path, name by name.
func matches(pattern, path string) bool {
	for {
		want, wantRest, more := strings.Cut(pattern, `\`)
		have, haveRest, left := strings.Cut(path, `\`)
		if want != "*" && !strings.EqualFold(want, have) || more != left {
			return false
		}
		if !more {
			return true
		}
		pattern, path = wantRest, haveRest
	}
}

// approved gives the entries that a user or program switched off in the list
// of start programs (Task Manager), with the time of that: StartupApproved has
// 12 bytes for each, an odd first byte for "off", and a FILETIME.
func approved(in *artifact.Input, h *artifact.Hive, emit func(*event.Event) error) error {
	prefix := map[artifact.HiveKind]string{artifact.HiveSoftware: "", artifact.HiveUser: `Software\`}
	p, ok := prefix[h.Kind]
	if !ok {
		return nil
	}
	for k := range h.Find(in, p+cv+`Explorer\StartupApproved\*`) {
		for v := range h.Values(in, k) {
			b, err := v.Data()
			if err != nil || len(b) < 12 || b[0]&1 == 0 {
				continue
			}
			in.Counts.Declared++
			in.Counts.Decoded++
			t := event.Ticks(binary.LittleEndian.Uint64(b[4:]))
			e := &event.Event{
				Ticks: t, Meaning: "start entry switched off", Action: event.PersistenceRemoved, RegistryKey: h.Name(k), RegistryValue: v.Name, UserSID: h.Owner(), User: h.User,
				At: h.At(in, v.Offset, k.Path()), Length: 24 + int64(len(v.Name)),
				Fields:  []event.Field{event.Str("place", "startup-approved: "+k.Name), event.When("key_written", event.Ticks(k.LastWritten))},
				Message: "start entry switched off: " + v.Name,
			}
			if !t.Valid() {
				e.Fact, e.Ticks, e.To = true, 0, event.Ticks(k.LastWritten)
			}
			if err := emit(e); err != nil {
				return err
			}
		}
	}
	return nil
}
