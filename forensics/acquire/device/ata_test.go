package device

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

func TestPassThrough(t *testing.T) {
	// READ NATIVE MAX ADDRESS EXT: protocol 3 with EXTEND, CK_COND, LBA bit of
	// the device register, command 27h.
	want := []byte{0x85, 0x07, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x27, 0}
	if got := passThrough(protocolNone, cmdNativeMaxExt, 0, true); !bytes.Equal(got, want) {
		t.Errorf("READ NATIVE MAX ADDRESS EXT: % x, want % x", got, want)
	}
	// DEVICE CONFIGURATION IDENTIFY: protocol 4, one block from the device.
	want = []byte{0x85, 0x08, 0x0E, 0, 0xC2, 0, 1, 0, 0, 0, 0, 0, 0, 0x40, 0xB1, 0}
	if got := passThrough(protocolPIOIn, cmdDeviceConfig, featureConfigReading, false); !bytes.Equal(got, want) {
		t.Errorf("DEVICE CONFIGURATION IDENTIFY: % x, want % x", got, want)
	}
}

// The only commands that are ever sent, held against those that change
// something: SET MAX ADDRESS (F9h, 37h), DEVICE CONFIGURATION RESTORE and SET
// (B1h with C0h and C3h), and 78h with any feature but 0.
func TestCommandsOnlyRead(t *testing.T) {
	for _, c := range []struct{ command, feature byte }{
		{cmdIdentify, 0}, {cmdNativeMax, 0}, {cmdNativeMaxExt, 0}, {cmdAccessibleMax, 0}, {cmdDeviceConfig, featureConfigReading},
	} {
		cdb := passThrough(protocolNone, c.command, c.feature, true)
		switch {
		case cdb[14] == 0xF9, cdb[14] == 0x37, cdb[14] == 0xB1 && cdb[4] != 0xC2, cdb[14] == 0x78 && (cdb[3] != 0 || cdb[4] != 0):
			t.Errorf("% x changes the device", cdb)
		}
	}
}

func TestParseSense(t *testing.T) {
	// Descriptor format: recovered error, 00/1D, ATA status return with the
	// address 0x0000_74706DAF (the last sector of a 1,953,525,168-sector disk).
	desc := []byte{0x72, 1, 0, 0x1D, 0, 0, 0, 14,
		9, 12, 1, 0, 0, 0, 0x74, 0xAF, 0, 0x6D, 0, 0x70, 0x40, 0x50}
	fixed := []byte{0x70, 0, 1, 0, 0x50, 0x40, 0, 10, 0, 0xAF, 0x6D, 0x70, 0, 0x1D, 0, 0, 0, 0}
	upper := bytes.Clone(fixed)
	upper[8] = 0x20
	other := append([]byte{0x72, 1, 0, 0x1D, 0, 0, 0, 18, 0, 2, 0, 0}, desc[8:]...)
	for _, c := range []struct {
		name string
		in   []byte
		lba  int64
		ok   bool
	}{
		{"descriptor", desc, 0x74706DAF, true},
		{"behind another descriptor", other, 0x74706DAF, true},
		{"fixed", fixed, 0x706DAF, true},
		{"fixed, without the upper bits", upper, 0, false},
		{"illegal request", []byte{0x72, 5, 0x20, 0, 0, 0, 0, 0}, 0, false},
		{"fixed, illegal request", []byte{0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0}, 0, false},
		{"nothing", nil, 0, false},
		{"short", desc[:7], 0, false},
		{"cut off", desc[:15], 0, false},
		{"a length that lies", []byte{0x72, 1, 0, 0x1D, 0, 0, 0, 255, 9, 200}, 0, false},
	} {
		r, err := parseSense(c.in)
		if (err == nil) != c.ok || r.lba != c.lba {
			t.Errorf("%s: %#x, %v", c.name, r.lba, err)
		}
		if c.ok && r.status != 0x50 {
			t.Errorf("%s: status %#x", c.name, r.status)
		}
	}
	for i := range desc {
		parseSense(desc[:i])
	}
}

func TestMaxAddress(t *testing.T) {
	if n, err := (registers{status: 0x50, lba: 0x74706DAF}).maxAddress(true); n != 1_953_525_168 || err != nil {
		t.Errorf("48 bits: %d, %v", n, err)
	}
	if n, err := (registers{status: 0x50, lba: 0xFFFFFF, device: 0x4F}).maxAddress(false); n != 1<<28 || err != nil {
		t.Errorf("28 bits: %d, %v", n, err)
	}
	if _, err := (registers{status: 0x51, err: 4}).maxAddress(true); err == nil {
		t.Error("a refusal is no address")
	}
}

// drive is IDENTIFY DEVICE data of a disk with all feature sets.
func drive() []byte {
	b := make([]byte, 512)
	put := func(word int, s string, n int) {
		for i := range n {
			c := byte(' ')
			if i < len(s) {
				c = s[i]
			}
			b[2*word+i^1] = c
		}
	}
	w := func(i int, v uint16) { binary.LittleEndian.PutUint16(b[2*i:], v) }
	put(10, "        WD-WX11A2345", 20)
	put(23, "01.01A01", 8)
	put(27, "WDC WD10JPVX-22JC3T0", 40)
	binary.LittleEndian.PutUint32(b[120:], 0x0FFFFFFF)
	w(82, 1<<10)
	w(83, 1<<14|1<<11|1<<10)
	w(87, 1<<14|1<<8)
	binary.LittleEndian.PutUint64(b[200:], 1_953_525_168)
	w(108, 0x5001)
	w(109, 0x4EE6)
	w(110, 0x5A00)
	w(111, 0x1234)
	w(119, 1<<14)
	w(217, 5400)
	b[510] = 0xA5
	checksum(b)
	return b
}

func checksum(b []byte) {
	b[511] = 0
	var sum byte
	for _, x := range b {
		sum += x
	}
	b[511] = -sum
}

func TestParseIdentify(t *testing.T) {
	id, err := parseIdentify(drive())
	if err != nil {
		t.Fatal(err)
	}
	if id.model != "WDC WD10JPVX-22JC3T0" || id.serial != "WD-WX11A2345" || id.firmware != "01.01A01" || id.wwn != "0x50014ee65a001234" {
		t.Errorf("names: %+v", id)
	}
	if !id.lba48 || !id.hpa || !id.dco || id.accessible || id.sectors != 1_953_525_168 || id.rotational == nil || !*id.rotational {
		t.Errorf("features: %+v", id)
	}
	if id.locked {
		t.Error("a disk without a password is locked")
	}
	b := drive()
	b[256] = 7 // supported, enabled, locked
	checksum(b)
	if id, err := parseIdentify(b); err != nil || !id.locked {
		t.Errorf("a locked disk: %+v, %v", id, err)
	}
	b = drive()
	b[100] ^= 1
	if _, err := parseIdentify(b); err == nil {
		t.Error("a flipped bit is not noticed")
	}
	if _, err := parseIdentify(make([]byte, 512)); err == nil {
		t.Error("zeros are no drive")
	}
	if _, err := parseIdentify(b[:511]); err == nil {
		t.Error("511 bytes are taken")
	}
}

func TestParseConfig(t *testing.T) {
	b := make([]byte, 512)
	b[0] = 2
	binary.LittleEndian.PutUint64(b[6:], 1_953_525_167)
	b[510] = 0xA5
	checksum(b)
	if n, err := parseConfig(b); n != 1_953_525_168 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	b[7]++
	if _, err := parseConfig(b); err == nil {
		t.Error("a wrong checksum is not noticed")
	}
	if _, err := parseConfig(make([]byte, 512)); err == nil {
		t.Error("zeros are no answer")
	}
}

func TestHidden(t *testing.T) {
	no := errors.New("refused")
	for _, c := range []struct {
		a    ataAnswers
		want string
	}{
		{ataAnswers{visible: 1000}, "none"},
		{ataAnswers{visible: 1000, native: 1000, askedNative: true}, "none"},
		{ataAnswers{visible: 900, native: 1000, askedNative: true}, "hpa"},
		{ataAnswers{visible: 900, native: 900, askedNative: true, factory: 1000, askedDCO: true}, "dco"},
		{ataAnswers{visible: 800, native: 900, askedNative: true, factory: 1000, askedDCO: true}, "hpa; dco"},
		{ataAnswers{visible: 1000, askedNative: true, nativeErr: no}, "hpa not known: refused"},
		{ataAnswers{visible: 800, native: 900, askedNative: true, askedDCO: true, dcoErr: no}, "hpa; dco not known: refused"},
	} {
		if got := c.a.hidden(); got.State != c.want || got.Visible != c.a.visible {
			t.Errorf("%+v: %+v, want %s", c.a, got, c.want)
		}
	}
}

func TestPages(t *testing.T) {
	if s := parseSerialPage([]byte("\x00\x80\x00\x08  S3Z9NB")); s != "S3Z9NB" {
		t.Errorf("serial number page: %q", s)
	}
	for _, b := range []string{"", "\x00\x80\x00", "\x00\x83\x00\x01x"} {
		if s := parseSerialPage([]byte(b)); s != "" {
			t.Errorf("%q: %q", b, s)
		}
	}
	if s := parseSerialPage([]byte("\x00\x80\xff\xffabc")); s != "abc" {
		t.Errorf("a length that lies: %q", s)
	}
	page := append([]byte{0, 0x89, 2, 0x38}, make([]byte, 56)...)
	if b := identifyOfPage(append(page, drive()...)); !bytes.Equal(b, drive()) {
		t.Error("ATA Information page: not the drive's data")
	}
	if identifyOfPage(page) != nil {
		t.Error("a page without the drive's data")
	}
}
