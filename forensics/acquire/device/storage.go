package device

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// What Windows answers about storage: little-endian structures of winioctl.h.

// devicePath tells drives and volumes from files: \\.\PhysicalDrive0, \\.\C:,
// \\?\Volume{…}, \\?\GLOBALROOT\Device\HarddiskVolumeShadowCopy1. A \ at the end
// would make it the root folder of the volume, and is taken off.
func devicePath(path string) (name string, ok bool) {
	name = strings.TrimRight(strings.ReplaceAll(path, "/", `\`), `\`)
	lower := strings.ToLower(name)
	if strings.HasPrefix(lower, `\\.\`) {
		return name, true
	}
	rest, ok := strings.CutPrefix(lower, `\\?\`)
	return name, ok && (strings.HasPrefix(rest, "volume{") || strings.HasPrefix(rest, "physicaldrive") ||
		strings.HasPrefix(rest, `globalroot\device\`)) && !strings.Contains(rest, `}\`)
}

// driveNumber is the number of a whole drive.
func driveNumber(name string) (uint32, bool) {
	lower := strings.ToLower(name)
	digits := ""
	for _, prefix := range []string{`\\.\physicaldrive`, `\\?\physicaldrive`} {
		if rest, ok := strings.CutPrefix(lower, prefix); ok {
			digits = rest
		}
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), err == nil
}

// descriptor is STORAGE_DEVICE_DESCRIPTOR.
type descriptor struct {
	vendor, model, revision, serial string
	bus                             string
	removable                       bool
}

func parseDescriptor(b []byte) (descriptor, error) {
	if len(b) < 36 {
		return descriptor{}, fmt.Errorf("storage device descriptor: %d bytes", len(b))
	}
	text := func(at int) string {
		off := binary.LittleEndian.Uint32(b[at:])
		if off == 0 || int64(off) >= int64(len(b)) {
			return ""
		}
		s := b[off:]
		if end := bytes.IndexByte(s, 0); end >= 0 {
			s = s[:end]
		}
		return strings.TrimSpace(strings.ToValidUTF8(string(s), "?"))
	}
	return descriptor{
		vendor: text(12), model: text(16), revision: text(20), serial: text(24),
		bus: busName(binary.LittleEndian.Uint32(b[28:])), removable: b[10] != 0,
	}, nil
}

// busName is the word for a STORAGE_BUS_TYPE.
func busName(n uint32) string {
	names := []string{"", "scsi", "atapi", "ata", "1394", "ssa", "fibre", "usb", "raid", "iscsi", "sas", "ata",
		"sd", "mmc", "virtual", "file-backed", "spaces", "nvme", "scm", "ufs"}
	if int64(n) < int64(len(names)) {
		return names[n]
	}
	return fmt.Sprintf("bus type %d", n)
}

// extent is a DISK_EXTENT: where a part of a volume lies.
type extent struct {
	disk     uint32
	off, len int64
}

func parseExtents(b []byte) ([]extent, error) {
	if len(b) < 8 {
		return nil, fmt.Errorf("volume disk extents: %d bytes", len(b))
	}
	n := int64(binary.LittleEndian.Uint32(b))
	if n*24 > int64(len(b)-8) {
		return nil, fmt.Errorf("volume disk extents: %d of them in %d bytes", n, len(b))
	}
	out := make([]extent, 0, n)
	for e := b[8:]; n > 0; n, e = n-1, e[24:] {
		out = append(out, extent{
			binary.LittleEndian.Uint32(e),
			int64(binary.LittleEndian.Uint64(e[8:])),
			int64(binary.LittleEndian.Uint64(e[16:])),
		})
	}
	return out, nil
}

// overlap tells whether two sets of extents share a byte.
func overlap(a, b []extent) bool {
	for _, x := range a {
		for _, y := range b {
			if x.disk == y.disk && x.off < y.off+y.len && y.off < x.off+x.len {
				return true
			}
		}
	}
	return false
}
