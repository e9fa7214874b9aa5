package device

import "testing"

// FuzzAnswers gives what devices and the system answer to all that reads it.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte{0x72, 1, 0, 0x1D, 0, 0, 0, 14, 9, 12, 1, 0, 0, 0, 0x74, 0xAF, 0, 0x6D, 0, 0x70, 0x40, 0x50})
	f.Add(drive())
	f.Add([]byte("36 35 98:0 /mnt1 /mnt2\\040x rw,noatime master:1 - ext3 /dev/root rw\nE:ID_BUS=usb\n"))
	f.Add([]byte("\x00\x80\x00\x08  S3Z9NB"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := parseSense(b); err == nil {
			if n, err := r.maxAddress(true); err == nil && (n < 1 || n > 1<<48) {
				t.Errorf("%d sectors", n)
			}
		}
		if id, err := parseIdentify(b); err == nil && (id.sectors < 0 || id.sectors >= 1<<48) {
			t.Errorf("%d sectors", id.sectors)
		}
		if n, err := parseConfig(b); err == nil && (n < 2 || n > 1<<48) {
			t.Errorf("%d sectors", n)
		}
		parseDescriptor(b)
		parseExtents(b)
		parseSerialPage(b)
		identifyOfPage(b)
		parseMountinfo(string(b))
		parseSwaps(string(b))
		parseUdev(string(b))
		if len(unescape(string(b))) > len(b) {
			t.Error("unescape makes text longer")
		}
	})
}
