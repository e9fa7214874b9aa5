package logon

import (
	"context"
	"fmt"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/parsers/regf"
)

// Profiles are the accounts that have a profile on this machine.
var Profiles = artifact.Spec{
	Name:   "logon/profilelist",
	Title:  "Profiles (ProfileList)",
	Globs:  artifact.HiveGlobs(artifact.HiveSoftware),
	Loose:  artifact.LooseHive(artifact.HiveSoftware),
	Fields: []string{"profile_path", "central_profile", "state", "roaming", "loaded", "unloaded", "key_written"},
	Limit:  artifact.HiveLimit,
	Family: artifact.FamilySetting,
	Card: artifact.Card{
		Proves:    "This account has had a profile at this place on this machine; where times stand, the profile was loaded and unloaded at them.",
		NotProven: "That a person logged on: services, tasks and runas load profiles too. Earlier times. With a central profile the user's records may be from another machine.",
		Clock:     "System UTC, 100 ns (FILETIME in two values, or of the key).",
		Retention: "Until the profile is deleted.",
		Switches:  "None.",
		Source:    "libyal winreg-kb, \"User profiles\"; Microsoft Learn, roaming profiles (State, CentralProfile). The load times are found in every profile from Windows 10 on, and in some before.",
	},
	Read: readProfiles,
}

func readProfiles(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	h, err := artifact.OpenHive(in)
	if err != nil {
		return err
	}
	emit = h.Emit(emit)
	fact := coverage.Fact{History: coverage.Recording, State: h.State(), How: "no key ProfileList"}
	for k := range h.Find(in, `Microsoft\Windows NT\CurrentVersion\ProfileList\*`) {
		if !strings.HasPrefix(k.Name, "S-1-") {
			continue
		}
		fact.How, fact.To = "key ProfileList", max(fact.To, event.Ticks(k.LastWritten))
		in.Counts.Declared++
		in.Counts.Decoded++
		if err := profile(in, h, k, emit); err != nil {
			return err
		}
	}
	in.Cover(fact)
	return nil
}

// two joins the halves of a FILETIME that stand in two values.
func two(k *regf.Key, name string) event.Ticks {
	high, ok1 := artifact.Number(k, name+"High")
	low, ok2 := artifact.Number(k, name+"Low")
	if !ok1 || !ok2 {
		return 0
	}
	return event.Ticks(high<<32 | low&0xFFFFFFFF)
}

func profile(in *artifact.Input, h *artifact.Hive, k *regf.Key, emit func(*event.Event) error) error {
	path, central := artifact.Text(k, "ProfileImagePath"), artifact.Text(k, "CentralProfile")
	state, _ := artifact.Number(k, "State")
	base := event.Event{
		UserSID: strings.TrimSuffix(k.Name, ".bak"), Path: artifact.PathOf(path), RegistryKey: h.Name(k), At: h.At(in, k.Offset, k.Path()), Length: 80 + int64(len(k.Name)),
		Fields: []event.Field{event.Str("profile_path", path)},
	}
	base.User = path[strings.LastIndexAny(path, `\/`)+1:]
	if central != "" {
		base.Fields = append(base.Fields, event.Str("central_profile", central))
	}
	base.Fields = append(base.Fields, event.Hex("state", state))
	if central != "" || state&0x10 != 0 { // bit 4: roaming profile
		base.Fields = append(base.Fields, event.Bool("roaming", true))
	}
	loaded, unloaded := two(k, "LocalProfileLoadTime"), two(k, "LocalProfileUnloadTime")
	if !loaded.Valid() {
		loaded = two(k, "ProfileLoadTime")
	}
	if !unloaded.Valid() {
		unloaded = two(k, "ProfileUnloadTime")
	}
	if loaded.Valid() {
		base.Fields = append(base.Fields, event.When("loaded", loaded))
	}
	if unloaded.Valid() {
		base.Fields = append(base.Fields, event.When("unloaded", unloaded))
	}
	base.Fields = append(base.Fields, event.When("key_written", event.Ticks(k.LastWritten)))
	e := base
	e.Fact, e.To, e.Meaning, e.Action = true, event.Ticks(k.LastWritten), "account has a profile", event.Configured
	e.Message = fmt.Sprintf("%s has the profile %s", k.Name, path)
	if err := emit(&e); err != nil {
		return err
	}
	for _, t := range []struct {
		at            event.Ticks
		meaning, verb string
		action        event.Action
	}{{loaded, "profile last loaded", "loaded", event.LoggedOn}, {unloaded, "profile last unloaded", "unloaded", event.LoggedOff}} {
		if !t.at.Valid() {
			continue
		}
		e := base
		e.Ticks, e.Meaning, e.Action = t.at, t.meaning, t.action
		e.Message = fmt.Sprintf("profile of %s (%s) last %s", base.User, k.Name, t.verb)
		if err := emit(&e); err != nil {
			return err
		}
	}
	return nil
}
