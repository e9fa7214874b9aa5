package device

import (
	"encoding/binary"
	"strings"
	"testing"
)

func TestDevicePath(t *testing.T) {
	for in, want := range map[string]string{
		`\\.\PhysicalDrive0`: `\\.\PhysicalDrive0`, `\\.\C:`: `\\.\C:`, `\\.\C:\`: `\\.\C:`, `//./e:`: `\\.\e:`,
		`\\?\Volume{0d1b7f4e-0000-0000-0000-100000000000}\`: `\\?\Volume{0d1b7f4e-0000-0000-0000-100000000000}`,
		`\\?\GLOBALROOT\Device\HarddiskVolumeShadowCopy3`:   `\\?\GLOBALROOT\Device\HarddiskVolumeShadowCopy3`,
		`C:\disk.raw`: "", `\\?\C:\disk.raw`: "", `\\server\share\disk.raw`: "", `disk.raw`: "",
		`\\?\Volume{0d1b7f4e-0000-0000-0000-100000000000}\disk.raw`: "",
	} {
		if got, ok := devicePath(in); ok != (want != "") || ok && got != want {
			t.Errorf("%s: %s, %v", in, got, ok)
		}
	}
	for in, want := range map[string]int{`\\.\PhysicalDrive0`: 0, `\\?\physicaldrive12`: 12, `\\.\C:`: -1, `\\.\PhysicalDrive`: -1, `\\.\PhysicalDriveX`: -1} {
		if n, ok := driveNumber(in); ok != (want >= 0) || ok && int(n) != want {
			t.Errorf("%s: %d, %v", in, n, ok)
		}
	}
}

func TestParseDescriptor(t *testing.T) {
	b := make([]byte, 36, 128)
	binary.LittleEndian.PutUint32(b[4:], 100)
	b[10] = 1
	text := func(at int, s string) {
		binary.LittleEndian.PutUint32(b[at:], uint32(len(b)))
		b = append(b, s+"\x00"...)
	}
	text(12, "SanDisk ")
	text(16, "Ultra USB 3.0  ")
	text(20, "1.00")
	text(24, "4C530001230823116173")
	binary.LittleEndian.PutUint32(b[28:], 7)
	d, err := parseDescriptor(b)
	if want := (descriptor{"SanDisk", "Ultra USB 3.0", "1.00", "4C530001230823116173", "usb", true}); err != nil || d != want {
		t.Errorf("%+v, %v", d, err)
	}
	binary.LittleEndian.PutUint32(b[24:], 0xFFFFFFFF)
	if d, err := parseDescriptor(b); err != nil || d.serial != "" {
		t.Errorf("an offset that lies: %+v, %v", d, err)
	}
	if _, err := parseDescriptor(b[:35]); err == nil {
		t.Error("35 bytes are taken")
	}
	if s := busName(99); !strings.Contains(s, "99") {
		t.Errorf("an unknown bus: %q", s)
	}
}

func TestParseExtents(t *testing.T) {
	b := make([]byte, 8+2*24)
	b[0] = 2
	binary.LittleEndian.PutUint32(b[8:], 1)
	binary.LittleEndian.PutUint64(b[16:], 1<<20)
	binary.LittleEndian.PutUint64(b[24:], 1<<30)
	binary.LittleEndian.PutUint32(b[32:], 3)
	got, err := parseExtents(b)
	if err != nil || len(got) != 2 || got[0] != (extent{1, 1 << 20, 1 << 30}) || got[1].disk != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	b[3] = 0xFF
	if _, err := parseExtents(b); err == nil {
		t.Error("a count that lies is taken")
	}
	if !overlap([]extent{{0, 0, 1<<63 - 1}}, []extent{{1, 5, 5}, {0, 5, 5}}) || overlap([]extent{{0, 0, 10}}, []extent{{0, 10, 5}}) {
		t.Error("overlap")
	}
}
