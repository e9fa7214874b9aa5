package execution

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/parsers/regf"
)

// UserAssist is the shell's own count of what a user started through it.
var UserAssist = artifact.Spec{
	Name:   "execution/userassist",
	Title:  "UserAssist",
	Globs:  artifact.HiveGlobs(artifact.HiveUser),
	Loose:  artifact.LooseHive(artifact.HiveUser),
	Fields: []string{"name", "group", "run_count", "stored_count", "focus_count", "focus_ms", "session", "key_written", "size"},
	Limit:  artifact.HiveLimit,
	Family: artifact.FamilyShell,
	Card: artifact.Card{
		Proves:    "In this profile the shell started the item (a run count above 0), the last time at the event's time; or, with a focus count only, a window of it had the focus.",
		NotProven: "Starts from a command line, a service, a script or another program; earlier times; that a person was there. In a roaming profile it may be from another machine. An entry without a time is a placeholder.",
		Clock:     "System UTC, 100 ns (FILETIME in the value).",
		Retention: "Long; no limit is known.",
		Switches:  `Start_TrackProgs and Start_TrackEnabled = 0 below Explorer\Advanced stop it (NTUSER.DAT).`,
		Source:    "D. Stevens, UserAssist notes; libyal winreg-kb, \"User Assist\"; XP counts from 5, Windows 7 and later from 0.",
	},
	Read: readUserAssist,
}

func readUserAssist(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	h, err := artifact.OpenHive(in)
	if err != nil {
		return err
	}
	emit = h.Emit(emit)
	fact := coverage.Fact{History: coverage.Recording, State: h.State(), How: "no key UserAssist"}
	for k := range h.Find(in, `Software\Microsoft\Windows\CurrentVersion\Explorer\UserAssist\*\Count`) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fact.How = "key UserAssist"
		fact.To = max(fact.To, event.Ticks(k.LastWritten))
		for v := range h.Values(in, k) {
			in.Counts.Declared++
			in.Counts.Decoded++
			if err := emit(userAssist(in, h, k, v)); err != nil {
				return err
			}
		}
	}
	for k := range h.Find(in, `Software\Microsoft\Windows\CurrentVersion\Explorer\Advanced`) {
		for _, name := range []string{"Start_TrackProgs", "Start_TrackEnabled"} {
			if n, ok := artifact.Number(k, name); ok && n == 0 {
				fact.History, fact.How = coverage.Off, fmt.Sprintf("%s is 0 (key written %s)", name, event.Ticks(k.LastWritten))
			}
		}
	}
	in.Cover(fact)
	return nil
}

func userAssist(in *artifact.Input, h *artifact.Hive, k *regf.Key, v regf.Value) *event.Event {
	name := rot13(v.Name)
	e := &event.Event{
		RegistryKey: h.Name(k), RegistryValue: v.Name, UserSID: h.Owner(), User: h.User,
		At: h.At(in, v.Offset, k.Path()), Length: 24 + int64(len(v.Name)),
		Fields: []event.Field{event.Str("name", name), event.Str("group", k.Parent().Name)},
	}
	e.Program = knownFolder(strings.TrimPrefix(strings.TrimPrefix(name, "UEME_RUNPATH:"), "UEME_RUNPIDL:"))
	if strings.HasPrefix(name, "UEME_") && !strings.HasPrefix(name, "UEME_RUNPATH:") && !strings.HasPrefix(name, "UEME_RUNPIDL:") || strings.HasPrefix(name, "UEME_CTL") {
		e.Program = ""
	}
	e.Path = h.PathOf(e.Program)
	b, err := v.Data()
	le := binary.LittleEndian
	runs := uint32(0)
	var at event.Ticks
	switch {
	case err == nil && len(b) == 72: // 7 and later
		runs, at = le.Uint32(b[4:]), event.Ticks(le.Uint64(b[60:]))
		e.Fields = append(e.Fields, event.Uint("run_count", runs), event.Uint("focus_count", le.Uint32(b[8:])), event.Uint("focus_ms", le.Uint32(b[12:])), event.Uint("session", le.Uint32(b)))
	case err == nil && len(b) == 16: // to Vista: the count begins at 5
		stored := le.Uint32(b[4:])
		if runs = stored; stored >= 5 {
			runs = stored - 5
		}
		at = event.Ticks(le.Uint64(b[8:]))
		e.Fields = append(e.Fields, event.Uint("run_count", runs), event.Uint("stored_count", stored), event.Uint("session", le.Uint32(b)))
	default: // UEME_CTLSESSION and the like
		e.Program, e.Path = "", ""
	}
	e.Fields = append(e.Fields, event.When("key_written", event.Ticks(k.LastWritten)), event.Uint("size", v.Size))
	switch {
	case at.Valid() && runs > 0 && e.Program != "":
		e.Ticks, e.Meaning, e.Action = at, "last run", event.Executed
		e.Message = fmt.Sprintf("shell of %s started %s (%d times)", who(h), e.Program, runs)
	case at.Valid():
		e.Ticks, e.Meaning, e.Action = at, "last used", event.Other
		e.Message = fmt.Sprintf("shell of %s counted %s", who(h), name)
	default:
		e.Fact, e.To, e.Meaning, e.Action = true, event.Ticks(k.LastWritten), "known to the shell's counter", event.Other
		e.Message = fmt.Sprintf("shell of %s knows %s, no time", who(h), name)
	}
	return e
}

func who(h *artifact.Hive) string {
	if h.User != "" {
		return h.User
	}
	if h.SID != "" {
		return h.SID
	}
	return "an unknown user"
}

// rot13 turns the letters of UserAssist's names back.
func rot13(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return 'a' + (r-'a'+13)%26
		case r >= 'A' && r <= 'Z':
			return 'A' + (r-'A'+13)%26
		}
		return r
	}, s)
}

// folders are the known folders that stand in names as identifiers (Windows
// SDK, KnownFolders.h).
var folders = map[string]string{
	"{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}": `C:\Windows\System32`,
	"{D65231B0-B2F1-4857-A4CE-A8E7C6EA7D27}": `C:\Windows\SysWOW64`,
	"{F38BF404-1D43-42F2-9305-67DE0B28FC23}": `C:\Windows`,
	"{6D809377-6AF0-444B-8957-A3773F02200E}": `C:\Program Files`,
	"{905E63B6-C1BF-494E-B29C-65B732D3D21A}": `C:\Program Files`,
	"{7C5A40EF-A0FB-4BFC-874A-C0F2E0B9FA8E}": `C:\Program Files (x86)`,
	"{F7F1ED05-9F6D-47A2-AAAE-29D317C6F066}": `C:\Program Files\Common Files`,
	"{0139D44E-6AFE-49F2-8690-3DAFCAE6FFB8}": `C:\ProgramData\Microsoft\Windows\Start Menu\Programs`,
	"{A77F5D77-2E2B-44C3-A6A2-ABA601054A51}": `%APPDATA%\Microsoft\Windows\Start Menu\Programs`,
	"{9E3995AB-1F9C-4F13-B827-48B24B6C7174}": `%APPDATA%\Microsoft\Internet Explorer\Quick Launch\User Pinned`,
	"{B4BFCC3A-DB2C-424C-B029-7FE99A87C641}": `%USERPROFILE%\Desktop`,
	"{374DE290-123F-4565-9164-39C4925E467B}": `%USERPROFILE%\Downloads`,
	"{FDD39AD0-238F-46AF-ADB4-6C85480369C7}": `%USERPROFILE%\Documents`,
	"{5E6C858F-0E22-4760-9AFE-EA3317B67173}": `%USERPROFILE%`,
	"{F1B32785-6FBA-4FCF-9D55-7B8E7F157091}": `%LOCALAPPDATA%`,
	"{3EB685DB-65F9-4CF6-A03A-E3EF65729F3D}": `%APPDATA%`,
}

func knownFolder(s string) string {
	if len(s) > 38 && s[0] == '{' {
		if f, ok := folders[strings.ToUpper(s[:38])]; ok {
			return f + s[38:]
		}
	}
	return s
}
