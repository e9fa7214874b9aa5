package device

import (
	"errors"
	"fmt"
	"io"
	"unsafe"
)

// Kind is what a source is.
type Kind string

// The kinds of source.
const (
	Disk      Kind = "disk"
	Partition Kind = "partition"
	Volume    Kind = "volume" // of Windows, by its letter or name
	File      Kind = "file"
)

// Device is a source, open for reading.
type Device struct {
	h     handle
	info  Info
	align int64 // offsets, lengths and addresses of reads are multiples of it; 1 for any
}

// pageSize is the alignment of Alloc. Memory that is aligned so suits every
// device: no sector of a block device is larger than a page that Linux or
// Windows on our machines uses.
const pageSize = 4096

// Alloc makes a buffer that a device can read into directly.
func Alloc(n int) []byte {
	b := make([]byte, n+pageSize)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (pageSize - 1)
	return b[skip : skip+n : skip+n]
}

// Open opens a block device or a regular file; on Windows also a drive
// (\\.\PhysicalDrive0) or a volume (\\.\C:), which is read in the full length
// of its partition.
func Open(path string) (*Device, error) {
	h, info, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	d := &Device{h: h, info: info, align: 1}
	if info.Direct {
		d.align = int64(info.Sector)
	}
	if info.Size <= 0 {
		h.close()
		return nil, fmt.Errorf("%s: holds no medium: its size is %d", path, info.Size)
	}
	if info.Sector <= 0 || info.Sector > pageSize || info.Sector&(info.Sector-1) != 0 {
		h.close()
		return nil, fmt.Errorf("%s: sectors of %d bytes", path, info.Sector)
	}
	return d, nil
}

// Close closes the source.
func (d *Device) Close() error { return d.h.close() }

// Size is in bytes.
func (d *Device) Size() int64 { return d.info.Size }

// Sector is the size of a logical sector in bytes; 512 for a file.
func (d *Device) Sector() int { return d.info.Sector }

// Info is what is known of the source.
func (d *Device) Info() Info { return d.info }

// ReadAt reads bytes of the source. It is safe for concurrent use. A read that
// begins and ends on a sector, into a buffer of Alloc, is not copied. A read
// that is cut short inside the source is io.ErrUnexpectedEOF.
func (d *Device) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	if off >= d.info.Size {
		return 0, io.EOF
	}
	whole := len(p)
	if int64(whole) > d.info.Size-off {
		p = p[:d.info.Size-off]
	}
	n, err := d.read(p, off)
	switch {
	case n == len(p) && n < whole:
		err = io.EOF
	case n == len(p):
		err = nil
	case err == nil || err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (d *Device) read(p []byte, off int64) (int, error) {
	addr := int64(uintptr(unsafe.Pointer(unsafe.SliceData(p))))
	if (off|int64(len(p))|addr&(pageSize-1))&(d.align-1) == 0 {
		return d.h.readAt(p, off)
	}
	from := off &^ (d.align - 1)
	to := min((off+int64(len(p))+d.align-1)&^(d.align-1), d.info.Size)
	b := Alloc(int(to - from))
	n, err := d.h.readAt(b, from)
	return copy(p, b[min(off-from, int64(n)):n]), err
}

// Check asks whether the device is still there, with the size that it had. Its
// error is one that Gone knows.
func (d *Device) Check() error {
	n, err := d.h.size()
	if err != nil {
		return &goneError{err}
	}
	if n != d.info.Size {
		return &goneError{fmt.Errorf("its size was %d and is %d bytes", d.info.Size, n)}
	}
	return nil
}

// goneError says how it is known that a device went away, or is another one.
type goneError struct{ err error }

func (e *goneError) Error() string { return "the source is not what it was: " + e.err.Error() }
func (e *goneError) Unwrap() error { return e.err }

// ErrGone is for sources that are no Device: an error that wraps it is one that
// Gone knows.
var ErrGone = errors.New("the device is gone")

// Gone tells whether an error says that the medium as a whole went away, and
// not that a part of it cannot be read.
func Gone(err error) bool {
	if _, ok := errors.AsType[*goneError](err); ok {
		return true
	}
	return errors.Is(err, ErrGone) || goneErrno(err)
}

// handle is the system's side of a source.
type handle interface {
	readAt(p []byte, off int64) (int, error)
	size() (int64, error) // asked anew
	close() error
}
