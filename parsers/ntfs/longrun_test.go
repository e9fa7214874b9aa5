package ntfs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
)

// A hole of more clusters than bytes can be counted in 63 bits, in each
// attribute with clusters in turn: nothing panics, and other entries stay.
func TestRunsOfMoreThan63Bits(t *testing.T) {
	whole := smallVolume(t)
	v, err := Open(bytes.NewReader(whole), int64(len(whole)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for num := range v.Entries() {
		rec, err := v.Record(num)
		if err != nil {
			continue
		}
		for a := range rec.Attrs(nil) {
			if !a.NonResident {
				continue
			}
			for _, shift := range []int{51, 52, 55, 61} {
				for _, claims := range []bool{false, true} {
					t.Run(fmt.Sprintf("entry %d %s %d %v", num, a.Type, shift, claims), func(t *testing.T) {
						b := bytes.Clone(whole)
						p := b[rec.Off+int64(a.Off):]
						binary.LittleEndian.PutUint64(p[24:], 1<<shift-1) // highest VCN
						if claims {
							for _, at := range []int{40, 48, 56} {
								binary.LittleEndian.PutUint64(p[at:], 1<<62)
							}
						}
						runs := p[binary.LittleEndian.Uint16(p[32:]):]
						runs[0] = 0x08 // eight bytes of length, no place
						binary.LittleEndian.PutUint64(runs[1:], 1<<shift)
						useAll(t, bytes.NewReader(b), int64(len(b)))
					})
				}
			}
		}
	}
}
