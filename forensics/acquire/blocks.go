package acquire

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
)

// BlockSize is what each of the per-MiB digests is made of; a batch is one.
const BlockSize = batchSize

// BlocksName is the file of the per-MiB digests: 32 bytes of SHA-256 for each
// MiB of the medium, the last one of what is left.
func BlocksName(image string) string { return image + ".sha256.bin" }

// blockList is that file while it is made. Its root is the SHA-256 of all of
// it. A nil list is none.
type blockList struct {
	f   *os.File
	buf []byte // not yet written, from at on
	at  int64
}

// newBlocks begins the list, or takes it up again behind the digests of so many
// bytes of the medium.
func newBlocks(image string, next int64, begun bool) (*blockList, error) {
	flag := os.O_CREATE
	if !begun {
		flag |= os.O_EXCL
	}
	f, err := os.OpenFile(BlocksName(image), os.O_RDWR|flag, 0o666)
	if err != nil {
		return nil, err
	}
	l := &blockList{f: f, at: next / BlockSize * sha256.Size}
	st, err := f.Stat()
	if err == nil && st.Size() < l.at {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = f.Truncate(l.at)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return l, nil
}

// add appends the digest of the next block.
func (l *blockList) add(sum [sha256.Size]byte) error {
	if l == nil {
		return nil
	}
	l.buf = append(l.buf, sum[:]...)
	if len(l.buf) < 64<<10 {
		return nil
	}
	return l.flush()
}

func (l *blockList) flush() error {
	if l == nil {
		return nil
	}
	_, err := l.f.WriteAt(l.buf, l.at)
	if err == nil {
		l.at += int64(len(l.buf))
		l.buf = l.buf[:0]
	}
	return err
}

// sync brings what was flushed to the disk.
func (l *blockList) sync() error {
	if l == nil {
		return nil
	}
	return l.f.Sync()
}

// finish gives the root.
func (l *blockList) finish() (root string, err error) {
	if l == nil {
		return "", nil
	}
	if err := l.flush(); err != nil {
		return "", err
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(l.f, 0, l.at)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), l.f.Sync()
}

func (l *blockList) close() error { return l.f.Close() }

// copyFile copies the first size bytes of a file to a new one, synced.
func copyFile(from, to string, size int64) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, io.LimitReader(in, size))
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	if serr := out.Sync(); err == nil {
		err = serr
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return err
}
