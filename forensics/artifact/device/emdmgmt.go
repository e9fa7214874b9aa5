package device

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
)

// EMDMgmt are the volumes that ReadyBoost looked at, with their serial
// numbers: the same number that shell links and prefetch files hold.
var EMDMgmt = artifact.Spec{
	Name:   "device/emdmgmt",
	Title:  "Volumes of removable devices (EMDMgmt, portable devices, search)",
	Globs:  artifact.HiveGlobs(artifact.HiveSoftware),
	Loose:  artifact.LooseHive(artifact.HiveSoftware),
	Fields: []string{"where", "serial", "volume_label", "volume_serial", "last_tested", "drive", "drive_type"},
	Limit:  artifact.HiveLimit,
	Family: artifact.FamilySetting,
	Card: artifact.Card{
		Proves:    "A volume with this label, and where it is given this serial number, was attached to this machine, on the device with that serial number.",
		NotProven: "Which files were used; every attachment. EMDMgmt is not written where the system's disk is an SSD.",
		Clock:     "System UTC, 100 ns (FILETIME of the key, or LastTestedTime).",
		Retention: "Long.",
		Switches:  "The service SysMain (ReadyBoost); Windows Vista and later.",
		Source:    "libyal winreg-kb, \"EMDMgmt\"; H. Carvey, Windows Registry Forensics.",
	},
	Read: readEMDMgmt,
}

func readEMDMgmt(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	h, err := artifact.OpenHive(in)
	if err != nil {
		return err
	}
	emit = h.Emit(emit)
	fact := coverage.Fact{History: coverage.Recording, State: h.State(), How: "keys EMDMgmt, Windows Portable Devices, VolumeInfoCache"}
	for _, where := range []struct{ name, pattern string }{
		{"EMDMgmt", `Microsoft\Windows NT\CurrentVersion\EMDMgmt\*`},
		{"Windows Portable Devices", `Microsoft\Windows Portable Devices\Devices\*`},
		{"VolumeInfoCache", `Microsoft\Windows Search\VolumeInfoCache\*`},
	} {
		for k := range h.Find(in, where.pattern) {
			in.Counts.Declared++
			in.Counts.Decoded++
			fact.To = max(fact.To, event.Ticks(k.LastWritten))
			e := &event.Event{
				Ticks: event.Ticks(k.LastWritten), Meaning: "volume key last written", Action: event.Configured,
				RegistryKey: h.Name(k), At: h.At(in, k.Offset, k.Path()), Length: 80 + int64(len(k.Name)),
				Fields: []event.Field{event.Str("where", where.name)},
			}
			label, serial := "", ""
			switch where.name {
			case "EMDMgmt": // _??_USBSTOR#Disk&Ven_…#SERIAL&0#{guid}LABEL_1234567890
				e.Device, label, serial = emd(k.Name)
			case "Windows Portable Devices":
				label = artifact.Text(k, "FriendlyName")
				if parts := strings.Split(k.Name, "#"); len(parts) >= 3 {
					e.Device = cutUnit(parts[len(parts)-2])
				}
			default:
				label = artifact.Text(k, "VolumeLabel")
			}
			add := func(name, s string) {
				if s != "" {
					e.Fields = append(e.Fields, event.Str(name, s))
				}
			}
			add("serial", e.Device)
			add("volume_label", label)
			add("volume_serial", serial)
			if n, ok := artifact.Number(k, "LastTestedTime"); ok && n != 0 {
				e.Fields = append(e.Fields, event.When("last_tested", event.Ticks(n)))
			}
			if where.name == "VolumeInfoCache" {
				add("drive", k.Name)
				if n, ok := artifact.Number(k, "DriveType"); ok {
					e.Fields = append(e.Fields, event.Uint("drive_type", n))
				}
			}
			e.Message = fmt.Sprintf("volume %q of device %s known (serial number %s)", label, e.Device, serial)
			if !e.Ticks.Valid() {
				e.Fact, e.Ticks = true, 0
			}
			if err := emit(e); err != nil {
				return err
			}
		}
	}
	in.Cover(fact)
	return nil
}

// emd takes a name apart: device, label, and the volume's serial number, which
// stands there in decimal.
func emd(name string) (device, label, serial string) {
	if parts := strings.Split(name, "#"); len(parts) >= 4 {
		device = cutUnit(parts[2])
	}
	tail := name[strings.LastIndexByte(name, '}')+1:]
	i := strings.LastIndexByte(tail, '_')
	if i < 0 {
		return device, tail, ""
	}
	label = tail[:i]
	if n, err := strconv.ParseUint(tail[i+1:], 10, 32); err == nil {
		serial = fmt.Sprintf("%04X-%04X", n>>16, n&0xFFFF)
	}
	return device, label, serial
}

// cutUnit takes off the number of the unit behind a serial number.
func cutUnit(s string) string {
	if i := strings.LastIndexByte(s, '&'); i > 1 {
		return s[:i]
	}
	return s
}
