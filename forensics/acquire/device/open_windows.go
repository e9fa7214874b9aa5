package device

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/windows"
)

// windowsHandle is a drive, a volume or a file.
type windowsHandle struct {
	h    windows.Handle
	raw  bool           // a drive or a volume
	fine windows.Handle // the same file past the cache, for what h cannot read; 0 where there is none
}

// The controls that ask a device (winioctl.h); none needs write access.
const (
	ioctlLength         = 0x0007405C // IOCTL_DISK_GET_LENGTH_INFO
	ioctlGeometry       = 0x000700A0 // IOCTL_DISK_GET_DRIVE_GEOMETRY_EX
	ioctlWritable       = 0x00070024 // IOCTL_DISK_IS_WRITABLE
	ioctlProperty       = 0x002D1400 // IOCTL_STORAGE_QUERY_PROPERTY
	ioctlExtents        = 0x00560000 // IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS
	ioctlWholePartition = 0x00090083 // FSCTL_ALLOW_EXTENDED_DASD_IO
)

// Properties of a device.
const (
	propertyDevice    = 0
	propertyAlignment = 6
	propertySeek      = 7
)

func open(path string) (handle, Info, error) {
	info := Info{Path: path, Hidden: Hidden{State: "not asked: not a disk"}}
	name, ok := devicePath(path)
	if !ok {
		h, err := openFile(path, &info)
		return h, info, err
	}
	h, err := openRaw(name, &info)
	return h, info, err
}

func openAs(path string, flags uint32) (windows.Handle, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, err
	}
	return windows.CreateFile(name, windows.GENERIC_READ, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE, nil,
		windows.OPEN_EXISTING, flags, 0)
}

func openFile(path string, info *Info) (handle, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	if !st.Mode().IsRegular() {
		return nil, errors.New("neither a device nor a file")
	}
	f, err := openAs(path, windows.FILE_FLAG_SEQUENTIAL_SCAN)
	if err != nil {
		return nil, err
	}
	h := &windowsHandle{h: f}
	info.Kind, info.Sector, info.Buffered = File, 512, "a file"
	if info.Size, err = h.size(); err != nil {
		h.close()
		return nil, err
	}
	if h.fine, err = openAs(path, windows.FILE_FLAG_NO_BUFFERING); err != nil {
		h.fine = 0
	}
	return h, nil
}

func openRaw(path string, info *Info) (handle, error) {
	f, err := openAs(path, windows.FILE_FLAG_NO_BUFFERING)
	if err != nil {
		return nil, err
	}
	h := &windowsHandle{h: f, raw: true}
	info.Direct, info.Kind = true, Volume
	if _, ok := driveNumber(path); ok {
		info.Kind = Disk
		info.Hidden.State = "not asked: Windows wants write access for the question"
	} else if _, err := h.control(ioctlWholePartition, nil, 0); err != nil {
		info.note("the sectors behind the file system's end may not be readable: " + err.Error())
	}
	if err := h.describe(info); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (h *windowsHandle) describe(info *Info) error {
	var err error
	if info.Size, err = h.size(); err != nil {
		return fmt.Errorf("size: %w", err)
	}
	if g, err := h.control(ioctlGeometry, nil, 256); err == nil && len(g) >= 24 {
		info.Sector = int(binary.LittleEndian.Uint32(g[20:]))
	} else {
		info.Sector = 512
		info.note(fmt.Sprintf("geometry not answered (%v); sectors of 512 bytes are assumed", err))
	}
	if a, err := h.property(propertyAlignment, 28); err == nil && len(a) >= 28 {
		info.Physical = int(binary.LittleEndian.Uint32(a[20:]))
	}
	if p, err := h.property(propertySeek, 12); err == nil && len(p) >= 9 {
		yes := p[8] != 0
		info.Rotational = &yes
	}
	b, err := h.property(propertyDevice, 4096)
	if err != nil {
		info.note("model and serial not answered: " + err.Error())
	} else if d, err := parseDescriptor(b); err != nil {
		info.note(err.Error())
	} else {
		info.Vendor, info.Model, info.Serial, info.Firmware = d.vendor, d.model, d.serial, d.revision
		info.Bus, info.Removable = d.bus, &d.removable
	}
	_, err = h.control(ioctlWritable, nil, 0)
	if err == nil || errors.Is(err, windows.ERROR_WRITE_PROTECT) {
		ro := err != nil
		info.ReadOnly = &ro
	}
	if extents, err := h.extents(); err == nil && len(extents) == 1 && info.Kind == Volume {
		info.Parent = fmt.Sprintf("PhysicalDrive%d", extents[0].disk)
	}
	return nil
}

func (h *windowsHandle) property(id uint32, room int) ([]byte, error) {
	query := make([]byte, 12)
	binary.LittleEndian.PutUint32(query, id)
	return h.control(ioctlProperty, query, room)
}

func (h *windowsHandle) extents() ([]extent, error) {
	b, err := h.control(ioctlExtents, nil, 8+64*24)
	if err != nil {
		return nil, err
	}
	return parseExtents(b)
}

func (h *windowsHandle) control(code uint32, in []byte, room int) ([]byte, error) {
	var inp, outp *byte
	if len(in) > 0 {
		inp = &in[0]
	}
	out := make([]byte, room)
	if room > 0 {
		outp = &out[0]
	}
	var got uint32
	if err := windows.DeviceIoControl(h.h, code, inp, uint32(len(in)), outp, uint32(room), &got, nil); err != nil {
		return nil, err
	}
	return out[:min(int(got), room)], nil
}

// size of a volume is that of its partition, not of the file system in it. A
// driver that answers neither question may know the size of its handle.
func (h *windowsHandle) size() (int64, error) {
	if !h.raw {
		return sizeOf(h.h)
	}
	b, err := h.control(ioctlLength, nil, 8)
	if err == nil && len(b) == 8 {
		return int64(binary.LittleEndian.Uint64(b)), nil
	}
	if g, gerr := h.control(ioctlGeometry, nil, 256); gerr == nil && len(g) >= 32 {
		return int64(binary.LittleEndian.Uint64(g[24:])), nil
	}
	if n, serr := sizeOf(h.h); serr == nil && n > 0 {
		return n, nil
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return 0, err
}

func sizeOf(h windows.Handle) (int64, error) {
	var st windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &st); err != nil {
		return 0, err
	}
	return int64(st.FileSizeHigh)<<32 | int64(st.FileSizeLow), nil
}

func (h *windowsHandle) readAt(p []byte, off int64) (int, error) {
	n, err := readAll(h.h, p, off)
	if h.fine == 0 || err == nil || err == io.EOF || Gone(err) {
		return n, err
	}
	from := (off + int64(n)) &^ 511
	b := Alloc(int((off+int64(len(p))+511)&^511 - from))
	m, again := readAll(h.fine, b, from)
	if m = copy(p[n:], b[min(int(off+int64(n)-from), m):m]); m == 0 {
		return n, err
	}
	if n+m == len(p) {
		again = nil
	}
	return n + m, again
}

func readAll(h windows.Handle, p []byte, off int64) (n int, err error) {
	for n < len(p) {
		at := off + int64(n)
		o := windows.Overlapped{Offset: uint32(at), OffsetHigh: uint32(at >> 32)}
		var got uint32
		err := windows.ReadFile(h, p[n:], &got, &o)
		n += int(got)
		switch {
		case errors.Is(err, windows.ERROR_HANDLE_EOF) || err == nil && got == 0:
			return n, io.EOF
		case err != nil:
			return n, err
		}
	}
	return n, nil
}

func (h *windowsHandle) close() error {
	if h.fine != 0 {
		windows.CloseHandle(h.fine)
	}
	return windows.CloseHandle(h.h)
}
