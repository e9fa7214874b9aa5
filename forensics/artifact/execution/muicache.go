package execution

import (
	"context"
	"fmt"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/parsers/regf"
)

// MUICache stands for the small lists in which the shell and the compatibility
// assistant name programs of a user, without a time for each.
var MUICache = artifact.Spec{
	Name:   "execution/muicache",
	Title:  "Programs named by the shell (MUICache, FeatureUsage, compatibility assistant, RecentApps)",
	Globs:  artifact.HiveGlobs(artifact.HiveUser, artifact.HiveClasses, artifact.HiveSoftware),
	Loose:  artifact.LooseHive(artifact.HiveUser, artifact.HiveClasses, artifact.HiveSoftware),
	Fields: []string{"list", "shown_name", "count", "layers", "data", "key_written"},
	Limit:  artifact.HiveLimit,
	Family: artifact.FamilyShell,
	Card: artifact.Card{
		Proves:    "The shell or the compatibility assistant of this profile dealt with a program of this path: it was started or shown (MUICache), switched to (AppSwitched), started from the task bar (AppLaunch), watched by the assistant (Store), given a layer by someone (Layers). RecentApps has a time and a count of starts.",
		NotProven: "A time for any entry but those of RecentApps: the key's last write is that of the last entry only. That it ran to an end. In a roaming profile it may be from another machine.",
		Clock:     "System UTC, 100 ns (FILETIME of the key; of the value in RecentApps).",
		Retention: "Long.",
		Switches:  "The service PcaSvc for the assistant; FeatureUsage from Windows 10 1903, RecentApps from 1607 to 1709.",
		Source:    "libyal winreg-kb, \"MUI cache\", \"Program compatibility assistant\"; CrowdStrike, \"FeatureUsage\", 2020.",
	},
	Read: readMUICache,
}

const userWindows = `Software\Microsoft\Windows\CurrentVersion\`

var programLists = []struct {
	list, pattern string
	kinds         string // U user, C classes, H machine
}{
	{"MUICache", `Software\Microsoft\Windows\ShellNoRoam\MUICache`, "U"},
	{"MUICache", `Software\Classes\Local Settings\Software\Microsoft\Windows\Shell\MuiCache`, "U"},
	{"MUICache", `Local Settings\Software\Microsoft\Windows\Shell\MuiCache`, "C"},
	{"MUICache", `Local Settings\MuiCache\*\*`, "C"},
	{"FeatureUsage", userWindows + `Explorer\FeatureUsage\*`, "U"},
	{"Compatibility assistant", `Software\Microsoft\Windows NT\CurrentVersion\AppCompatFlags\Compatibility Assistant\*`, "U"},
	{"Layers", `Software\Microsoft\Windows NT\CurrentVersion\AppCompatFlags\Layers`, "U"},
	{"Layers", `Microsoft\Windows NT\CurrentVersion\AppCompatFlags\Layers`, "H"},
}

func readMUICache(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	h, err := artifact.OpenHive(in)
	if err != nil {
		return err
	}
	emit = h.Emit(emit)
	code := map[artifact.HiveKind]string{artifact.HiveUser: "U", artifact.HiveClasses: "C", artifact.HiveSoftware: "H"}[h.Kind]
	fact := coverage.Fact{History: coverage.Recording, State: h.State(), How: "lists of programs"}
	for _, l := range programLists {
		if l.kinds != code {
			continue
		}
		for k := range h.Find(in, l.pattern) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			for v := range h.Values(in, k) {
				e := programLine(h, l.list, v)
				if e == nil {
					continue
				}
				in.Counts.Declared++
				in.Counts.Decoded++
				fact.To = max(fact.To, event.Ticks(k.LastWritten))
				e.Fact, e.To, e.Action = true, event.Ticks(k.LastWritten), event.Other
				complete(e, in, h, k, v.Offset, v.Name)
				if err := emit(e); err != nil {
					return err
				}
			}
		}
	}
	if h.Kind == artifact.HiveUser {
		for k := range h.Find(in, userWindows+`Search\RecentApps\*`) {
			in.Counts.Declared++
			in.Counts.Decoded++
			app := artifact.Text(k, "AppId")
			e := &event.Event{Program: app, Path: h.PathOf(knownFolder(app)), Meaning: "last run", Action: event.Executed, Fields: []event.Field{event.Str("list", "RecentApps")}}
			n, counted := artifact.Number(k, "LaunchCount")
			if counted {
				e.Fields = append(e.Fields, event.Uint("count", n))
			}
			t, _ := artifact.Number(k, "LastAccessedTime")
			if e.Ticks = event.Ticks(t); !e.Ticks.Valid() {
				e.Fact, e.Ticks, e.To, e.Action, e.Meaning = true, 0, event.Ticks(k.LastWritten), event.Other, "named by the shell (RecentApps)"
			}
			e.Message = fmt.Sprintf("shell of %s started %s (%d times)", who(h), app, n)
			fact.To = max(fact.To, event.Ticks(k.LastWritten))
			complete(e, in, h, k, k.Offset, "")
			if err := emit(e); err != nil {
				return err
			}
		}
	}
	in.Cover(fact)
	return nil
}

// complete sets what all rows of these lists have.
func complete(e *event.Event, in *artifact.Input, h *artifact.Hive, k *regf.Key, offset int64, value string) {
	e.RegistryKey, e.RegistryValue, e.UserSID, e.User = h.Name(k), value, h.Owner(), h.User
	e.At, e.Length = h.At(in, offset, k.Path()), 24+int64(len(value))
	e.Fields = append(e.Fields, event.When("key_written", event.Ticks(k.LastWritten)))
	if e.Message == "" {
		e.Message = fmt.Sprintf("%s: %s", e.Meaning, e.Program)
	}
}

// programLine reads one value; nil where it names no program.
func programLine(h *artifact.Hive, list string, v regf.Value) *event.Event {
	e := &event.Event{Fields: []event.Field{event.Str("list", list)}, Meaning: "named by the shell (" + list + ")"}
	switch list {
	case "MUICache": // C:\a.exe.FriendlyAppName, or C:\a.exe
		name := v.Name
		for _, end := range []string{".FriendlyAppName", ".ApplicationCompany"} {
			name = strings.TrimSuffix(name, end)
		}
		if strings.HasPrefix(name, "@") || !strings.ContainsAny(name, `\`) {
			return nil // names of resources, LangID
		}
		shown, _ := v.Text()
		e.Program = name
		e.Fields = append(e.Fields, event.Str("shown_name", shown))
	case "FeatureUsage":
		n, ok := v.Uint()
		if !ok || v.Name == "" {
			return nil
		}
		e.Program = knownFolder(v.Name)
		e.Fields = append(e.Fields, event.Uint("count", n))
	case "Layers":
		layers, _ := v.Text()
		e.Program = v.Name
		e.Fields = append(e.Fields, event.Str("layers", layers))
	default:
		if !strings.Contains(v.Name, `\`) {
			return nil
		}
		b, _ := v.Data()
		e.Program = v.Name
		e.Fields = append(e.Fields, event.Str("data", fmt.Sprintf("%x", b[:min(len(b), 128)])))
	}
	e.Path = h.PathOf(e.Program)
	return e
}
