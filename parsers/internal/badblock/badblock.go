// Package badblock gives tests a file of which a block cannot be read, as a disk
// with a bad sector is.
package badblock

import (
	"errors"
	"io"
)

// Err is what reading the block ends with.
var Err = errors.New("input/output error (injected)")

// Reader fails where a read touches Len bytes from Off on; what lies before them
// is given.
type Reader struct {
	io.ReaderAt
	Off, Len int64
}

func (r Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < r.Off+r.Len && off+int64(len(p)) > r.Off {
		n, _ := r.ReaderAt.ReadAt(p[:max(r.Off-off, 0)], off)
		return n, Err
	}
	return r.ReaderAt.ReadAt(p, off)
}
