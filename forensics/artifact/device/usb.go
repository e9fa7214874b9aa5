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

// USB are the devices that plug and play remembers: USB storage, other USB
// devices, disks with the UASP protocol, portable devices.
var USB = artifact.Spec{
	Name:   "device/usb",
	Title:  "USB and portable devices (Enum)",
	Globs:  artifact.HiveGlobs(artifact.HiveSystem),
	Loose:  artifact.LooseHive(artifact.HiveSystem),
	Fields: []string{"enumerator", "device_id", "instance", "vendor", "product", "revision", "serial", "serial_made_by_windows", "friendly_name", "description", "class", "service", "container_id", "parent_id_prefix", "disk_id", "property", "control_set", "current_set", "key_written", "raw_time"},
	Limit:  artifact.HiveLimit,
	Family: artifact.FamilySetting,
	Card: artifact.Card{
		Proves:    "A device of this kind and serial number was attached to this machine: first installed, last attached and last removed at the event's times (from 7, the latter two from 8 on).",
		NotProven: "That files were copied, in which direction, by whom; attachments between the first and the last. A serial number with & as its second character was made by Windows and names the socket, not the device. The key's last write is not the last attachment after an upgrade of Windows.",
		Clock:     "System UTC, 100 ns (FILETIME of the property, or of the key).",
		Retention: "Long; upgrades and the task Plug and Play Cleanup (30 days without use, Windows 8 to 10) remove devices.",
		Switches:  "None; policies may forbid devices (DeviceInstall\\Restrictions).",
		Source:    "Windows SDK, devpkey.h: DEVPKEY_Device_InstallDate (100), FirstInstallDate (101), LastArrivalDate (102), LastRemovalDate (103); H. Carvey, C. Altheide, Tracking USB storage, 2005.",
	},
	Read: readUSB,
}

// buses are the enumerators below Enum that are read; * twice is device and
// instance.
var buses = []string{"USBSTOR", "USB", "SCSI", "SWD", "WpdBusEnumRoot"}

func readUSB(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	h, err := artifact.OpenHive(in)
	if err != nil {
		return err
	}
	emit = h.Emit(emit)
	fact := coverage.Fact{History: coverage.Recording, State: h.State(), How: "keys below Enum"}
	for _, bus := range buses {
		for dev := range h.Find(in, `CCS\Enum\`+bus+`\*`) {
			if bus == "SWD" && !strings.EqualFold(dev.Name, "WPDBUSENUM") {
				continue
			}
			if bus == "SCSI" && !strings.HasPrefix(dev.Name, "Disk&") {
				continue
			}
			for k, err := range dev.Subkeys() {
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
				fact.To = max(fact.To, event.Ticks(k.LastWritten))
				if err := usbDevice(in, h, bus, dev, k, emit); err != nil {
					return err
				}
			}
		}
	}
	in.Cover(fact)
	return nil
}

// dates are the properties of {83da6326-97a6-4088-9453-a1923f573b29}.
var dates = []struct {
	id      uint32
	meaning string
	action  event.Action
	verb    string
}{
	{100, "driver last installed", event.Installed, "driver installed for"},
	{101, "device first installed", event.DeviceAttached, "first attached:"},
	{102, "device last attached", event.DeviceAttached, "last attached:"},
	{103, "device last removed", event.DeviceRemoved, "last removed:"},
}

func usbDevice(in *artifact.Input, h *artifact.Hive, bus string, dev, k *regf.Key, emit func(*event.Event) error) error {
	set, current := h.CurrentSet(k.Path())
	fields, serial := describe(bus, dev.Name, k)
	base := event.Event{
		Device: serial, RegistryKey: h.Name(k), At: h.At(in, k.Offset, k.Path()), Length: 80 + int64(len(k.Name)),
	}
	shown := artifact.Text(k, "FriendlyName")
	if shown == "" {
		shown = dev.Name
	}
	tail := []event.Field{event.Str("control_set", set), event.Bool("current_set", current), event.When("key_written", event.Ticks(k.LastWritten))}
	e := base
	e.Ticks, e.Meaning, e.Action = event.Ticks(k.LastWritten), "device key last written", event.Configured
	e.Fields = append(append([]event.Field{}, fields...), tail...)
	e.Message = fmt.Sprintf("device key last written: %s (%s)", shown, serial)
	if !e.Ticks.Valid() {
		e.Fact, e.Ticks = true, 0
		e.Fields = append(e.Fields, event.Uint("raw_time", k.LastWritten))
	}
	if err := emit(&e); err != nil {
		return err
	}
	props, err := k.Lookup(`Properties\{83da6326-97a6-4088-9453-a1923f573b29}`)
	if err != nil {
		return nil // before Windows 7, or never started
	}
	for _, d := range dates {
		at, place, ok := property(props, d.id)
		if !ok {
			continue
		}
		e := base
		e.At = h.At(in, place, k.Path())
		e.Fields = append(append(append([]event.Field{}, fields...), event.Str("property", fmt.Sprintf("%04x", d.id))), tail...)
		e.Meaning, e.Action = d.meaning, d.action
		e.Message = fmt.Sprintf("%s %s (%s)", d.verb, shown, serial)
		if e.Ticks = at; !at.Valid() {
			e.Fact, e.Ticks = true, 0
			e.Fields = append(e.Fields, event.Uint("raw_time", uint64(at)))
		}
		if err := emit(&e); err != nil {
			return err
		}
	}
	return nil
}

// property reads a time: 8 and later keep it in the default value of a key
// 0064, 7 in the value Data of 00000064\00000000.
func property(props *regf.Key, id uint32) (t event.Ticks, place int64, ok bool) {
	for _, form := range []struct{ key, value string }{{fmt.Sprintf("%04x", id), ""}, {fmt.Sprintf(`%08x\00000000`, id), "Data"}} {
		k, err := props.Lookup(form.key)
		if err != nil {
			continue
		}
		v, err := k.Value(form.value)
		if err != nil {
			continue
		}
		if b, err := v.Data(); err == nil && len(b) == 8 {
			return event.Ticks(binary.LittleEndian.Uint64(b)), v.Offset, true
		}
	}
	return 0, 0, false
}

// describe takes the names of keys apart: "Disk&Ven_HP&Prod_v100w&Rev_1024"
// and "AA951D0000007252&0", "VID_03F0&PID_3207".
func describe(bus, dev string, k *regf.Key) (fields []event.Field, serial string) {
	add := func(name, s string) {
		if s != "" {
			fields = append(fields, event.Str(name, s))
		}
	}
	part := func(prefix string) string {
		for p := range strings.SplitSeq(dev, "&") {
			if len(p) > len(prefix) && strings.EqualFold(p[:len(prefix)], prefix) {
				return strings.ReplaceAll(p[len(prefix):], "_", " ")
			}
		}
		return ""
	}
	add("enumerator", bus)
	add("device_id", dev)
	add("instance", k.Name)
	vendor, product := part("Ven_"), part("Prod_")
	if bus == "USB" {
		vendor, product = part("VID_"), part("PID_")
	}
	add("vendor", vendor)
	add("product", product)
	add("revision", part("Rev_"))
	serial = k.Name
	if bus == "USBSTOR" { // the number behind the last & counts the units of the device
		if i := strings.LastIndexByte(serial, '&'); i > 1 {
			serial = serial[:i]
		}
	}
	if bus == "SWD" || bus == "WpdBusEnumRoot" {
		if parts := strings.Split(serial, "#"); len(parts) >= 3 && strings.Contains(strings.ToUpper(parts[0]), "USBSTOR") {
			serial, _, _ = strings.Cut(parts[2], "&")
		}
	}
	add("serial", serial)
	if bus != "SWD" && len(k.Name) > 1 && k.Name[1] == '&' {
		fields = append(fields, event.Bool("serial_made_by_windows", true))
	}
	for _, f := range []struct{ field, value string }{
		{"friendly_name", "FriendlyName"}, {"description", "DeviceDesc"}, {"class", "Class"}, {"service", "Service"}, {"container_id", "ContainerID"}, {"parent_id_prefix", "ParentIdPrefix"},
	} {
		add(f.field, artifact.Text(k, f.value))
	}
	if p, err := k.Lookup(`Device Parameters\Partmgr`); err == nil {
		add("disk_id", artifact.Text(p, "DiskId"))
	}
	return fields, serial
}
