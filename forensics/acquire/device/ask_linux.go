package device

import (
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ask asks an ATA disk for its full names and for what it hides. Others are
// not asked: bridges of USB take unknown commands badly, and NVMe and SCSI
// disks have no such areas.
func (h *linuxHandle) ask(s system, d devno, info *Info) {
	dir := s.dir(d)
	disk, partition := whole(dir)
	switch {
	case dir == "":
		info.Hidden.State = "not asked: sysfs does not know the device"
	case partition:
		info.Hidden.State = "not asked: a partition"
	case info.Bus != "ata":
		info.Hidden.State = "not asked: no ATA disk"
		if info.Bus == "usb" {
			info.Hidden.State = "not asked: behind a USB bridge"
		}
		if info.Serial == "" && info.Bus == "scsi" {
			h.askSerial(info)
		}
	default:
		h.askATA(disk, info)
	}
}

func (h *linuxHandle) askSerial(info *Info) {
	page := make([]byte, 255)
	if _, err := h.scsi([]byte{0x12, 1, 0x80, 0, 255, 0}, page); err != nil {
		info.note("serial number page: " + err.Error())
		return
	}
	info.Serial = parseSerialPage(page)
}

func (h *linuxHandle) askATA(disk string, info *Info) {
	page, _ := os.ReadFile(filepath.Join(disk, "device/vpd_pg89")) // what the kernel asked when it found the disk
	data := identifyOfPage(page)
	if data == nil {
		data = make([]byte, 512)
		if _, err := h.scsi(passThrough(protocolPIOIn, cmdIdentify, 0, false), data); err != nil {
			info.Hidden.State = "not answered: IDENTIFY DEVICE: " + err.Error()
			return
		}
	}
	id, err := parseIdentify(data)
	if err != nil {
		info.Hidden.State = "not answered: " + err.Error()
		return
	}
	info.Model, info.Vendor = id.model, ""
	if id.locked {
		info.note("the disk is locked by an ATA password: no sector of it can be read")
	}
	if id.serial != "" {
		info.Serial = id.serial
	}
	if id.firmware != "" {
		info.Firmware = id.firmware
	}
	if id.wwn != "" {
		info.WWN = id.wwn
	}
	if info.Rotational == nil {
		info.Rotational = id.rotational
	}
	a := ataAnswers{visible: info.Size / int64(info.Sector)}
	switch {
	case id.accessible:
		a.askedNative = true
		a.native, a.nativeErr = h.maxAddress(cmdAccessibleMax, true)
	case id.hpa && id.lba48:
		a.askedNative = true
		a.native, a.nativeErr = h.maxAddress(cmdNativeMaxExt, true)
	case id.hpa:
		a.askedNative = true
		a.native, a.nativeErr = h.maxAddress(cmdNativeMax, false)
	}
	if id.dco {
		a.askedDCO = true
		config := make([]byte, 512)
		if _, a.dcoErr = h.scsi(passThrough(protocolPIOIn, cmdDeviceConfig, featureConfigReading, false), config); a.dcoErr == nil {
			a.factory, a.dcoErr = parseConfig(config)
		}
	}
	info.Hidden = a.hidden()
}

func (h *linuxHandle) maxAddress(command byte, ext bool) (int64, error) {
	sense, err := h.scsi(passThrough(protocolNone, command, 0, ext), nil)
	if err != nil {
		return 0, err
	}
	r, err := parseSense(sense)
	if err != nil {
		return 0, err
	}
	return r.maxAddress(ext)
}

// sgHeader is struct sg_io_hdr of scsi/sg.h.
type sgHeader struct {
	interfaceID, direction            int32
	commandLen, senseLen              uint8
	vectors                           uint16
	dataLen                           uint32
	data, command, sense              unsafe.Pointer
	timeout, flags                    uint32 // milliseconds
	packID                            int32
	user                              unsafe.Pointer
	status, masked, message, senseGot uint8
	hostStatus, driverStatus          uint16
	residual                          int32
	duration, info                    uint32
}

const (
	sgIO          = 0x2285
	sgFromDevice  = -3
	sgNone        = -1
	sgTimeout     = 10_000
	checkStatus   = 2
	recoveredWord = 1 // sense key of an answer that was asked for with CK_COND
)

// scsi sends a command that reads, with data from the device where data is not
// nil, and gives the sense data.
func (h *linuxHandle) scsi(cdb, data []byte) ([]byte, error) {
	sense := make([]byte, 64)
	hdr := &sgHeader{
		interfaceID: 'S', direction: sgNone, commandLen: uint8(len(cdb)), senseLen: uint8(len(sense)),
		command: unsafe.Pointer(&cdb[0]), sense: unsafe.Pointer(&sense[0]), timeout: sgTimeout,
	}
	if len(data) > 0 {
		hdr.direction, hdr.dataLen, hdr.data = sgFromDevice, uint32(len(data)), unsafe.Pointer(&data[0])
	}
	err := h.control(func(fd int) error {
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), sgIO, uintptr(unsafe.Pointer(hdr))); e != 0 {
			return e
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	sense = sense[:min(int(hdr.senseGot), len(sense))]
	switch {
	case hdr.hostStatus != 0:
		return nil, fmt.Errorf("host status %#x", hdr.hostStatus)
	case hdr.status != 0 && hdr.status != checkStatus:
		return nil, fmt.Errorf("SCSI status %#x", hdr.status)
	case hdr.status == checkStatus && len(sense) >= 8 && senseKey(sense) > recoveredWord:
		return nil, fmt.Errorf("the device refused: sense key %#x", senseKey(sense))
	case cdb[0] == opPassThrough && hdr.residual != 0: // INQUIRY answers with less than there is room for
		return nil, fmt.Errorf("%d bytes missing in the answer", hdr.residual)
	}
	return sense, nil
}
