package device

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// What Windows answers about storage: little-endian structures of winioctl.h.

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
