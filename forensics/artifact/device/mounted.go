package device

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/regf"
)

// Mounted are the letters and volume names that the mount manager gave out.
var Mounted = artifact.Spec{
	Name:   "device/mounteddevices",
	Title:  "MountedDevices",
	Globs:  artifact.HiveGlobs(artifact.HiveSystem),
	Loose:  artifact.LooseHive(artifact.HiveSystem),
	Fields: []string{"drive", "volume_guid", "disk_signature", "partition_offset", "gpt_partition", "device_path", "serial", "data", "key_written"},
	Limit:  artifact.HiveLimit,
	Family: artifact.FamilySetting,
	Card: artifact.Card{
		Proves:    "The mount manager knew a volume under this name or letter: a partition by disk signature and offset (MBR) or by its identifier (GPT), or a removable device by its path with the serial number. A letter shows the last device that had it.",
		NotProven: "When it was attached, how often, which files were used; that the letter was not used by other devices before.",
		Clock:     "None for a value; the key's last write bounds all of them.",
		Retention: "Until removed by mountvol /R, or the letter is given to another volume.",
		Switches:  "NoAutoMount keeps new volumes without a letter.",
		Source:    "Microsoft Learn, \"Supporting Mount Manager Requests\"; libyal winreg-kb, \"Mounted devices\".",
	},
	Read: readMounted,
}

func readMounted(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	h, err := artifact.OpenHive(in)
	if err != nil {
		return err
	}
	emit = h.Emit(emit)
	fact := coverage.Fact{History: coverage.Recording, State: h.State(), How: "no key MountedDevices"}
	for k := range h.Find(in, "MountedDevices") {
		fact.How, fact.To = "key MountedDevices", event.Ticks(k.LastWritten)
		for v := range h.Values(in, k) {
			in.Counts.Declared++
			b, err := v.Data()
			if err != nil {
				in.Counts.Failed++
				in.Problem(problem.Malformed, problem.Lost, err)
				continue
			}
			in.Counts.Decoded++
			if err := emit(mounted(in, h, k, v, b)); err != nil {
				return err
			}
		}
	}
	in.Cover(fact)
	return nil
}

func mounted(in *artifact.Input, h *artifact.Hive, k *regf.Key, v regf.Value, b []byte) *event.Event {
	e := &event.Event{
		Fact: true, To: event.Ticks(k.LastWritten), Meaning: "volume known to the mount manager", Action: event.Configured,
		RegistryKey: h.Name(k), RegistryValue: v.Name, At: h.At(in, v.Offset, k.Path()), Length: 24 + int64(len(v.Name)),
	}
	add := func(name, s string) {
		if s != "" {
			e.Fields = append(e.Fields, event.Str(name, s))
		}
	}
	name := v.Name
	if s, ok := strings.CutPrefix(v.Name, `\DosDevices\`); ok {
		name = s
		add("drive", s)
	} else if _, s, ok := strings.Cut(v.Name, "Volume{"); ok {
		name = "{" + s
		add("volume_guid", name)
	}
	le := binary.LittleEndian
	what := ""
	switch {
	case len(b) == 12:
		sig, off := le.Uint32(b), le.Uint64(b[4:])
		what = fmt.Sprintf("disk %08x, partition at byte %d", sig, off)
		e.Fields = append(e.Fields, event.Str("disk_signature", fmt.Sprintf("%08x", sig)), event.Uint("partition_offset", off))
	case len(b) == 24 && string(b[:8]) == "DMIO:ID:":
		what = "partition " + guid(b[8:])
		add("gpt_partition", guid(b[8:]))
	default:
		path := text(b)
		if strings.Contains(path, "#") {
			what = path
			add("device_path", path)
			if parts := strings.Split(path, "#"); len(parts) >= 3 {
				serial := parts[2]
				if i := strings.LastIndexByte(serial, '&'); i > 1 && strings.Contains(strings.ToUpper(parts[0]), "USBSTOR") {
					serial = serial[:i]
				}
				e.Device = serial
				add("serial", serial)
			}
		} else {
			what = fmt.Sprintf("%x", b[:min(len(b), 256)])
			add("data", what)
		}
	}
	e.Fields = append(e.Fields, event.When("key_written", event.Ticks(k.LastWritten)))
	e.Message = fmt.Sprintf("%s is %s", name, what)
	return e
}

// guid prints an identifier as it is stored, the first three parts little-endian.
func guid(b []byte) string {
	le := binary.LittleEndian
	return fmt.Sprintf("{%08x-%04x-%04x-%x-%x}", le.Uint32(b), le.Uint16(b[4:]), le.Uint16(b[6:]), b[8:10], b[10:16])
}

// text is UTF-16 without a zero at its end.
func text(b []byte) string {
	var u strings.Builder
	for i := 0; i+1 < len(b); i += 2 {
		if c := rune(b[i]) | rune(b[i+1])<<8; c != 0 {
			u.WriteRune(c)
		}
	}
	return u.String()
}

// MountPoints are the volumes and shares that a user's Explorer has shown.
var MountPoints = artifact.Spec{
	Name:   "device/mountpoints2",
	Title:  "MountPoints2",
	Globs:  artifact.HiveGlobs(artifact.HiveUser),
	Loose:  artifact.LooseHive(artifact.HiveUser),
	Fields: []string{"mount", "volume_guid", "drive", "share", "label"},
	Limit:  artifact.HiveLimit,
	Family: artifact.FamilyShell,
	Card: artifact.Card{
		Proves:    "This volume or share was there while this profile was logged on: the user to whom a stick of that volume name belongs. The key's last write is, as a rule, the last time it was attached in a session of this user.",
		NotProven: "That the user opened it or copied anything; in a roaming profile, that it was this machine.",
		Clock:     "System UTC, 100 ns (FILETIME of the key).",
		Retention: "Long.",
		Switches:  "None known.",
		Source:    "libyal winreg-kb, \"MountPoints2\"; R. Lee, USB device forensics notes.",
	},
	Read: readMountPoints,
}

func readMountPoints(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	h, err := artifact.OpenHive(in)
	if err != nil {
		return err
	}
	emit = h.Emit(emit)
	fact := coverage.Fact{History: coverage.Recording, State: h.State(), How: "no key MountPoints2"}
	for k := range h.Find(in, `Software\Microsoft\Windows\CurrentVersion\Explorer\MountPoints2\*`) {
		fact.How, fact.To = "key MountPoints2", max(fact.To, event.Ticks(k.LastWritten))
		if strings.EqualFold(k.Name, "CPC") {
			continue
		}
		in.Counts.Declared++
		in.Counts.Decoded++
		e := &event.Event{
			Ticks: event.Ticks(k.LastWritten), Meaning: "volume last mounted for the user", Action: event.Other,
			RegistryKey: h.Name(k), UserSID: h.Owner(), User: h.User, At: h.At(in, k.Offset, k.Path()), Length: 80 + int64(len(k.Name)),
			Fields: []event.Field{event.Str("mount", k.Name)},
		}
		switch {
		case strings.HasPrefix(k.Name, "##"):
			share := strings.ReplaceAll(k.Name, "#", `\`)
			e.Host, _, _ = strings.Cut(share[2:], `\`)
			e.Action, e.Meaning = event.ShareAccessed, "share last mounted for the user"
			e.Path = share
			e.Fields = append(e.Fields, event.Str("share", share))
			e.Message = "share mounted: " + share
		case strings.HasPrefix(k.Name, "{"):
			e.Device = k.Name
			e.Fields = append(e.Fields, event.Str("volume_guid", k.Name))
			e.Message = "volume mounted: " + k.Name
		default:
			e.Device = k.Name
			e.Fields = append(e.Fields, event.Str("drive", k.Name))
			e.Message = "drive mounted: " + k.Name
		}
		if s := artifact.Text(k, "_LabelFromReg"); s != "" {
			e.Fields = append(e.Fields, event.Str("label", s))
		}
		if h.User != "" {
			e.Message = h.User + ": " + e.Message
		}
		if !e.Ticks.Valid() {
			e.Fact, e.Ticks = true, 0
		}
		if err := emit(e); err != nil {
			return err
		}
	}
	in.Cover(fact)
	return nil
}
