package device

import (
	"testing"
	"unsafe"
)

// struct sg_io_hdr has 88 bytes where pointers have 8 (scsi/sg.h).
func TestHeaderSize(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) == 8 && (unsafe.Sizeof(sgHeader{}) != 88 || unsafe.Offsetof(sgHeader{}.status) != 64) {
		t.Errorf("%d bytes, status at %d", unsafe.Sizeof(sgHeader{}), unsafe.Offsetof(sgHeader{}.status))
	}
}
