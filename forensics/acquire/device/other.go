//go:build !linux && !windows

package device

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

type fileHandle struct{ f *os.File }

// open opens a file; devices are read under Linux and Windows only.
func open(path string) (handle, Info, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, Info{}, errors.Unwrap(err)
	}
	if !st.Mode().IsRegular() {
		return nil, Info{}, errors.New("no regular file; devices are read under Linux and Windows")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, Info{}, errors.Unwrap(err)
	}
	return &fileHandle{f}, Info{Path: path, Kind: File, Size: st.Size(), Sector: 512, Buffered: "a file",
		Hidden: Hidden{State: "not asked: not a disk"}}, nil
}

func (h *fileHandle) readAt(p []byte, off int64) (int, error) { return h.f.ReadAt(p, off) }
func (h *fileHandle) close() error                            { return h.f.Close() }

func (h *fileHandle) size() (int64, error) {
	st, err := h.f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

func goneErrno(err error) bool {
	return errors.Is(err, syscall.ENXIO) || errors.Is(err, syscall.ENODEV) || errors.Is(err, syscall.EBADF)
}

func mounted(string) ([]Mount, error) { return nil, nil }

func onSource(string, string) (bool, error) { return false, nil }

func free(dir string) (int64, error) {
	return 0, fmt.Errorf("%s: free space is known under Linux and Windows only", dir)
}
