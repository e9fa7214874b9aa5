package device

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// devno is the number of a block device under Linux.
type devno struct{ major, minor uint32 }

func (d devno) String() string { return fmt.Sprintf("%d:%d", d.major, d.minor) }

// system is what the kernel and udev tell in files. Its root is / except in
// tests.
type system struct{ root string }

func (s system) path(name string) string { return filepath.Join(s.root, name) }

// text reads a small file of sysfs, "" where there is none.
func (s system) text(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(strings.ToValidUTF8(strings.TrimRight(string(b), "\x00\n "), "?"))
}

// first is the first of some files that says something.
func (s system) first(dir string, names ...string) string {
	for _, n := range names {
		if t := s.text(filepath.Join(dir, n)); t != "" {
			return t
		}
	}
	return ""
}

// dir is the folder of a block device in sysfs, "" where there is none.
func (s system) dir(d devno) string {
	dir, err := filepath.EvalSymlinks(s.path("sys/dev/block/" + d.String()))
	if err != nil {
		return ""
	}
	return dir
}

// whole is the folder of the disk that a partition lies on, or the device's own.
func whole(dir string) (disk string, partition bool) {
	if _, err := os.Stat(filepath.Join(dir, "partition")); err == nil {
		return filepath.Dir(dir), true
	}
	return dir, false
}

// describe fills in what sysfs and udev's database say of a device.
func (s system) describe(d devno, info *Info) {
	dir := s.dir(d)
	if dir == "" {
		info.note("sysfs does not know the device " + d.String())
		return
	}
	disk, partition := whole(dir)
	if partition {
		info.Kind, info.Parent = Partition, filepath.Base(disk)
	}
	info.Bus = bus(disk, s.first(disk, "device/vendor"))
	info.Model = s.first(disk, "device/model", "device/name")
	info.Vendor = s.first(disk, "device/vendor")
	info.Firmware = s.first(disk, "device/firmware_rev", "device/fwrev", "device/rev")
	info.Serial = s.first(disk, "device/serial", "serial")
	info.WWN = s.first(disk, "device/wwid", "wwid")
	info.Rotational = s.flag(filepath.Join(disk, "queue/rotational"))
	info.Removable = s.flag(filepath.Join(disk, "removable"))
	if info.Serial == "" {
		if page, err := os.ReadFile(filepath.Join(disk, "device/vpd_pg80")); err == nil {
			info.Serial = parseSerialPage(page)
		}
	}
	u := s.udev(disk)
	fill(&info.Serial, u["ID_SERIAL_SHORT"])
	fill(&info.WWN, u["ID_WWN"])
	fill(&info.Model, strings.ReplaceAll(u["ID_MODEL"], "_", " "))
	fill(&info.Vendor, u["ID_VENDOR"])
	fill(&info.Firmware, u["ID_REVISION"])
	if backing := s.text(filepath.Join(disk, "loop/backing_file")); backing != "" {
		info.note("a loop device over " + backing)
	}
}

// fill sets a field that nothing has filled yet.
func fill(to *string, s string) {
	if *to == "" {
		*to = strings.TrimSpace(s)
	}
}

func (s system) flag(name string) *bool {
	switch s.text(name) {
	case "0":
		return new(bool)
	case "1":
		yes := true
		return &yes
	}
	return nil
}

// bus names how a disk is attached, by its place in sysfs.
func bus(disk, vendor string) string {
	name := filepath.Base(disk)
	for _, b := range []struct{ prefix, bus string }{
		{"nvme", "nvme"}, {"mmcblk", "mmc"}, {"vd", "virtio"}, {"loop", "loop"}, {"dm-", "device-mapper"},
		{"md", "md"}, {"nbd", "nbd"}, {"zram", "zram"}, {"sr", "optical"}, {"fd", "floppy"},
	} {
		if strings.HasPrefix(name, b.prefix) {
			return b.bus
		}
	}
	slashed := filepath.ToSlash(disk)
	switch {
	case strings.Contains(slashed, "/usb"):
		return "usb"
	case strings.TrimSpace(vendor) == "ATA", strings.Contains(slashed, "/ata"):
		return "ata"
	case strings.HasPrefix(name, "sd"):
		return "scsi"
	}
	return ""
}

// udev reads the entry of a disk in udev's database: lines "E:NAME=value".
func (s system) udev(disk string) map[string]string {
	number := s.text(filepath.Join(disk, "dev"))
	if number == "" {
		return nil
	}
	return parseUdev(s.text(s.path("run/udev/data/b" + number)))
}

func parseUdev(text string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "E:"); ok {
			if k, v, ok := strings.Cut(rest, "="); ok {
				m[k] = v
			}
		}
	}
	return m
}
