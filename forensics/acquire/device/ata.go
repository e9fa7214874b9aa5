package device

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// The commands that ask an ATA device; all only read (ATA/ATAPI Command Set 3
// and 4; DEVICE CONFIGURATION IDENTIFY and READ NATIVE MAX ADDRESS: ACS-2).
const (
	cmdIdentify          = 0xEC
	cmdNativeMax         = 0xF8
	cmdNativeMaxExt      = 0x27
	cmdAccessibleMax     = 0x78 // feature 0: GET NATIVE MAX ADDRESS EXT
	cmdDeviceConfig      = 0xB1
	featureConfigReading = 0xC2 // DEVICE CONFIGURATION IDENTIFY
)

const (
	opPassThrough = 0x85
	protocolNone  = 3 // no data
	protocolPIOIn = 4
)

// passThrough is the CDB of ATA PASS-THROUGH (16) (SCSI/ATA Translation,
// section 12.2). The answer's registers are asked for with CK_COND.
func passThrough(protocol, command, feature byte, ext bool) []byte {
	cdb := make([]byte, 16)
	cdb[0] = opPassThrough
	cdb[1] = protocol << 1
	if ext {
		cdb[1] |= 1
	}
	cdb[2] = 0x20 // CK_COND
	if protocol == protocolPIOIn {
		cdb[2] = 0x0E // from the device, in blocks, as many as the count says
		cdb[6] = 1
	}
	cdb[4] = feature
	cdb[13] = 0x40 // LBA
	cdb[14] = command
	return cdb
}

// registers is what an ATA device answered a command with.
type registers struct {
	status, err byte
	lba         int64 // 48 bits, or 28 with the low bits of device
	device      byte
}

// parseSense reads the registers from sense data: the ATA Status Return
// descriptor, or fixed format (SAT, sections 12.2.6 and 12.2.7).
func parseSense(b []byte) (registers, error) {
	if len(b) < 8 {
		return registers{}, fmt.Errorf("sense data of %d bytes", len(b))
	}
	switch b[0] & 0x7F {
	case 0x72, 0x73:
		for d := b[8:min(8+int(b[7]), len(b))]; len(d) >= 2; {
			n := 2 + int(d[1])
			if n > len(d) {
				break
			}
			if d[0] == 9 && n >= 14 {
				return registers{
					status: d[13], err: d[3], device: d[12],
					lba: int64(d[7]) | int64(d[9])<<8 | int64(d[11])<<16 |
						int64(d[6])<<24 | int64(d[8])<<32 | int64(d[10])<<40,
				}, nil
			}
			d = d[n:]
		}
	case 0x70, 0x71:
		if len(b) < 14 || b[12] != 0 || b[13] != 0x1D {
			break // not "ATA pass-through information available"
		}
		if b[8]&0x20 != 0 {
			return registers{}, errors.New("fixed sense data: the upper bits of the address are left out")
		}
		return registers{status: b[4], err: b[3], device: b[5], lba: int64(b[9]) | int64(b[10])<<8 | int64(b[11])<<16}, nil
	}
	return registers{}, fmt.Errorf("sense key %#x without the device's registers", senseKey(b))
}

func senseKey(b []byte) byte {
	if b[0]&0x7F >= 0x72 {
		return b[1] & 15
	}
	return b[2] & 15
}

// maxAddress is the sector count that READ NATIVE MAX ADDRESS says.
func (r registers) maxAddress(ext bool) (int64, error) {
	if r.status&0x21 != 0 { // ERR, DF
		return 0, fmt.Errorf("the device refused: status %#02x, error %#02x", r.status, r.err)
	}
	if ext {
		return r.lba + 1, nil
	}
	return r.lba&0xFFFFFF | int64(r.device&15)<<24 + 1, nil
}

// identity is what IDENTIFY DEVICE says (ACS-4, section 7.13).
type identity struct {
	model, serial, firmware string
	wwn                     string
	sectors                 int64
	lba48                   bool
	hpa, dco, accessible    bool // has the feature set that can hide sectors
	rotational              *bool
	locked                  bool // by an ATA password: no sector can be read
}

func parseIdentify(b []byte) (identity, error) {
	if len(b) < 512 {
		return identity{}, fmt.Errorf("IDENTIFY DEVICE: %d bytes", len(b))
	}
	w := func(i int) uint16 { return binary.LittleEndian.Uint16(b[2*i:]) }
	if b[510] == 0xA5 {
		var sum byte
		for _, x := range b[:512] {
			sum += x
		}
		if sum != 0 {
			return identity{}, errors.New("IDENTIFY DEVICE: wrong checksum")
		}
	}
	id := identity{serial: ataString(b[20:40]), firmware: ataString(b[46:54]), model: ataString(b[54:94])}
	if id.model == "" {
		return identity{}, errors.New("IDENTIFY DEVICE: no model")
	}
	id.lba48 = w(83)>>14 == 1 && w(83)&(1<<10) != 0
	id.hpa = w(82)&(1<<10) != 0
	id.dco = w(83)>>14 == 1 && w(83)&(1<<11) != 0
	id.accessible = w(119)>>14 == 1 && w(119)&(1<<8) != 0
	id.locked = w(128)&4 != 0
	id.sectors = int64(binary.LittleEndian.Uint32(b[120:]))
	if id.lba48 {
		id.sectors = int64(binary.LittleEndian.Uint64(b[200:]) & (1<<48 - 1))
	}
	if w(87)>>14 == 1 && w(87)&(1<<8) != 0 {
		id.wwn = fmt.Sprintf("0x%04x%04x%04x%04x", w(108), w(109), w(110), w(111))
	}
	switch r := w(217); {
	case r == 1:
		id.rotational = new(bool)
	case r >= 0x401 && r < 0xFFFF:
		yes := true
		id.rotational = &yes
	}
	return id, nil
}

// ataString undoes the order of ATA's strings: the first character of each word
// is in its upper byte.
func ataString(b []byte) string {
	out := make([]byte, len(b))
	for i := range b {
		out[i^1] = b[i]
	}
	return strings.TrimSpace(strings.ToValidUTF8(strings.Trim(string(out), "\x00 "), "?"))
}

// parseConfig reads the sector count that the factory set from DEVICE
// CONFIGURATION IDENTIFY: words 3 to 6 are the greatest address (ACS-2,
// section 7.10.3).
func parseConfig(b []byte) (int64, error) {
	if len(b) < 512 {
		return 0, fmt.Errorf("DEVICE CONFIGURATION IDENTIFY: %d bytes", len(b))
	}
	if b[510] == 0xA5 {
		var sum byte
		for _, x := range b[:512] {
			sum += x
		}
		if sum != 0 {
			return 0, errors.New("DEVICE CONFIGURATION IDENTIFY: wrong checksum")
		}
	}
	last := binary.LittleEndian.Uint64(b[6:])
	if last == 0 || last >= 1<<48 {
		return 0, fmt.Errorf("DEVICE CONFIGURATION IDENTIFY: greatest address %d", last)
	}
	return int64(last) + 1, nil
}

// ataAnswers is what a device said when it was asked for what it hides.
type ataAnswers struct {
	visible               int64 // sectors that the system sees
	native, factory       int64
	nativeErr, dcoErr     error
	askedNative, askedDCO bool
}

// hidden turns the answers into words.
func (a ataAnswers) hidden() Hidden {
	h := Hidden{Visible: a.visible, Native: a.native, Factory: a.factory}
	var found, unknown []string
	switch {
	case a.nativeErr != nil:
		unknown = append(unknown, "hpa not known: "+a.nativeErr.Error())
	case a.askedNative && a.native > a.visible:
		found = append(found, "hpa")
	}
	native := max(a.native, a.visible)
	switch {
	case a.dcoErr != nil:
		unknown = append(unknown, "dco not known: "+a.dcoErr.Error())
	case a.askedDCO && a.factory > native:
		found = append(found, "dco")
	}
	if len(found) == 0 && len(unknown) == 0 {
		found = []string{"none"}
	}
	h.State = strings.Join(append(found, unknown...), "; ")
	return h
}

// parseSerialPage reads the unit serial number page of INQUIRY (SPC, VPD page
// 0x80), "" where it is none.
func parseSerialPage(b []byte) string {
	if len(b) < 4 || b[1] != 0x80 {
		return ""
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	return strings.TrimSpace(strings.ToValidUTF8(strings.Trim(string(b[4:min(4+n, len(b))]), "\x00 "), "?"))
}

// identifyOfPage is the IDENTIFY DEVICE data inside the ATA Information page of
// INQUIRY (SAT, VPD page 0x89), nil where there is none.
func identifyOfPage(b []byte) []byte {
	if len(b) < 572 || b[1] != 0x89 {
		return nil
	}
	return b[60:572]
}
