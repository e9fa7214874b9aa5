package device

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// linuxHandle is a file or a block device.
type linuxHandle struct {
	f      *os.File
	fine   *os.File // the same file past the page cache, for what f cannot read; nil where there is none
	block  bool
	cached bool // a block device that is read through the page cache
}

// open opens a source. What is no file and no block device is refused before
// it is opened: opening a FIFO waits, opening a tape or a terminal does things.
func open(path string) (handle, Info, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, Info{}, errors.Unwrap(err)
	}
	info := Info{Path: path, Hidden: Hidden{State: "not asked: not a disk"}}
	switch {
	case st.Mode().IsRegular():
		h, err := openFile(path, &info)
		return h, info, err
	case st.Mode()&os.ModeDevice != 0 && st.Mode()&os.ModeCharDevice == 0:
		h, err := openBlock(path, unix.O_DIRECT, &info)
		return h, info, err
	}
	return nil, info, fmt.Errorf("neither a block device nor a file")
}

func openFile(path string, info *Info) (handle, error) {
	f, err := openAs(path, 0)
	if err != nil {
		return nil, err
	}
	h := &linuxHandle{f: f}
	info.Kind, info.Sector, info.Buffered = File, 512, "a file"
	if info.Size, err = h.size(); err != nil {
		f.Close()
		return nil, err
	}
	if h.fine, err = openAs(path, unix.O_DIRECT); err != nil {
		h.fine = nil // the file system has no such reads
	}
	return h, nil
}

// openBlock opens a block device; how is O_DIRECT, or 0 for the page cache.
func openBlock(path string, how int, info *Info) (handle, error) {
	f, err := openAs(path, how)
	if err != nil && how != 0 {
		info.Buffered = "O_DIRECT: " + err.Error()
		how = 0
		f, err = openAs(path, how)
	}
	if err != nil {
		return nil, err
	}
	h := &linuxHandle{f: f, block: true, cached: how == 0}
	if err := h.describe(info); err != nil {
		f.Close()
		return nil, err
	}
	if !h.cached {
		h.tryDirect(path, info)
	}
	info.Direct = !h.cached
	return h, nil
}

// tryDirect reads the first sector past the cache. A device that refuses such
// reads altogether is read through the cache; one whose first sector is bad is
// not such a device.
func (h *linuxHandle) tryDirect(path string, info *Info) {
	b := Alloc(info.Sector)
	_, err := h.f.ReadAt(b, 0)
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EOPNOTSUPP) {
		return
	}
	f, second := openAs(path, 0)
	if second != nil {
		return
	}
	h.f.Close()
	h.f, h.cached = f, true
	info.Buffered = "O_DIRECT: " + err.Error()
}

func openAs(path string, flag int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|flag|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	return f, nil
}

func (h *linuxHandle) describe(info *Info) error {
	st, err := h.f.Stat()
	if err != nil {
		return err
	}
	if info.Size, err = h.size(); err != nil {
		return fmt.Errorf("size: %w", err)
	}
	if info.Sector, err = h.number(unix.BLKSSZGET); err != nil {
		return fmt.Errorf("sector size: %w", err)
	}
	if info.Physical, err = h.number(unix.BLKPBSZGET); err != nil {
		info.note("physical sector size: " + err.Error())
	}
	if ro, err := h.number(unix.BLKROGET); err != nil {
		info.note("read-only flag: " + err.Error())
	} else {
		yes := ro != 0
		info.ReadOnly = &yes
	}
	info.Kind = Disk
	rdev := rdevOf(st)
	s := system{root: "/"}
	s.describe(rdev, info)
	h.ask(s, rdev, info)
	return nil
}

func rdevOf(st os.FileInfo) devno {
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		return devno{unix.Major(uint64(sys.Rdev)), unix.Minor(uint64(sys.Rdev))}
	}
	return devno{}
}

// number asks an ioctl that answers with an int.
func (h *linuxHandle) number(req uint) (n int, err error) {
	err = h.control(func(fd int) error {
		v, err := unix.IoctlGetUint32(fd, req)
		n = int(v)
		return err
	})
	return n, err
}

// size asks anew, and lets go of what the cache holds: what is read next comes
// from the medium, or not at all.
func (h *linuxHandle) size() (int64, error) {
	if h.cached || !h.block {
		h.control(func(fd int) error { return unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED) })
	}
	if !h.block {
		st, err := h.f.Stat()
		if err != nil {
			return 0, err
		}
		return st.Size(), nil
	}
	var n uint64
	err := h.control(func(fd int) error {
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.BLKGETSIZE64, uintptr(unsafe.Pointer(&n))); e != 0 {
			return e
		}
		return nil
	})
	return int64(n), err
}

func (h *linuxHandle) control(fn func(fd int) error) error {
	c, err := h.f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := c.Control(func(fd uintptr) { inner = fn(int(fd)) }); err != nil {
		return err
	}
	return inner
}

func (h *linuxHandle) readAt(p []byte, off int64) (int, error) {
	n, err := h.f.ReadAt(p, off)
	if err == nil || err == io.EOF || Gone(err) {
		return n, err
	}
	m, again := 0, err
	if h.fine != nil {
		m, again = h.readFine(p[n:], off+int64(n))
	}
	if m == 0 && (h.cached || !h.block) {
		m, again = h.readPages(p[n:], off+int64(n))
	}
	if m == 0 {
		return n, err
	}
	return n + m, again
}

// readPages reads once more through the cache. It works with runs of pages
// that one bad sector makes unreadable together; without read-ahead, and with
// the runs that it has thrown away, they are single pages.
func (h *linuxHandle) readPages(p []byte, off int64) (n int, err error) {
	const run = 2 << 20 // the largest that there is
	from := off &^ (run - 1)
	cerr := h.control(func(fd int) error {
		if err := unix.Fadvise(fd, from, off+int64(len(p))+run-from, unix.FADV_DONTNEED); err != nil {
			return err
		}
		if err := unix.Fadvise(fd, 0, 0, unix.FADV_RANDOM); err != nil {
			return err
		}
		n, err = h.f.ReadAt(p, off)
		return unix.Fadvise(fd, 0, 0, unix.FADV_NORMAL)
	})
	if cerr != nil && n == 0 {
		return 0, cerr
	}
	return n, err
}

// readFine reads what the page cache could not, in sectors of 512 bytes.
func (h *linuxHandle) readFine(p []byte, off int64) (int, error) {
	from := off &^ 511
	b := Alloc(int((off+int64(len(p))+511)&^511 - from))
	n, err := h.fine.ReadAt(b, from)
	n = copy(p, b[min(int(off-from), n):n])
	if n == len(p) {
		err = nil
	}
	return n, err
}

func (h *linuxHandle) close() error {
	if h.fine != nil {
		h.fine.Close()
	}
	return h.f.Close()
}
